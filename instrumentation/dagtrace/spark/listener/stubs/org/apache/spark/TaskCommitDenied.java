package org.apache.spark;

public class TaskCommitDenied implements TaskFailedReason {
  public native String toErrorString();
}
