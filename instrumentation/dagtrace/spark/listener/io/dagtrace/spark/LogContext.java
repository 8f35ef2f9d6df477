package io.dagtrace.spark;

import io.dagtrace.spark.Identity.Parent;
import org.apache.spark.SparkContext;
import org.slf4j.MDC;

/**
 * Which span a thread's jobs belong to, and its ids in the log context of the driver's thread and of the executors'
 * tasks: executors put local properties called {@code mdc.*} into their log context, under that name (Spark 3.1).
 */
final class LogContext {
  private static final String PREFIX = "mdc.";
  private static final String TRACE = "trace_id";
  private static final String SPAN = "span_id";

  /** Give the calling thread the application's ids, unless it has a span's; threads it starts inherit them. */
  static void of(SparkContext context, Application application) {
    if (context == null) return;
    String named = context.getLocalProperty(Job.PARENT);
    follow(context, application, named);
  }

  static void follow(SparkContext context, Application application, String traceparent) {
    if (context == null || application == null) return;
    Parent named = Identity.parse(traceparent);
    context.setLocalProperty(Job.PARENT, named == null ? null : traceparent);
    put(context, TRACE, named == null ? application.trace.trace : named.trace);
    put(context, SPAN, named == null ? application.spanId : named.span);
  }

  private static void put(SparkContext context, String key, String value) {
    context.setLocalProperty(PREFIX + key, value);
    try {
      MDC.put(key, value); // OpenTelemetry's key
      MDC.put(PREFIX + key, value); // and the one that executors have: one pattern, %X{mdc.trace_id}, serves both
    } catch (Throwable noLog) {
      // a driver without SLF4J's context has none to fill
    }
  }

  private LogContext() {}
}
