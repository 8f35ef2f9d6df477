package io.dagtrace.spark;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerApplicationStart;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart;

/**
 * Turns Spark's scheduler events into finished spans, one OTLP/JSON Span object per line.
 *
 * <p>It gets into a driver in two ways: Python loads it over py4j and drains it, or Spark makes it, by
 * {@code spark.extraListeners}, and then it tells by itself ({@link Sender}) until a Python takes over.
 *
 * <p>One jar for Spark 3.3 to 4.3 (Scala 2.12 and 2.13): no method with a Seq in its descriptor is linked, because that
 * is another class in either Scala, and accessors younger than 3.3 are looked up by reflection. It runs on a bus queue
 * of its own, where being slow or wrong hurts nobody else, keeps nothing per task, and throws nothing: Spark stops the
 * whole SparkContext when a listener lets a LinkageError out.
 */
public final class TraceListener extends SparkListener {
  private static final String QUEUE = "dagtrace";

  private final Outbox outbox = new Outbox();
  private final Health health = new Health();
  private Settings settings;
  private SparkConf conf; // of the application that has yet to say it begins; null elsewhere
  private Application application;
  private SparkContext context;
  private Sender sender;
  private Driver python;
  private boolean begun;
  private boolean withoutSql;
  private boolean closed;

  /** Python's, over py4j. */
  public TraceListener() {}

  /** Spark's, by spark.extraListeners. It puts this on a queue it shares with others: another one does the work. */
  public TraceListener(SparkConf conf) {
    try {
      Settings settings = new Settings(conf, System.getenv(), true);
      if (settings.off) return;
      SparkContext context = Scala.beingConstructed();
      if (context == null) {
        this.conf = conf;
        this.settings = settings;
      } else {
        new TraceListener().attachItself(context, settings);
      }
    } catch (Throwable t) {
      Log.warn("Spark is not traced: the listener could not be attached (" + t.getClass().getName() + ")");
    }
  }

  private void attachItself(SparkContext context, Settings settings) {
    this.settings = settings;
    if (Scala.has(context.listenerBus(), getClass().getName(), null)) return; // this application has one
    application = Application.of(context, settings.parent(), outbox, settings.detail.equals("task"));
    listen(context);
    LogContext.of(context, application);
    sender = new Sender(application, settings);
    sender.announce();
    sender.start();
  }

  private void listen(SparkContext context) {
    this.context = context;
    context.listenerBus().addToQueue(this, QUEUE);
  }

  // ---- what Python calls over py4j ----------------------------------------------------------------------------------

  /** Start to listen; {@code traceparent} is the application's parent, null or malformed for none. */
  public void attach(SparkContext context, String traceparent, long pid, String detail) {
    settings = new Settings(context.conf(), System.getenv(), false);
    python = new Driver(pid);
    application = Application.of(context, traceparent, outbox, "task".equals(detail));
    listen(context);
    LogContext.of(context, application);
  }

  /** Let Python do the telling of a listener that the JVM attached itself. False: it has nothing left to tell. */
  public synchronized boolean takeOver(long pid) {
    if (closed || application == null) return false;
    if (sender != null) sender.halt();
    sender = null;
    python = new Driver(pid);
    if (context == null) context = Scala.active();
    LogContext.of(context, application);
    return true;
  }

  /** Wait for a record, then return all there are, at most {@code max} lines; "" for none yet, null for no more ever. */
  public String drain(int max, long waitMs) throws InterruptedException {
    List<Outbox.Line> taken = outbox.take(max, waitMs);
    if (taken.isEmpty()) {
      return outbox.closed() && outbox.isEmpty() ? null : "";
    }
    if (!python.alive()) { // it died while this call waited: nobody would read the answer
      outbox.putBack(taken);
      return null;
    }
    StringBuilder lines = new StringBuilder();
    for (Outbox.Line line : taken) lines.append(lines.length() == 0 ? "" : "\n").append(line.forPython());
    return lines.toString();
  }

  /** Give the calling thread's log lines, and its jobs', the ids of the application, or of the span it has inherited. */
  public void begin() { LogContext.of(context, application); }

  /** Name the span that the calling thread's jobs belong to, null for the application's; its log lines carry it, too. */
  public void follow(String traceparent) { LogContext.follow(context, application, traceparent); }

  /** End whatever is still open, now. {@code async}: nobody stopped the context, it may outlast its parent. */
  public synchronized void finish(boolean async) {
    if (application == null || closed) return;
    if (async) application.attributes.flag(Names.DAGTRACE_ASYNC, true);
    close(System.currentTimeMillis());
  }

  public long records() { return outbox.records.get(); }

  public long lost() { return outbox.losses.total(); }

  /** What was lost since the last call, by reason: {@code queue_full 3, error 1}; who asks counts it. */
  public String losses() { return outbox.losses.news(); }

  /** The first thing that went wrong in here, "" for nothing. */
  public String problem() { return outbox.losses.problem(); }

  public synchronized String appName() { return application.appName; }

  public synchronized String traceId() { return application.trace.trace; }

  public synchronized boolean isRoot() { return application.isRoot(); }

  /** The application's own span as a W3C header: what Python tells by itself goes below it. */
  public synchronized String traceparent() {
    return "00-" + traceId() + "-" + application.spanId + (application.trace.sampled ? "-01" : "-00");
  }

  /** What the application is below, in hex; "" for a root. */
  public synchronized String parentId() { return application.trace.span; }

  /** For the tests, which compare these with Python's. */
  public static String identity(int size, List<?> parts) { return Identity.hash(size, parts); }

