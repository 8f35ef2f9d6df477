package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** Finished spans on their way out, to Python or to the Sender, never to both. Full, it loses the oldest and counts them. */
final class Outbox {
  private static final int MOST = 16384; // lines, about 3 KB each

  /** One span: an OTLP/JSON Span object without a line break, and what it adds to the metrics. */
  static final class Line {
    final String json;
    final String name;
    final boolean sampled;
    final List<Meter.Point> points;

    Line(String json, String name, boolean sampled, List<Meter.Point> points) {
      this.json = json;
      this.name = name;
      this.sampled = sampled;
      this.points = points;
    }
  }

  final AtomicLong records = new AtomicLong();
  final AtomicLong lost = new AtomicLong();
  private final LinkedBlockingDeque<Line> lines = new LinkedBlockingDeque<>(MOST);
  private volatile boolean closed;

  void put(Line line) {
    records.incrementAndGet();
    while (!lines.offerLast(line)) if (lines.pollFirst() != null) lost.incrementAndGet();
  }

  /** Nothing comes after this. */
  void close() { closed = true; }

  boolean closed() { return closed; }

  boolean isEmpty() { return lines.isEmpty(); }

  /** Wait for a line, then return all there are, at most {@code max}; empty where none came. */
  List<Line> take(int max, long waitMs) throws InterruptedException {
    List<Line> taken = new ArrayList<>();
    Line first = lines.poll();
    // In steps: what is closed has nobody to wake those who wait.
    for (long left = waitMs; first == null && left > 0 && !closed; left -= 100) {
      first = lines.poll(Math.min(left, 100), TimeUnit.MILLISECONDS);
    }
    if (first == null) first = lines.poll();
    if (first == null) return taken;
    taken.add(first);
    lines.drainTo(taken, max - 1);
    return taken;
  }

  /** Take back what nobody could use. */
  void putBack(List<Line> taken) {
    Collections.reverse(taken);
    for (Line line : taken) if (!lines.offerFirst(line)) lost.incrementAndGet();
  }
}
