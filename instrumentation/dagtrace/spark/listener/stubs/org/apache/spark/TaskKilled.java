package org.apache.spark;

public class TaskKilled implements TaskFailedReason {
  public native String toErrorString();
}
