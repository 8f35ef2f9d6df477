package org.apache.spark.scheduler;

public class TaskInfo {
  public native long finishTime();
  public native long gettingResultTime();
  public native long launchTime();
  public native boolean speculative();
  public native boolean successful();
}
