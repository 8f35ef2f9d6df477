package org.apache.spark.scheduler;

public class SparkListenerStageSubmitted implements SparkListenerEvent {
  public native StageInfo stageInfo();
}
