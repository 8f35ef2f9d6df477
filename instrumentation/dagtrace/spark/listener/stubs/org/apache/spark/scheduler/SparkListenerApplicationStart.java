package org.apache.spark.scheduler;

import scala.Option;

public class SparkListenerApplicationStart implements SparkListenerEvent {
  public native Option<String> appAttemptId();
  public native Option<String> appId();
  public native String appName();
  public native String sparkUser();
  public native long time();
}
