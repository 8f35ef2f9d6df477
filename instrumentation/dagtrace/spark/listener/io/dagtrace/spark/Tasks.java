package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import org.apache.spark.TaskEndReason;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.TaskKilled;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.scheduler.TaskInfo;

/** The tasks of one stage attempt that deserve a span (DAGTRACE_SPARK_DETAIL=task): the first to fail, the slowest. */
final class Tasks {
  private static final int MOST_FAILED = 10;
  private static final int SLOWEST = 3;

  private static final class Task {
    final TaskInfo info;
    final TaskMetrics metrics;
    final Failure failure;

    Task(TaskInfo info, TaskMetrics metrics, Failure failure) {
      this.info = info;
      this.metrics = metrics;
      this.failure = failure;
    }

    long duration() { return info.finishTime() - info.launchTime(); }
  }

  private final List<Task> failed = new ArrayList<>();
  private final PriorityQueue<Task> slowest = new PriorityQueue<>(Comparator.comparingLong(Task::duration));

  void add(TaskInfo info, TaskEndReason reason, TaskMetrics metrics) {
    if (reason instanceof TaskKilled) return; // nobody's fault, and not slow of its own
    if (reason instanceof TaskFailedReason) {
      if (failed.size() < MOST_FAILED && !info.successful()) failed.add(new Task(info, metrics, Failure.of((TaskFailedReason) reason)));
      return;
    }
    Task task = new Task(info, metrics, null);
    if (slowest.size() == SLOWEST && slowest.peek().duration() >= task.duration()) return;
    slowest.add(task);
    if (slowest.size() > SLOWEST) slowest.poll();
  }

  /** Write them all; their stage, which contains them, comes after them. */
  void write(Stage stage) {
    for (Task task : failed) new Shown(stage, task).end(task.info.finishTime());
    for (Task task : slowest) new Shown(stage, task).end(task.info.finishTime());
  }

  private static final class Shown extends Span {
    Shown(Stage stage, Task task) {
      super(stage.application, stage, "spark.task",
          Identity.hash(8, "spark.task", stage.application.spanId, task.info.taskId()), task.info.launchTime());
      TaskInfo info = task.info;
      attributes.number(Names.SPARK_TASK_ID, info.taskId()).number(Names.SPARK_TASK_INDEX, info.index())
          .number(Names.SPARK_TASK_ATTEMPT, info.attemptNumber())
          .text(Names.SPARK_TASK_OUTCOME, task.failure == null ? "succeeded" : "failed")
          .text(Names.SPARK_EXECUTOR_ID, info.executorId()).text(Names.SPARK_EXECUTOR_HOST, info.host())
          .text(Names.SPARK_TASK_LOCALITY, String.valueOf(Scala.call(info, "taskLocality")))
          .flag(Names.SPARK_TASK_SPECULATIVE, info.speculative());
      if (task.metrics != null) measure(info, task.metrics);
      if (task.failure != null) fail(task.failure);
    }

    private void measure(TaskInfo info, TaskMetrics m) {
      attributes.decimal(Names.SPARK_TASK_RUN_TIME, m.executorRunTime() / 1e3)
          .decimal(Names.SPARK_TASK_CPU_TIME, m.executorCpuTime() / 1e9)
          .decimal(Names.SPARK_TASK_GC_TIME, m.jvmGCTime() / 1e3)
          .decimal(Names.SPARK_TASK_SCHEDULER_DELAY, Totals.schedulerDelay(info, m) / 1e3)
          .decimal(Names.SPARK_TASK_FETCH_WAIT, m.shuffleReadMetrics().fetchWaitTime() / 1e3)
          .number(Names.SPARK_TASK_INPUT_BYTES, m.inputMetrics().bytesRead())
          .number(Names.SPARK_TASK_SHUFFLE_READ_BYTES,
              m.shuffleReadMetrics().localBytesRead() + m.shuffleReadMetrics().remoteBytesRead())
          .number(Names.SPARK_TASK_SHUFFLE_WRITE_BYTES, m.shuffleWriteMetrics().bytesWritten())
          .number(Names.SPARK_TASK_SPILL_DISK_BYTES, m.diskBytesSpilled());
    }

    @Override void done() { write(); }
  }
}
