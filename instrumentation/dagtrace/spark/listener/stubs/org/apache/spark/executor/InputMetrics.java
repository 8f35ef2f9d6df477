package org.apache.spark.executor;

public class InputMetrics {
  public native long bytesRead();
  public native long recordsRead();
}
