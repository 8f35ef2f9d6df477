package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The metrics of a driver whose JVM speaks for itself: what its spans add up to, as delta points. A driver is short and
 * has a service.instance.id of its own, so cumulative points would be a new series each time.
 */
final class Meter {
  /** Seconds, as in dagtrace/telemetry/metrics.py: from a tenth of a second to a day. */
  private static final double[] BOUNDS =
      {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400};

  /** One measurement. */
  static final class Point {
    final Metrics.Source source;
    final double value;
    final String attributes;

    Point(Metrics.Source source, double value, String attributes) {
      this.source = source;
      this.value = value;
      this.attributes = attributes;
    }
  }

  /** What a span adds to the metrics: sampled or not, so that they add up to Spark's own totals. */
  static List<Point> points(Span span) { return points(span, span.kind, span.attributes); }

  /** The same for one of its events. */
  static List<Point> points(Span span, String kind, Attributes of) {
    List<Point> made = new ArrayList<>();
    for (Metrics.Source source : Metrics.SOURCES) {
      if (!source.span.equals(kind)) continue;
      Number value = source.attribute.isEmpty() ? (span.end - span.start) / 1e3 : of.numbers.get(source.attribute);
      if (value == null) continue; // nobody counted; a count of 0 is one
      Attributes attributes = new Attributes().text(Names.SPARK_APPLICATION_NAME, span.application.appName);
      if (source.outcome) attributes.text(Names.SPARK_OUTCOME, span.failure != null ? "failure" : span.cancelled ? "cancelled" : "success");
      if (!source.key.isEmpty()) attributes.text(source.key, source.value);
      boolean other = source.copied.length > 0 && !span.application.counts(of);
      for (String name : source.copied) attributes.text(name, other && !name.equals(Names.DATA_OPERATION) ? "other" : of.texts.get(name));
      made.add(new Point(source, value.doubleValue(), attributes.json.toString()));
    }
    return made;
  }

  private static final class Series {
    final Metrics.Source source;
    final String attributes;
    final long[] buckets = new long[BOUNDS.length + 1];
    double sum;
    long count;
    double min = Double.MAX_VALUE;
    double max;
    // An exemplar, which leads from the number to a span: the last one; null for none.
    Identity.Parent exemplar;
    double exemplary;
    long when;

    Series(Point point) {
      source = point.source;
      attributes = point.attributes;
    }

    void add(double value, Identity.Parent at) {
      if (at != null) {
        exemplar = at;
        exemplary = value;
        when = System.currentTimeMillis();
      }
      sum += value;
      count++;
      min = Math.min(min, value);
      max = Math.max(max, value);
      int bucket = 0;
      while (bucket < BOUNDS.length && value > BOUNDS[bucket]) bucket++;
      buckets[bucket]++;
    }

    private void write(StringBuilder out, String times) {
      out.append("{\"attributes\":[").append(attributes).append("],").append(times);
      if (exemplar != null) {
        out.append(",\"exemplars\":[{\"timeUnixNano\":\"").append(when).append("000000\",\"asDouble\":").append(exemplary)
            .append(",\"spanId\":\"").append(exemplar.span).append("\",\"traceId\":\"").append(exemplar.trace).append("\"}]");
      }
      if (!source.histogram) {
        // Bytes and counts are whole; a double holds them up to 2^53.
        if (source.unit.equals("s")) out.append(",\"asDouble\":").append(sum);
        else out.append(",\"asInt\":\"").append((long) sum).append('"');
        out.append('}');
        return;
      }
      out.append(",\"count\":\"").append(count).append("\",\"sum\":").append(sum).append(",\"min\":").append(min)
          .append(",\"max\":").append(max).append(",\"bucketCounts\":[");
      for (int i = 0; i < buckets.length; i++) out.append(i == 0 ? "\"" : ",\"").append(buckets[i]).append('"');
      out.append("],\"explicitBounds\":[");
      for (int i = 0; i < BOUNDS.length; i++) out.append(i == 0 ? "" : ",").append(BOUNDS[i]);
      out.append("]}");
    }
  }

  // Added to by Spark's bus, collected by the Sender.
  private final Map<String, Series> series = new LinkedHashMap<>();
  private long since = System.currentTimeMillis();
  private final Predicate<Outbox.Line> told;

  /** {@code told} says whether a span is told: no exemplar leads to what is not. */
  Meter(Predicate<Outbox.Line> told) { this.told = told; }

  /** What a span has added up to. */
  void add(Outbox.Line line, List<Point> points) { add(points, told.test(line) ? line.span : null); }

  /** {@code at} is the span that these were measured at, null for none. */
  synchronized void add(List<Point> points, Identity.Parent at) {
    for (Point point : points) {
      series.computeIfAbsent(point.source.metric + point.attributes, key -> new Series(point)).add(point.value, at);
    }
  }

  /** The JSON Metric objects of all that was added since the last time, "" for nothing. */
  synchronized String collect() {
    if (series.isEmpty()) return "";
    long now = System.currentTimeMillis();
    String times = "\"startTimeUnixNano\":\"" + since + "000000\",\"timeUnixNano\":\"" + now + "000000\"";
    since = now;
    Map<String, List<Series>> byMetric = new LinkedHashMap<>();
    for (Series s : series.values()) byMetric.computeIfAbsent(s.source.metric, key -> new ArrayList<>()).add(s);
    StringBuilder out = new StringBuilder();
    for (Map.Entry<String, List<Series>> metric : byMetric.entrySet()) {
      Metrics.Source source = metric.getValue().get(0).source;
      Attributes.quote(out.append(out.length() == 0 ? "" : ",").append("{\"name\":"), metric.getKey());
      Attributes.quote(out.append(",\"unit\":"), source.unit);
      out.append(source.histogram ? ",\"histogram\":" : ",\"sum\":").append("{\"aggregationTemporality\":1,");
      out.append(source.histogram ? "" : "\"isMonotonic\":true,").append("\"dataPoints\":[");
      for (int i = 0; i < metric.getValue().size(); i++) {
        if (i > 0) out.append(',');
        metric.getValue().get(i).write(out, times);
      }
      out.append("]}}");
    }
    series.clear();
    return out.toString();
  }
}
