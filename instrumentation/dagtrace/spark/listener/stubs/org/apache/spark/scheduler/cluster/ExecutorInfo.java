package org.apache.spark.scheduler.cluster;

public class ExecutorInfo {
  public native String executorHost();
  public native int totalCores();
}
