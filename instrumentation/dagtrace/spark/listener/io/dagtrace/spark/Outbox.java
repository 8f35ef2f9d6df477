package io.dagtrace.spark;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** Finished spans on their way out, to Python or to the Sender, never to both. Full, it loses the oldest and counts them. */
final class Outbox {
  /** Bytes of heap that waiting spans may take: some 5000 of them, at 3 KB each. */
  static final int MOST_BYTES = 16 << 20;

  private static final int OVERHEAD = 64; // bytes of an object with its string's

  /** One span: an OTLP/JSON Span object without a line break, and what it adds to the metrics. */
  static final class Line {
    final String json;
    final String name;
    final Identity.Parent span;
    private final long bytes;
    private List<Meter.Point> points;
    private boolean measured;

    Line(String json, String name, Identity.Parent span, List<Meter.Point> points) {
      this.json = json;
      this.name = name;
      this.span = span;
      this.points = points;
      long sum = 2 * OVERHEAD + size(json) + size(span.span);
      for (Meter.Point point : points) sum += OVERHEAD + size(point.attributes);
      bytes = sum;
    }

    /** As a JVM keeps strings since Java 9; Java 8 takes twice as much. */
    private static long size(String text) {
      for (int i = 0; i < text.length(); i++) if (text.charAt(i) > 0xff) return 2L * text.length();
      return text.length();
    }

    /** For Python, which counts what a span adds to the metrics unless that has been done here. */
    String forPython() { return measured ? "{\"measured\":true," + json.substring(1) : json; }

    private void measure(Meter meter) {
      if (measured) return;
      measured = true;
      meter.add(this, points);
      points = Collections.emptyList();
    }
  }

  final AtomicLong records = new AtomicLong();
  final Losses losses = new Losses();
  private final Deque<Line> lines = new ArrayDeque<>();
  private long bytes;
  private Meter meter;
  private boolean closed;

  synchronized void put(Line line) {
    records.incrementAndGet();
    if (meter != null) line.measure(meter);
    lines.addLast(line);
    bytes += line.bytes;
    for (; bytes > MOST_BYTES && lines.size() > 1; losses.add(Losses.Reason.QUEUE_FULL, 1)) bytes -= lines.pollFirst().bytes;
    notifyAll();
  }

  /** Count what waits here and what will come, whatever becomes of the spans: null for no longer. */
  synchronized void measureBy(Meter meter) {
    this.meter = meter;
    if (meter != null) for (Line line : lines) line.measure(meter);
  }

  /** Nothing comes after this. */
  synchronized void close() {
    closed = true;
    notifyAll();
  }

  synchronized boolean closed() { return closed; }

  synchronized boolean isEmpty() { return lines.isEmpty(); }

  /** Wait for a line, then return all there are, at most {@code max}; empty where none came. */
  synchronized List<Line> take(int max, long waitMs) throws InterruptedException {
    long until = System.nanoTime() + waitMs * 1_000_000;
    for (long left = waitMs; lines.isEmpty() && !closed && left > 0; left = (until - System.nanoTime()) / 1_000_000) wait(left);
    List<Line> taken = new ArrayList<>();
    while (taken.size() < max && !lines.isEmpty()) {
      taken.add(lines.pollFirst());
      bytes -= taken.get(taken.size() - 1).bytes;
    }
    return taken;
  }

  /** Take back what nobody could use: the oldest, so that it goes first where there is no room. */
  synchronized void putBack(List<Line> taken) {
    for (int i = taken.size() - 1; i >= 0; i--) {
      if (bytes + taken.get(i).bytes > MOST_BYTES) {
        losses.add(Losses.Reason.QUEUE_FULL, i + 1);
        return;
      }
      lines.addFirst(taken.get(i));
      bytes += taken.get(i).bytes;
    }
  }
}
