package io.dagtrace.spark;

import java.lang.management.ManagementFactory;
import java.util.Map;
import org.apache.spark.SparkContext;

/** What the listener says of itself. */
final class Health {
  /** On the queue's own thread, at the application's end. */
  void describe(Attributes to, SparkContext context, String queue, Outbox outbox) {
    to.number(Names.DAGTRACE_SPARK_RECORDS_LOST, outbox.losses.total());
    if (context == null) return;
    long dropped = dropped(context, queue);
    if (dropped >= 0) to.number(Names.DAGTRACE_SPARK_EVENTS_DROPPED, dropped);
    if (!Thread.currentThread().getName().contains(queue)) return; // ended by somebody else's thread
    try {
      to.decimal(Names.DAGTRACE_SPARK_CPU_TIME, ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() / 1e9);
    } catch (UnsupportedOperationException e) {
      // this JVM does not measure it
    }
  }

  /** Events the bus dropped because our queue was full; -1 where that is not to be known. */
  private static long dropped(SparkContext context, String queue) {
    Object metrics = Scala.call(context.listenerBus(), "metrics");
    Object registry = metrics == null ? null : Scala.call(metrics, "metricRegistry");
    Object counters = registry == null ? null : Scala.call(registry, "getCounters");
    Object counter = counters instanceof Map ? ((Map<?, ?>) counters).get("queue." + queue + ".numDroppedEvents") : null;
    return counter == null ? -1 : Scala.number(counter, "getCount", -1);
  }
}
