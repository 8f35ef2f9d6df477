package org.apache.spark.executor;

public class OutputMetrics {
  public native long bytesWritten();
  public native long recordsWritten();
}
