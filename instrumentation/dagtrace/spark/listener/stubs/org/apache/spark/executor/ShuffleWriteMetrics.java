package org.apache.spark.executor;

public class ShuffleWriteMetrics {
  public native long bytesWritten();
  public native long recordsWritten();
  public native long writeTime();
}
