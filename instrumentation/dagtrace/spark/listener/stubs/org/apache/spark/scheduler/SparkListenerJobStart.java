package org.apache.spark.scheduler;

import java.util.Properties;

public class SparkListenerJobStart implements SparkListenerEvent {
  public native int jobId();
  public native Properties properties();
  public native long time();
}
