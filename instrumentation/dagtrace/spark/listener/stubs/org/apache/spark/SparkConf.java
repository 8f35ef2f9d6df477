package org.apache.spark;

public class SparkConf {
  public SparkConf(boolean loadDefaults) {}

  public native String get(String key, String otherwise);
}
