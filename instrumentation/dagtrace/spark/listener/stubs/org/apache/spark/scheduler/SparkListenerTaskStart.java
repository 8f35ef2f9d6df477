package org.apache.spark.scheduler;

public class SparkListenerTaskStart implements SparkListenerEvent {
  public native int stageAttemptId();
  public native int stageId();
}
