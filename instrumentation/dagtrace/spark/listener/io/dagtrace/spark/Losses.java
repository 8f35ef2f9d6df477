package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** What of an application is lost, and why: each record once, whoever gave it up. */
final class Losses {
  /** A bounded list: it is a metric's attribute. */
  enum Reason {
    /** Nobody took the spans as fast as they came. */
    QUEUE_FULL,
    /** The destination has answered that it will not have them. */
    REFUSED,
    /** The destination could not be reached, and then the application ended. */
    UNREACHABLE,
    /** The budget at the application's end was too short. */
    AT_EXIT,
    /** A fault of ours, or an event that could not be read. */
    ERROR,
    /** A stage that began before the listener did: part of its tasks would be worse than none. */
    LATE_START;

    @Override public String toString() { return name().toLowerCase(java.util.Locale.ROOT); }
  }

  private static final Metrics.Source METRIC =
      new Metrics.Source(Names.DAGTRACE_SPARK_RECORDS_LOST, "{record}", false, "", "", false, "", "");

  private final Map<Reason, Long> counts = new EnumMap<>(Reason.class);
  private final Map<Reason, Long> told = new EnumMap<>(Reason.class);
  private String problem = "";

  synchronized void add(Reason reason, long count) {
    if (count > 0) counts.merge(reason, count, Long::sum);
  }

  /** {@code what} went wrong; the first of all problems is kept for whoever asks. */
  synchronized void add(Reason reason, long count, String what) {
    add(reason, count);
    if (problem.isEmpty()) problem = what;
  }

  synchronized long total() { return counts.values().stream().mapToLong(Long::longValue).sum(); }

  /** The first thing that went wrong, "" for nothing. */
  synchronized String problem() { return problem; }

  /** For a line in a log: {@code queue_full 3, error 1: java.lang.…}. */
  synchronized String describe() { return list(counts) + (problem.isEmpty() ? "" : ": " + problem); }

  /** What has come since the last time, {@code queue_full 3, error 1}: Python counts it. */
  synchronized String news() { return list(fresh()); }

  /** The same as points: the Sender counts it. */
  synchronized List<Meter.Point> points(String appName) {
    List<Meter.Point> made = new ArrayList<>();
    fresh().forEach((reason, count) -> made.add(new Meter.Point(METRIC, count, new Attributes()
        .text(Names.SPARK_APPLICATION_NAME, appName).text(Names.DAGTRACE_LOSS_REASON, reason.toString()).json.toString())));
    return made;
  }

  private Map<Reason, Long> fresh() {
    Map<Reason, Long> found = new EnumMap<>(Reason.class);
    counts.forEach((reason, count) -> {
      long news = count - told.getOrDefault(reason, 0L);
      if (news > 0) found.put(reason, news);
    });
    told.putAll(counts);
    return found;
  }

  private static String list(Map<Reason, Long> counts) {
    StringBuilder out = new StringBuilder();
    counts.forEach((reason, count) -> out.append(out.length() == 0 ? "" : ", ").append(reason).append(' ').append(count));
    return out.toString();
  }
}
