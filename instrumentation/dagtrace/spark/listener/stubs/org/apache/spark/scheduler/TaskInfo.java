package org.apache.spark.scheduler;

public class TaskInfo {
  public native int attemptNumber();
  public native String executorId();
  public native long finishTime();
  public native long gettingResultTime();
  public native String host();
  public native int index();
  public native long launchTime();
  public native boolean speculative();
  public native boolean successful();
  public native long taskId();
}
