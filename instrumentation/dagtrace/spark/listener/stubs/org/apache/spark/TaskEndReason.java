package org.apache.spark;

public interface TaskEndReason {}
