package io.dagtrace.spark;

import io.dagtrace.spark.Identity.Parent;
import java.util.ArrayList;
import java.util.List;

/** A span of ours. It is written once its own end is known and all below it have ended, so that it contains them. */
abstract class Span {
  private static final int MOST_EVENTS = 128;

  final Application application;
  final Span above;
  final String kind;
  final String spanId;
  final Attributes attributes = new Attributes();
  Parent adopted; // a parent that is not one of our spans
  Failure failure;
  boolean cancelled;
  long start; // ms since the epoch, as all of Spark's times
  long end;
  int open;
  boolean ended;
  private final StringBuilder events = new StringBuilder();
  private final List<Meter.Point> points = new ArrayList<>(); // of its events
  private int eventCount;
  private boolean settled;

  /** {@code kind} is the span's name, but for the application's, which has its own name after it. */
  Span(Application application, Span above, String kind, String spanId, long start) {
    this.application = application == null ? (Application) this : application;
    this.above = above;
    this.kind = kind;
    this.spanId = spanId;
    this.start = start;
    if (above != null) above.open++;
  }

  Parent parent() {
    if (adopted != null) return adopted;
    Parent up = above.parent();
    return new Parent(up.trace, above.spanId, up.sampled);
  }

  String name() { return kind; }

  void fail(Failure failure) {
    if (failure.cancelled) cancelled = true; else this.failure = failure;
  }

  /** Add an event; beyond the most there may be, only their number is kept. */
  void event(String name, long time, Attributes what) {
    if (eventCount++ >= MOST_EVENTS) return;
    Attributes.quote(events.append(events.length() == 0 ? "" : ",").append("{\"timeUnixNano\":\"").append(time)
        .append("000000\",\"name\":"), name).append(",\"attributes\":[").append(what.json).append("]}");
    points.addAll(Meter.points(this, name, what));
  }

  void end(long time) {
    end = Math.max(end, Math.max(time, start));
    ended = true;
    settle();
  }

  /** End it, and let go of what it waits for: that got lost. */
  void forget(long time) {
    open = 0;
    if (ended) settle(); else end(time);
  }

  private void settle() {
    if (!ended || open > 0 || settled) return;
    settled = true;
    done();
    if (above == null) return;
    above.start = Math.min(above.start, start);
    above.end = Math.max(above.end, end);
    above.open--;
    above.settle();
  }

  /** All of it is known: take it off the books and write it. */
  abstract void done();

  void write() {
    Parent parent = parent();
    if (failure != null) {
      event("exception", end, new Attributes().text(Names.EXCEPTION_TYPE, failure.type)
          .text(Names.EXCEPTION_MESSAGE, failure.message)
          .text(Names.EXCEPTION_STACKTRACE, failure.stack, 2 * Attributes.MOST));
    }
    attributes.text(Names.SPARK_APPLICATION_ID, application.id)
        .text(Names.SPARK_APPLICATION_NAME, application.appName);
    StringBuilder line = new StringBuilder(1024);
    line.append("{\"traceId\":\"").append(parent.trace).append("\",\"spanId\":\"").append(spanId).append('"');
    if (!parent.span.isEmpty()) line.append(",\"parentSpanId\":\"").append(parent.span).append('"');
    Attributes.quote(line.append(",\"flags\":").append(parent.sampled ? 1 : 0).append(",\"name\":"), name());
    line.append(",\"kind\":1,\"startTimeUnixNano\":\"").append(start).append("000000\"");
    line.append(",\"endTimeUnixNano\":\"").append(end).append("000000\"");
    if (failure != null) attributes.text(Names.ERROR_TYPE, failure.type);
    line.append(",\"attributes\":[").append(attributes.json).append(']');
    if (events.length() > 0) line.append(",\"events\":[").append(events).append(']');
    if (eventCount > MOST_EVENTS) line.append(",\"droppedEventsCount\":").append(eventCount - MOST_EVENTS);
    if (failure != null) Attributes.quote(line.append(",\"status\":{\"code\":2,\"message\":"), failure.message).append('}');
    line.append('}');
    points.addAll(Meter.points(this));
    application.outbox.put(new Outbox.Line(line.toString(), kind, new Parent(parent.trace, spanId, parent.sampled), points));
  }
}
