package org.apache.spark;

public interface TaskFailedReason extends TaskEndReason {
  String toErrorString();
}
