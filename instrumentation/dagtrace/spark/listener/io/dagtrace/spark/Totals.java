package io.dagtrace.spark;

import org.apache.spark.TaskCommitDenied;
import org.apache.spark.TaskEndReason;
import org.apache.spark.TaskFailedReason;
import org.apache.spark.TaskKilled;
import org.apache.spark.executor.TaskMetrics;
import org.apache.spark.scheduler.TaskInfo;

/**
 * What the tasks of one stage attempt add up to, counted as org.apache.spark.status.AppStatusListener counts: every
 * attempt that ended, failed and killed ones with the work they had done. 2 KB, however many tasks there are.
 */
final class Totals {
  /** Key of a number that is no attribute: the sum of the durations of all tasks that ended, in seconds. */
  static final String DURATIONS = "sum of durations";

  int active;
  private int succeeded, failed, killed, speculative;
  private long runTime, gcTime, deserializeTime, schedulerDelay, fetchWait; // ms
  private long cpuTime, writeTime; // ns
  private long inputBytes, inputRecords, outputBytes, outputRecords, resultBytes;
  private long localBytes, remoteBytes, readRecords, writtenBytes, writtenRecords;
  private long peakMemory, spillMemory, spillDisk, maxBytes, allDurations;
  private Failure error;
  private final Durations durations = new Durations();

  void add(TaskInfo info, TaskEndReason reason, TaskMetrics metrics) {
    if (!again(info, reason)) {
      if (active > 0) active--;
      if (info.speculative()) speculative++;
      if (metrics != null) sum(info, metrics);
    }
    if (reason instanceof TaskKilled || reason instanceof TaskCommitDenied) {
      killed++;
    } else if (reason instanceof TaskFailedReason) {
      failed++;
      error = Failure.of((TaskFailedReason) reason);
    } else {
      succeeded++;
      durations.add(info.finishTime() - info.launchTime());
    }
  }

  /** A task that had succeeded and whose output went with its executor ends a second time, as failed ("Resubmitted"). */
  static boolean again(TaskInfo info, TaskEndReason reason) {
    return reason instanceof TaskFailedReason && info.successful();
  }

  /** The class of the last task's error, for a stage whose own message may name none. */
  String errorType() { return error == null ? "SparkException" : error.type; }

  private void sum(TaskInfo info, TaskMetrics m) {
    runTime += m.executorRunTime();
    cpuTime += m.executorCpuTime();
    gcTime += m.jvmGCTime();
    deserializeTime += m.executorDeserializeTime();
    schedulerDelay += schedulerDelay(info, m);
    allDurations += Math.max(0, info.finishTime() - info.launchTime());
    resultBytes += m.resultSize();
    peakMemory = Math.max(peakMemory, m.peakExecutionMemory()); // Spark's stage table adds peaks up
    spillMemory += m.memoryBytesSpilled();
    spillDisk += m.diskBytesSpilled();
    inputBytes += m.inputMetrics().bytesRead();
    inputRecords += m.inputMetrics().recordsRead();
    outputBytes += m.outputMetrics().bytesWritten();
    outputRecords += m.outputMetrics().recordsWritten();
    localBytes += m.shuffleReadMetrics().localBytesRead();
    remoteBytes += m.shuffleReadMetrics().remoteBytesRead();
    readRecords += m.shuffleReadMetrics().recordsRead();
    fetchWait += m.shuffleReadMetrics().fetchWaitTime();
    writtenBytes += m.shuffleWriteMetrics().bytesWritten();
    writtenRecords += m.shuffleWriteMetrics().recordsWritten();
    writeTime += m.shuffleWriteMetrics().writeTime();
    long read = m.inputMetrics().bytesRead() + m.shuffleReadMetrics().localBytesRead()
        + m.shuffleReadMetrics().remoteBytesRead();
    long written = m.outputMetrics().bytesWritten() + m.shuffleWriteMetrics().bytesWritten();
    maxBytes = Math.max(maxBytes, Math.max(read, written));
  }

  /** Milliseconds, by org.apache.spark.status.AppStatusUtils.schedulerDelay. */
  static long schedulerDelay(TaskInfo info, TaskMetrics m) {
    long fetching = info.gettingResultTime() > 0 ? info.finishTime() - info.gettingResultTime() : 0;
    return Math.max(0, info.finishTime() - info.launchTime() - m.executorRunTime()
        - m.executorDeserializeTime() - m.resultSerializationTime() - fetching);
  }

