package org.apache.spark.sql.execution.ui;

import org.apache.spark.scheduler.SparkListenerEvent;

public class SparkListenerSQLExecutionStart implements SparkListenerEvent {
  public native String description();
  public native long executionId();
  public native long time();
}
