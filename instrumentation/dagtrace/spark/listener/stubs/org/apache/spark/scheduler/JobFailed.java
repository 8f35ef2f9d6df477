package org.apache.spark.scheduler;

public class JobFailed implements JobResult {
  public native Exception exception();
}
