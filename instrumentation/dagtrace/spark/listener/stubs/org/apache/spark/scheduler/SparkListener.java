package org.apache.spark.scheduler;

public abstract class SparkListener implements SparkListenerInterface {
  public void onApplicationEnd(SparkListenerApplicationEnd event) {}

  public void onApplicationStart(SparkListenerApplicationStart event) {}

  public void onExecutorAdded(SparkListenerExecutorAdded event) {}

  public void onExecutorRemoved(SparkListenerExecutorRemoved event) {}

  public void onJobEnd(SparkListenerJobEnd event) {}

  public void onJobStart(SparkListenerJobStart event) {}

  public void onStageCompleted(SparkListenerStageCompleted event) {}

  public void onStageSubmitted(SparkListenerStageSubmitted event) {}

  public void onTaskEnd(SparkListenerTaskEnd event) {}

  public void onTaskStart(SparkListenerTaskStart event) {}

  public void onOtherEvent(SparkListenerEvent event) {}
}
