package org.apache.spark.scheduler;

public class SparkListenerExecutorRemoved implements SparkListenerEvent {
  public native String executorId();
  public native String reason();
  public native long time();
}