  void describe(Attributes to) {
    to.number(Names.SPARK_STAGE_TASKS_SUCCEEDED, succeeded)
        .number(Names.SPARK_STAGE_TASKS_FAILED, failed)
        .number(Names.SPARK_STAGE_TASKS_KILLED, killed)
        .number(Names.SPARK_STAGE_TASKS_SPECULATIVE, speculative)
        .text(Names.SPARK_STAGE_TASK_ERROR, error == null ? null : error.message)
        .number(Names.SPARK_STAGE_INPUT_BYTES, inputBytes)
        .number(Names.SPARK_STAGE_INPUT_RECORDS, inputRecords)
        .number(Names.SPARK_STAGE_OUTPUT_BYTES, outputBytes)
        .number(Names.SPARK_STAGE_OUTPUT_RECORDS, outputRecords)
        .number(Names.SPARK_STAGE_SHUFFLE_READ_BYTES, localBytes + remoteBytes)
        .number(Names.SPARK_STAGE_SHUFFLE_READ_LOCAL_BYTES, localBytes)
        .number(Names.SPARK_STAGE_SHUFFLE_READ_REMOTE_BYTES, remoteBytes)
        .number(Names.SPARK_STAGE_SHUFFLE_READ_RECORDS, readRecords)
        .decimal(Names.SPARK_STAGE_SHUFFLE_READ_FETCH_WAIT, fetchWait / 1e3)
        .number(Names.SPARK_STAGE_SHUFFLE_WRITE_BYTES, writtenBytes)
        .number(Names.SPARK_STAGE_SHUFFLE_WRITE_RECORDS, writtenRecords)
        .decimal(Names.SPARK_STAGE_SHUFFLE_WRITE_TIME, writeTime / 1e9)
        .number(Names.SPARK_STAGE_SPILL_MEMORY_BYTES, spillMemory)
        .number(Names.SPARK_STAGE_SPILL_DISK_BYTES, spillDisk)
        .number(Names.SPARK_STAGE_MEMORY_PEAK, peakMemory)
        .decimal(Names.SPARK_STAGE_RUN_TIME, runTime / 1e3)
        .decimal(Names.SPARK_STAGE_CPU_TIME, cpuTime / 1e9)
        .decimal(Names.SPARK_STAGE_GC_TIME, gcTime / 1e3)
        .decimal(Names.SPARK_STAGE_DESERIALIZE_TIME, deserializeTime / 1e3)
        .decimal(Names.SPARK_STAGE_SCHEDULER_DELAY, schedulerDelay / 1e3)
        .number(Names.SPARK_STAGE_TASK_BYTES_MAX, maxBytes)
        .number(Names.SPARK_STAGE_RESULT_BYTES, resultBytes);
    to.numbers.put(DURATIONS, allDurations / 1e3);
    durations.describe(to);
  }

  /** Durations (ms) of the tasks that succeeded, as the quantiles in Spark's UI, in buckets of 2^(1/4): up to 41 days. */
  private static final class Durations {
    private static final double PER_E = 4 / Math.log(2);
    private final int[] counts = new int[128];
    private final long[] sums = new long[128];
    private int count;
    private long min = Long.MAX_VALUE;
    private long max;

    void add(long ms) {
      long duration = Math.max(0, ms);
      int bucket = duration == 0 ? 0 : Math.min(127, 1 + (int) (Math.log(duration) * PER_E));
      counts[bucket]++;
      sums[bucket] += duration;
      count++;
      min = Math.min(min, duration);
      max = Math.max(max, duration);
    }

    /** The mean of the bucket the quantile lies in: at most 19 % off, and exact where all tasks take the same time. */
    double quantile(double q) {
      int rank = Math.max(1, (int) Math.ceil(q * count));
      for (int bucket = 0, seen = 0; bucket < 128; bucket++) {
        seen += counts[bucket];
        if (seen >= rank) return Math.max(min, Math.min(max, (double) sums[bucket] / counts[bucket]));
      }
      return max;
    }

    void describe(Attributes to) {
      if (count == 0) return;
      double median = quantile(0.5);
      to.decimal(Names.SPARK_STAGE_TASK_DURATION_P50, median / 1e3)
          .decimal(Names.SPARK_STAGE_TASK_DURATION_P95, quantile(0.95) / 1e3)
          .decimal(Names.SPARK_STAGE_TASK_DURATION_MAX, max / 1e3)
          // A task may take less than the clock's millisecond; nothing is infinitely skewed for that.
          .decimal(Names.SPARK_STAGE_SKEW, Math.max(max, 1) / Math.max(median, 1))
          .decimal(Names.SPARK_STAGE_SKEW_TIME, (max - median) / 1e3);
    }
  }
}
