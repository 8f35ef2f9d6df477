package org.apache.spark.scheduler;

public class LiveListenerBus {
  public native void addToQueue(SparkListenerInterface listener, String queue);
}
