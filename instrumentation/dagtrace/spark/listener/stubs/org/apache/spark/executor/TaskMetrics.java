package org.apache.spark.executor;

public class TaskMetrics {
  public native long diskBytesSpilled();
  public native long executorCpuTime();
  public native long executorDeserializeTime();
  public native long executorRunTime();
  public native InputMetrics inputMetrics();
  public native long jvmGCTime();
  public native long memoryBytesSpilled();
  public native OutputMetrics outputMetrics();
  public native long peakExecutionMemory();
  public native long resultSerializationTime();
  public native long resultSize();
  public native ShuffleReadMetrics shuffleReadMetrics();
  public native ShuffleWriteMetrics shuffleWriteMetrics();
}