  public static List<String> datasets(List<?> paths) {
    List<String> uris = new ArrayList<>();
    for (DatasetName name : DatasetName.of(paths)) uris.add(name.uri());
    return uris;
  }

  public static String describe(String text) { return Description.of(text); }

  public static String mask(String text) { return Mask.mask(text); }

  public static boolean samples(String sampler, String argument, String traceId) {
    java.util.Map<String, String> environment = new java.util.HashMap<>();
    environment.put("OTEL_TRACES_SAMPLER", sampler);
    environment.put("OTEL_TRACES_SAMPLER_ARG", argument);
    return new Settings(new SparkConf(false), environment, false).samples(traceId);
  }

  public static String diagnoses() { return Diagnosis.table(); }

  // ---- what Spark calls, on our queue's thread ----------------------------------------------------------------------

  /** Only where the context could not be found while it was made: then this stays on the shared queue. */
  @Override public void onApplicationStart(SparkListenerApplicationStart e) {
    SparkConf mine = conf;
    conf = null;
    if (mine == null || application != null) return;
    try {
      SparkContext found = Scala.active();
      if (found != null && Scala.has(found.listenerBus(), getClass().getName(), this)) return; // another one of ours
      application = Application.of(e, mine, settings.parent(), outbox, settings.detail.equals("task"));
      sender = new Sender(application, settings);
      sender.announce();
      sender.start();
    } catch (Throwable t) {
      Log.warn("Spark is not traced: the listener could not be attached (" + t.getClass().getName() + ")");
    }
  }

  @Override public void onExecutorAdded(SparkListenerExecutorAdded e) {
    safely(() -> application.executors.add(e));
  }

  @Override public void onExecutorRemoved(SparkListenerExecutorRemoved e) {
    safely(() -> application.executors.remove(e));
  }

  @Override public void onJobStart(SparkListenerJobStart e) {
    safely(() -> {
      if (!begun) application.executors.catchUp(context);
      begun = true;
      Job.start(application, e);
    });
  }

  @Override public void onJobEnd(SparkListenerJobEnd e) { safely(() -> Job.end(application, e)); }

  @Override public void onStageSubmitted(SparkListenerStageSubmitted e) {
    safely(() -> Stage.start(application, e.stageInfo()));
  }

  @Override public void onTaskStart(SparkListenerTaskStart e) {
    safely(() -> {
      Stage stage = application.stages.get(Stage.key(e.stageId(), e.stageAttemptId()));
      if (stage != null) stage.totals.active++;
    });
  }

  @Override public void onTaskEnd(SparkListenerTaskEnd e) {
    safely(() -> {
      if (e.taskInfo() == null) return;
      if (!Totals.again(e.taskInfo(), e.reason())) application.executors.ran(e.taskInfo());
      Stage stage = application.stages.get(Stage.key(e.stageId(), e.stageAttemptId()));
      if (stage != null) stage.add(e);
    });
  }

  @Override public void onStageCompleted(SparkListenerStageCompleted e) {
    safely(() -> application.datasets.stage(e.stageInfo()));
    safely(() -> {
      Stage stage = application.stages.get(Stage.key(e.stageInfo().stageId(), e.stageInfo().attemptNumber()));
      if (stage != null) stage.complete(e.stageInfo());
      else outbox.losses.add(Losses.Reason.LATE_START, 1, "a stage began before the listener");
    });
  }

  @Override public void onOtherEvent(SparkListenerEvent e) {
    if (withoutSql) return;
    safely(() -> {
      try {
        if (e instanceof SparkListenerSQLExecutionStart) Sql.start(application, (SparkListenerSQLExecutionStart) e);
        else if (e instanceof SparkListenerSQLExecutionEnd) Sql.end(application, (SparkListenerSQLExecutionEnd) e);
        else application.datasets.driver(e);
      } catch (NoClassDefFoundError missing) {
        if (!String.valueOf(missing.getMessage()).contains("SparkListenerSQLExecution")) throw missing;
        withoutSql = true; // a Spark without SQL
      }
    });
  }

  /** Spark posts it first and shuts the scheduler down after it: what is still open then is ended here. */
  @Override public void onApplicationEnd(SparkListenerApplicationEnd e) {
    safely(() -> {
      long code = Scala.number(e, "exitCode", 0); // Spark 4.0
      if (code != 0) {
        application.attributes.number(Names.SPARK_APPLICATION_EXIT_CODE, code);
        application.fail(Failure.of("SparkApplicationFailed", "the driver ended with exit code " + code));
      }
      close(e.time());
    });
    try {
      tellTheRest();
    } catch (Throwable t) {
      Log.warn("the Spark listener could not tell its last spans (" + t.getClass().getName() + ")");
    }
  }

  /** Python does it where it lives; else it is done here and now: the JVM may be gone the next moment. */
  private void tellTheRest() {
    if (application == null) return;
    Sender mine;
    synchronized (this) {
      if (python != null && python.alive()) return;
      if (sender == null) sender = new Sender(application, settings);
      mine = sender;
    }
    mine.finish();
    long lost = outbox.losses.total();
    if (lost > 0) Log.warn(lost + " Spark events or spans were lost (" + outbox.losses.describe() + ")");
  }

  private void close(long time) {
    application.executors.catchUp(context);
    health.describe(application.attributes, context, QUEUE, outbox);
    application.close(time);
    closed = true;
    outbox.close();
  }

  private synchronized void safely(Runnable work) {
    try {
      if (application != null && !closed) work.run();
    } catch (Throwable t) {
      outbox.losses.add(Losses.Reason.ERROR, 1, Mask.mask(String.valueOf(t)));
    }
  }
}
