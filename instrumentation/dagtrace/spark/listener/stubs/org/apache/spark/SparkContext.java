package org.apache.spark;

import org.apache.spark.scheduler.LiveListenerBus;
import scala.Option;

public class SparkContext {
  public native String appName();
  public native String applicationId();
  public native Option<String> applicationAttemptId();
  public native SparkConf conf();
  public native String deployMode();
  public native String getLocalProperty(String key);
  public native LiveListenerBus listenerBus();
  public native String master();
  public native void setLocalProperty(String key, String value);
  public native String sparkUser();
  public native long startTime();
  public native String version();
}
