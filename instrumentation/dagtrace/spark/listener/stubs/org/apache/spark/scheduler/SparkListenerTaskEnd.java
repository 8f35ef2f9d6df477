package org.apache.spark.scheduler;

import org.apache.spark.TaskEndReason;
import org.apache.spark.executor.TaskMetrics;

public class SparkListenerTaskEnd implements SparkListenerEvent {
  public native TaskEndReason reason();
  public native int stageAttemptId();
  public native int stageId();
  public native TaskInfo taskInfo();
  public native TaskMetrics taskMetrics();
}
