package io.dagtrace.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Tells what the listener says where no Python does: one daemon thread, OTLP/JSON, in batches. It never holds up Spark's
 * bus; a destination that is away costs retries in this thread, and at the end of the application one budget.
 */
final class Sender implements Runnable {
  private static final int MOST = 512; // spans in a request
  private static final long MOST_FOR_METRICS = 2000; // ms; spans wait meanwhile
  private static final int MOST_UNSENT = 1 << 20; // characters
  private static final long LINGER = 200; // ms; with the request itself less than the second a killed driver may lose

  private final Outbox outbox;
  private final Settings settings;
  private final Application application;
  private final boolean wanted;
  private final String resource;
  private final Meter meter = new Meter();
  private final Destination traces;
  private final Destination metrics;
  private volatile boolean halted;
  private volatile long deadline = Long.MAX_VALUE; // of the whole end, in System.nanoTime's milliseconds
  private List<Outbox.Line> inHand = new ArrayList<>();
  private String reason = "";
  private String unsent = ""; // metrics that wait for the next time
  private long measured = now();
  private Thread thread;

  Sender(Application application, Settings settings) {
    this.application = application;
    this.settings = settings;
    outbox = application.outbox;
    wanted = !application.isRoot() || settings.samples(application.trace.trace);
    resource = settings.resource(application.appName);
    traces = destination("traces");
    metrics = destination("metrics");
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

  private static long now() { return System.nanoTime() / 1_000_000; }

  synchronized void start() {
    if (thread != null) return;
    thread = new Thread(this, "dagtrace-sender");
    thread.setDaemon(true);
    thread.start();
  }

  /** Python tells from now on. What is being posted may still arrive; what does not goes back for Python to take. */
  void halt() { halted = true; }

  /** The application has ended: deliver what is left within the budget. */
  void finish() {
    deadline = now() + settings.budgetMs;
    start();
    join(settings.budgetMs);
    if (thread.isAlive() || !outbox.isEmpty() || !inHand.isEmpty()) {
      Log.warn("the Spark application's last spans could not be delivered to " + traces + " within " + settings.budgetMs
          + " ms" + (reason.isEmpty() ? "" : ": " + reason));
    }
  }

  private void join(long ms) {
    try {
      thread.join(Math.max(1, ms));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override public void run() {
    try {
      while (!halted && now() < deadline) {
        inHand = outbox.take(MOST, LINGER);
        if (inHand.isEmpty() && outbox.closed()) break;
        if (!inHand.isEmpty() && !outbox.closed()) Thread.sleep(LINGER);
        if (!halted) deliver();
        if (now() - measured >= settings.metricsMs) measure();
      }
      measure();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Throwable t) {
      outbox.lost.addAndGet(inHand.size());
      Log.warn("the Spark listener's sender stopped (" + t.getClass().getName() + "); the application is not affected, its trace is not whole");
      return;
    }
    if (halted) outbox.putBack(inHand);
  }

  private void deliver() throws InterruptedException {
    StringBuilder spans = new StringBuilder();
    int count = 0;
    for (Outbox.Line line : inHand) {
      if (!wanted || !line.sampled || !settings.wantsSpan(line.name)) continue;
      spans.append(count++ == 0 ? "" : ",").append(line.json);
    }
    if (count > 0 && traces != null) {
      String body = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[" + resource + "]},\"scopeSpans\":[{" + scope()
          + ",\"spans\":[" + spans + "]}]}]}";
      if (!post(traces, body, count)) return;
    }
    for (Outbox.Line line : inHand) meter.add(line.points);
    inHand = new ArrayList<>();
  }

  /** Deliver one request; false where that was not to be: halted, or out of time. */
  private boolean post(Destination to, String body, int count) throws InterruptedException {
    for (long pause = 500; ; pause = Math.min(2 * pause, 15_000)) {
      try {
        long left = deadline == Long.MAX_VALUE ? settings.timeoutMs : deadline - now();
        if (left > 0) {
          outbox.lost.addAndGet(to.send(body, left));
          return true;
        }
      } catch (Destination.Refused e) {
        outbox.lost.addAndGet(count);
        Log.warn(count + " of Spark's spans were refused by " + to + ": " + e.getMessage());
        return true;
      } catch (RuntimeException e) { // a header that is none, say; its text may be the secret
        outbox.lost.addAndGet(count);
        Log.warn(count + " of Spark's spans could not be sent to " + to + ": " + e.getClass().getName());
        return true;
      } catch (IOException e) {
        reason = Mask.mask(String.valueOf(e.getMessage()));
        Log.warn("Spark's spans cannot be delivered to " + to + " (" + reason + "); it is tried again");
      }
      for (long waited = 0; waited < pause; waited += 50) {
        if (halted || now() >= deadline) return false;
        Thread.sleep(50);
        if (outbox.closed() && waited >= 200) break; // at the end every moment counts
      }
    }
  }

  private void measure() {
    measured = now();
    String points = meter.collect();
    if (metrics == null) return;
    points = unsent.isEmpty() ? points : points.isEmpty() ? unsent : unsent + "," + points;
    if (points.isEmpty()) return;
    long left = deadline == Long.MAX_VALUE ? settings.timeoutMs : deadline - now();
    try {
      metrics.send("{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" + resource + "]},\"scopeMetrics\":[{" + scope()
          + ",\"metrics\":[" + points + "]}]}]}", Math.max(1, Math.min(left, MOST_FOR_METRICS)));
      unsent = "";
    } catch (RuntimeException e) {
      Log.warn("Spark's metrics could not be sent to " + metrics + ": " + e.getClass().getName());
    } catch (IOException e) {
      unsent = e instanceof Destination.Refused || points.length() > MOST_UNSENT ? "" : points;
      Log.warn("Spark's metrics could not be delivered to " + metrics + " (" + Mask.mask(String.valueOf(e.getMessage())) + ")");
    }
  }

  private static String scope() {
    String version = Names.THE_VERSION;
    return "\"scope\":{\"name\":\"dagtrace\",\"version\":\"" + version + "\"},\"schemaUrl\":\"https://dagtrace.dev/schemas/" + version + "\"";
  }
}
