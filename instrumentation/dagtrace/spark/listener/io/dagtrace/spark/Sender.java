package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.List;

/**
 * Tells what the listener says where no Python does: one daemon thread, OTLP/JSON, in batches. It never holds up Spark's
 * bus; a destination that is away costs retries in this thread, and at the end of the application one budget. Traces and
 * metrics do not wait for each other, but for a request that is under way.
 */
final class Sender implements Runnable {
  private static final int MOST = 512; // spans in a request
  private static final long MOST_FOR_METRICS = 2000; // ms; spans wait meanwhile
  private static final long MOST_FOR_THE_LAST = 500; // ms of the budget, kept for the last metrics
  private static final int MOST_UNSENT = 1 << 20; // characters
  private static final long LINGER = 200; // ms; with the request itself less than the second a killed driver may lose

  private final Outbox outbox;
  private final Settings settings;
  private final Application application;
  private final boolean wanted;
  private final String resource;
  private final Meter meter = new Meter(this::tells);
  private final Signal traces; // null for a signal nobody wants
  private final Signal metrics;
  private volatile boolean halted;
  private volatile long deadline = Long.MAX_VALUE; // of the whole end, in System.nanoTime's milliseconds
  private List<Outbox.Line> inHand = new ArrayList<>();
  private String unsent = ""; // metrics that wait for the next time
  private long measured = Signal.now();
  private Thread thread;

  Sender(Application application, Settings settings) {
    this.application = application;
    this.settings = settings;
    outbox = application.outbox;
    wanted = !application.isRoot() || settings.samples(application.trace.trace);
    resource = settings.resource(application.appName);
    Destination spans = destination("traces"), points = destination("metrics");
    traces = spans == null ? null : new Signal("spans", spans, outbox.losses);
    metrics = points == null ? null : new Signal("metrics", points, null);
  }

  private Destination destination(String signal) {
    if (!settings.wants(signal.toUpperCase())) return null;
    String url = settings.endpoint(signal);
    try {
      return url == null ? new LocalFile(settings, signal) : new Http(url, signal, settings);
    } catch (Exception e) {
      Log.warn("Spark's " + signal + " are not told: " + Mask.mask(url) + " cannot be used (" + Mask.mask(String.valueOf(e.getMessage())) + ")");
      return null;
    }
  }

  synchronized void start() {
    if (thread != null) return;
    outbox.measureBy(meter);
    thread = new Thread(this, "dagtrace-sender");
    thread.setDaemon(true);
    thread.start();
  }

  /** Say where to look for the trace: in the driver's log, which is all that a user of a cluster has at hand. */
  void announce() {
    if (wanted && traces != null) Log.info("trace " + application.trace.trace + " -> " + traces);
  }

  /** Python tells from now on. What is being posted may still arrive; what does not goes back for Python to take. */
  void halt() {
    outbox.measureBy(null);
    halted = true;
  }

  /** The application has ended: deliver what is left within the budget; what is not, is lost. */
  void finish() {
    deadline = Signal.now() + settings.budgetMs;
    start();
    try {
      thread.join(Math.max(1, settings.budgetMs));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    giveUp(); // whatever the thread has not come to; it may be stuck in a request
  }

  @Override public void run() {
    try {
      while (!halted && left() > 0) {
        boolean ending = outbox.closed();
        if (inHand.isEmpty()) {
          take(MOST, LINGER);
          if (inHand.isEmpty() && ending) break;
          if (!inHand.isEmpty() && !ending) Thread.sleep(LINGER);
        } else { // the destination is away
          Thread.sleep(50);
        }
        if (halted) break;
        if (traces == null || traces.due(ending)) deliver();
        if (ending || metrics == null) continue; // what is left of the budget is for both
        if (Signal.now() - measured >= settings.metricsMs) measure();
        if (metrics.due(false)) postMetrics(Math.min(settings.timeoutMs, MOST_FOR_METRICS));
      }
      if (halted) outbox.putBack(swap(new ArrayList<>())); else giveUp();
      measure();
      postMetrics(Math.min(MOST_FOR_METRICS, deadline - Signal.now()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Throwable t) {
      outbox.losses.add(Losses.Reason.ERROR, swap(new ArrayList<>()).size(), t.getClass().getName());
      Log.warn("the Spark listener's sender stopped (" + t.getClass().getName() + "); the application is not affected, its trace is not whole");
    }
  }

  /** Milliseconds that spans still have; at the end, the last metrics have the rest of the budget. */
  private long left() {
    if (deadline == Long.MAX_VALUE) return settings.timeoutMs;
    return deadline - Signal.now() - (metrics == null ? 0 : Math.min(settings.budgetMs / 4, MOST_FOR_THE_LAST));
  }

  private void take(int max, long waitMs) throws InterruptedException { swap(outbox.take(max, waitMs)); }

  /** Both this thread and that of the application's end have a hand in it: what one gives up, the other has not. */
  private synchronized List<Outbox.Line> swap(List<Outbox.Line> next) {
    List<Outbox.Line> before = inHand;
    inHand = next;
    return before;
  }

  private boolean tells(Outbox.Line line) {
    return wanted && traces != null && line.span.sampled && settings.wantsSpan(line.name);
  }

  private void deliver() {
    List<Outbox.Line> batch = inHand;
    StringBuilder spans = new StringBuilder();
    int count = 0;
    for (Outbox.Line line : batch) if (tells(line)) spans.append(count++ == 0 ? "" : ",").append(line.json);
    if (count > 0 && !traces.post("{\"resourceSpans\":[{\"resource\":{\"attributes\":[" + resource + "]},\"scopeSpans\":[{" + scope()
        + ",\"spans\":[" + spans + "]}]}]}", count, left())) return;
    synchronized (this) {
      if (inHand == batch) inHand = new ArrayList<>();
    }
  }

  private void giveUp() {
    try {
      List<Outbox.Line> lines = swap(new ArrayList<>());
      lines.addAll(outbox.take(Integer.MAX_VALUE, 0));
      long count = lines.stream().filter(this::tells).count();
      if (count == 0) return;
      String trouble = traces.trouble();
      outbox.losses.add(trouble.isEmpty() ? Losses.Reason.AT_EXIT : Losses.Reason.UNREACHABLE, count,
          "not delivered to " + traces + " within " + settings.budgetMs + " ms" + (trouble.isEmpty() ? "" : ": " + trouble));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void measure() {
    measured = Signal.now();
    meter.add(outbox.losses.points(application.appName), null);
    String points = meter.collect();
    if (unsent.length() + points.length() > MOST_UNSENT) {
      Log.warn("Spark's oldest metrics are given up: " + metrics + " has been away for too long");
      unsent = "";
    }
    unsent += (unsent.isEmpty() || points.isEmpty() ? "" : ",") + points;
  }

  private void postMetrics(long withinMs) {
    if (unsent.isEmpty() || metrics == null) return;
    String body = "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" + resource + "]},\"scopeMetrics\":[{" + scope()
        + ",\"metrics\":[" + unsent + "]}]}]}";
    if (metrics.post(body, 1, withinMs)) unsent = "";
  }

  private static String scope() {
    String version = Names.THE_VERSION;
    return "\"scope\":{\"name\":\"dagtrace\",\"version\":\"" + version + "\"},\"schemaUrl\":\"https://dagtrace.dev/schemas/" + version + "\"";
  }
}
