package io.dagtrace.spark;

import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.TaskInfo;

/** The executors of an application: when each came and went, as events, and how much of their cores' time was used. */
final class Executors {
  private static final class Executor {
    final long since;
    final int cores;

    Executor(long since, int cores) {
      this.since = since;
      this.cores = cores;
    }
  }

  private final Application application;
  private final double cpusPerTask;
  private final Map<String, Executor> alive = new HashMap<>();
  private final Set<String> seen = new HashSet<>();
  private int added, removed, peak, peakCores, cores;
  private double coreMs, taskMs;

  Executors(Application application, SparkConf conf) {
    this.application = application;
    double cpus = 1;
    try {
      cpus = Double.parseDouble(conf.get("spark.task.cpus", "1"));
    } catch (NumberFormatException ours) {
      // Spark itself refuses it
    }
    cpusPerTask = cpus;
  }

  void add(SparkListenerExecutorAdded e) {
    if (seen.add(e.executorId())) add(e.executorId(), e.time(), e.executorInfo().totalCores(), e.executorInfo().executorHost());
  }

  private void add(String id, long time, int its, String host) {
    alive.put(id, new Executor(Math.max(time, application.start), its));
    added++;
    cores += its;
    peak = Math.max(peak, alive.size());
    peakCores = Math.max(peakCores, cores);
    application.event(Names.EVENT_SPARK_EXECUTOR_ADDED, time, new Attributes().text(Names.SPARK_EXECUTOR_ID, id)
        .text(Names.SPARK_EXECUTOR_HOST, host).number(Names.SPARK_EXECUTOR_CORES, its));
  }

  void remove(SparkListenerExecutorRemoved e) { remove(e.executorId(), e.time(), e.reason()); }

  private void remove(String id, long time, String reason) {
    Executor gone = alive.remove(id);
    if (gone == null) return;
    removed++;
    cores -= gone.cores;
    coreMs += (double) gone.cores * Math.max(0, time - gone.since);
    application.event(Names.EVENT_SPARK_EXECUTOR_REMOVED, time, new Attributes().text(Names.SPARK_EXECUTOR_ID, id)
        .text(Names.SPARK_EXECUTOR_REMOVED_REASON, Mask.mask(reason)));
  }

  void ran(TaskInfo info) { taskMs += cpusPerTask * Math.max(0, info.finishTime() - info.launchTime()); }

  /**
   * Account for executors that came before anybody listened, and those that nobody told of: Spark's status store knows
   * them all. It fills on a queue of its own, so it is asked when the first job begins and at the end.
   */
  void catchUp(SparkContext context) {
    if (context == null) return;
    try {
      Object store = Scala.call(context, "statusStore");
      Object listed = store.getClass().getMethod("executorList", boolean.class).invoke(store, false);
      for (Object executor : Scala.all(listed)) {
        String id = String.valueOf(Scala.call(executor, "id"));
        int its = (int) Scala.number(executor, "totalCores", 0);
        if (its == 0 || !seen.add(id)) continue; // the driver of a cluster's application runs no tasks
        Date since = (Date) Scala.call(executor, "addTime");
        Date until = (Date) Scala.call(executor, "removeTime");
        add(id, since.getTime(), its, String.valueOf(Scala.call(executor, "hostPort")).replaceFirst(":\\d+$", ""));
        if (until != null) remove(id, until.getTime(), String.valueOf(Scala.call(executor, "removeReason")));
      }
    } catch (ReflectiveOperationException | RuntimeException e) {
      // a Spark that hides it: what was seen is what is told
    }
  }

  /** {@code end} in ms since the epoch: what is alive then has been there until then. */
  void describe(Attributes to, long end) {
    double there = coreMs;
    for (Executor executor : alive.values()) there += (double) executor.cores * Math.max(0, end - executor.since);
    to.number(Names.SPARK_APPLICATION_EXECUTORS_ADDED, added)
        .number(Names.SPARK_APPLICATION_EXECUTORS_REMOVED, removed)
        .number(Names.SPARK_APPLICATION_EXECUTORS_PEAK, peak)
        .number(Names.SPARK_APPLICATION_CORES_PEAK, peakCores)
        .decimal(Names.SPARK_APPLICATION_CORE_TIME, there / 1e3)
        .decimal(Names.SPARK_APPLICATION_TASK_TIME, taskMs / 1e3);
    if (there > 0) to.decimal(Names.SPARK_APPLICATION_IDLE_SHARE, Math.max(0, 1 - taskMs / there));
  }
}
