package org.apache.spark.scheduler;

import org.apache.spark.scheduler.cluster.ExecutorInfo;

public class SparkListenerExecutorAdded implements SparkListenerEvent {
  public native String executorId();
  public native ExecutorInfo executorInfo();
  public native long time();
}
