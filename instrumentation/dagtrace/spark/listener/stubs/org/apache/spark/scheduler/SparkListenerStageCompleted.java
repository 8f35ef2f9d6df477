package org.apache.spark.scheduler;

public class SparkListenerStageCompleted implements SparkListenerEvent {
  public native StageInfo stageInfo();
}
