package org.apache.spark.scheduler;

public class SparkListenerApplicationEnd implements SparkListenerEvent {
  public native long time();
}
