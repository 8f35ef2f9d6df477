package org.apache.spark.scheduler;

import scala.Option;

public class StageInfo {
  public native int attemptNumber();
  public native Option<Object> completionTime();
  public native Option<String> failureReason();
  public native String name();
  public native int numTasks();
  public native int stageId();
  public native Option<Object> submissionTime();
}
