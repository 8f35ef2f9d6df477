package org.apache.spark.executor;

public class ShuffleReadMetrics {
  public native long fetchWaitTime();
  public native long localBytesRead();
  public native long recordsRead();
  public native long remoteBytesRead();
}
