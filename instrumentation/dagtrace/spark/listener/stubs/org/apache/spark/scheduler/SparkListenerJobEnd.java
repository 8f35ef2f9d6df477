package org.apache.spark.scheduler;

public class SparkListenerJobEnd implements SparkListenerEvent {
  public native int jobId();
  public native JobResult jobResult();
  public native long time();
}
