package org.apache.spark;

public class ExceptionFailure implements TaskFailedReason {
  public native String className();
  public native String description();
  public native String toErrorString();
}
