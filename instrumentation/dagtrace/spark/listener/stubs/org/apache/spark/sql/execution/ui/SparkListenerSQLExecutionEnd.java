package org.apache.spark.sql.execution.ui;

import org.apache.spark.scheduler.SparkListenerEvent;

public class SparkListenerSQLExecutionEnd implements SparkListenerEvent {
  public native long executionId();
  public native long time();
}
