package io.dagtrace.spark;

import io.dagtrace.spark.Identity.Parent;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.JobFailed;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerApplicationEnd;
import org.apache.spark.scheduler.SparkListenerEvent;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.StageInfo;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd;
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart;
import scala.Option;
import scala.collection.Iterator;

/**
 * Turns Spark's scheduler events into finished spans, one OTLP/JSON Span object per line.
 *
 * <p>One jar for Spark 3.3 to 4.3 (Scala 2.12 and 2.13): no method with a Seq in its descriptor is linked, because that
 * is another class in either Scala, and accessors younger than 3.3 are looked up by reflection. It runs on a bus queue
 * of its own, where being slow or wrong hurts nobody else, keeps nothing per task, and throws nothing: Spark stops the
 * whole SparkContext when a listener lets a LinkageError out.
 */
public final class TraceListener extends SparkListener {
  /**
   * Local property that says which span a thread's jobs belong to. Not "spark…": SQL executions copy what SparkConf has
   * under such names, the application's parent among it, over the local properties of their jobs.
   */
  private static final String PARENT = "dagtrace.traceparent";

  private static final int MOST_WAITING = 16384; // lines, about 3 KB each
  private static final int MOST_OPEN = 10000; // stages, jobs and executions each: an end event that got lost leaks one

  private final LinkedBlockingQueue<String> out = new LinkedBlockingQueue<>(MOST_WAITING);
  private final AtomicLong records = new AtomicLong();
  private final AtomicLong lost = new AtomicLong();
  private final Map<Long, Sql> executions = new LinkedHashMap<>();
  private final Map<Integer, Job> jobs = new LinkedHashMap<>();
  private final Map<Long, Stage> stages = new LinkedHashMap<>();
  private Application application;
  private String property;
  private boolean withoutSql;
  private boolean taken;
  private boolean closed;
  private String problem = "";

  // ---- what Python calls over py4j ----------------------------------------------------------------------------------

  /** Start to listen; {@code traceparent} is the application's parent, null or malformed for none. */
  public void attach(SparkContext context, String traceparent) {
    synchronized (this) {
      application = new Application(context, Identity.parse(traceparent));
      property = "dagtrace.listener." + context.applicationId();
      System.getProperties().put(property, this);
    }
    context.listenerBus().addToQueue(this, "dagtrace");
  }

  /** Let Python do the telling of a listener that the JVM attached itself. False: it has nothing left to tell. */
  public synchronized boolean takeOver() {
    taken = true;
    return !closed;
  }

  /** Wait for a record, then return all there are, at most {@code max} lines; "" for none yet, null for no more ever. */
  public String drain(int max, long waitMs) throws InterruptedException {
    String line = out.poll();
    if (line == null) {
      synchronized (this) {
        if (closed && out.isEmpty()) {
          System.getProperties().remove(property, this);
          return null;
        }
      }
      line = out.poll(waitMs, TimeUnit.MILLISECONDS);
      if (line == null) return "";
    }
    StringBuilder lines = new StringBuilder(line);
    for (int n = 1; n < max && (line = out.poll()) != null; n++) lines.append('\n').append(line);
    return lines.toString();
  }

  /** End whatever is still open, now. {@code async}: nobody stopped the context, it may outlast its parent. */
  public synchronized void finish(boolean async) {
    if (application == null || closed) return;
    if (async) application.attributes.flag(Names.DAGTRACE_ASYNC, true);
    close(System.currentTimeMillis());
  }

  public long records() { return records.get(); }

  public long lost() { return lost.get(); }

  /** The first thing that went wrong in here, "" for nothing. */
  public synchronized String problem() { return problem; }

  public synchronized String traceId() { return application.parent().trace; }

  public synchronized boolean isRoot() { return application.parent().span.isEmpty(); }

  /** The application's own span as a W3C header: what Python tells by itself goes below it. */
  public synchronized String traceparent() {
    return "00-" + traceId() + "-" + application.spanId + (application.parent().sampled ? "-01" : "-00");
  }

  /** What the application is below, in hex; "" for a root. */
  public synchronized String parentId() { return application.parent().span; }

  /** For the tests, which compare it with Python's. */
  public static String identity(int size, List<?> parts) { return Identity.hash(size, parts); }

  // ---- what Spark calls, on our queue's thread ----------------------------------------------------------------------

  @Override public void onJobStart(SparkListenerJobStart e) {
    safely(() -> {
      Properties p = e.properties() == null ? new Properties() : e.properties();
      String id = p.getProperty("spark.sql.execution.id");
      Sql sql = id == null ? null : executions.get(Long.valueOf(id));
      Parent named = foreign(p.getProperty(PARENT));
      Job job = new Job(sql == null ? application : sql, e, p);
      if (sql == null) job.adopted = named; else sql.decide(named);
      job.attributes.text(Names.SPARK_JOB_GROUP, p.getProperty("spark.jobGroup.id"))
          .text(Names.SPARK_JOB_DESCRIPTION, job.description)
          .text(Names.SPARK_JOB_CALL_SITE, p.getProperty("callSite.short"))
          .number(Names.SPARK_JOB_STAGE_COUNT, job.stageIds.size());
      if (id != null) job.attributes.number(Names.SPARK_SQL_EXECUTION_ID, Long.parseLong(id));
      jobs.put(e.jobId(), job);
    });
  }

  @Override public void onJobEnd(SparkListenerJobEnd e) {
    safely(() -> {
      Job job = jobs.get(e.jobId());
      if (job == null) return;
      String result = "succeeded";
      if (e.jobResult() instanceof JobFailed) {
        Failure failure = Failure.of(((JobFailed) e.jobResult()).exception());
        result = failure.cancelled ? "cancelled" : "failed";
        job.fail(failure);
      }
      job.attributes.text(Names.SPARK_JOB_RESULT, result);
      job.end(e.time());
    });
  }

  @Override public void onStageSubmitted(SparkListenerStageSubmitted e) {
    safely(() -> {
      StageInfo info = e.stageInfo();
      // Jobs may share a stage; Spark runs it for the first of them that still needs it.
      Job owner = null;
      for (Job job : jobs.values()) {
        if (!job.ended && job.stageIds.contains(info.stageId()) && (owner == null || job.id < owner.id)) owner = job;
      }
      stages.put(key(info.stageId(), info.attemptNumber()), new Stage(owner == null ? application : owner, info));
    });
  }

  @Override public void onTaskStart(SparkListenerTaskStart e) {
    safely(() -> {
      Stage stage = stages.get(key(e.stageId(), e.stageAttemptId()));
      if (stage != null) stage.totals.active++;
    });
  }

  @Override public void onTaskEnd(SparkListenerTaskEnd e) {
    safely(() -> {
      Stage stage = stages.get(key(e.stageId(), e.stageAttemptId()));
      if (stage != null && e.taskInfo() != null) stage.add(e);
    });
  }

  @Override public void onStageCompleted(SparkListenerStageCompleted e) {
    safely(() -> {
      StageInfo info = e.stageInfo();
      Stage stage = stages.get(key(info.stageId(), info.attemptNumber()));
      if (stage == null) { // it began before we listened: part of its tasks would be worse than none
        lost.incrementAndGet();
        return;
      }
      if (info.failureReason().isDefined()) {
        stage.fail(Failure.of(stage.totals.errorType(), info.failureReason().get()));
      }
      stage.end(info.completionTime().isDefined() ? number(info.completionTime()) : System.currentTimeMillis());
    });
  }

  @Override public void onOtherEvent(SparkListenerEvent e) {
    if (withoutSql) return;
    safely(() -> {
      try {
        if (e instanceof SparkListenerSQLExecutionStart) start((SparkListenerSQLExecutionStart) e);
        else if (e instanceof SparkListenerSQLExecutionEnd) end((SparkListenerSQLExecutionEnd) e);
      } catch (NoClassDefFoundError noSparkSql) {
        withoutSql = true;
      }
    });
  }

  private void start(SparkListenerSQLExecutionStart e) {
    Object root = call(e, "rootExecutionId"); // Spark 3.4
    Sql above = root instanceof Number ? executions.get(((Number) root).longValue()) : null;
    Sql sql = new Sql(above == null ? application : above, e.executionId(), e.time());
    sql.attributes.text(Names.SPARK_SQL_DESCRIPTION, e.description());
    if (root instanceof Number && ((Number) root).longValue() != e.executionId()) {
      sql.attributes.number(Names.SPARK_SQL_EXECUTION_ROOT_ID, ((Number) root).longValue());
    }
    executions.put(e.executionId(), sql);
  }

  private void end(SparkListenerSQLExecutionEnd e) {
    Sql sql = executions.get(e.executionId());
    if (sql == null) return;
    Object thrown = call(e, "executionFailure");
    Object message = call(e, "errorMessage"); // Spark 3.4; "" for none
    if (thrown instanceof Throwable) {
      sql.fail(Failure.of((Throwable) thrown));
      Object condition = call(thrown, "getCondition"); // Spark 4.0, "error class" before
      if (condition == null) condition = call(thrown, "getErrorClass");
      if (condition instanceof String) sql.attributes.text(Names.SPARK_ERROR_CONDITION, (String) condition);
      Object state = call(thrown, "getSqlState");
      if (state instanceof String) sql.attributes.text(Names.SPARK_ERROR_SQLSTATE, (String) state);
    } else if (message instanceof String && !((String) message).isEmpty()) {
      sql.fail(Failure.of("SparkException", (String) message));
    }
    sql.end(e.time());
  }

  /** Spark posts it first and shuts the scheduler down after it: what is still open then is ended here. */
  @Override public void onApplicationEnd(SparkListenerApplicationEnd e) {
    safely(() -> close(e.time()));
  }

  private void close(long time) {
    for (Stage stage : new ArrayList<>(stages.values())) {
      if (!stage.ended) stage.end(time);
      stage.write();
    }
    for (Job job : new ArrayList<>(jobs.values())) if (!job.ended) job.end(time);
    for (Sql sql : new ArrayList<>(executions.values())) if (!sql.ended) sql.end(time);
    application.end(time);
    closed = true;
  }

  private synchronized void safely(Runnable work) {
    try {
      if (application != null && !closed) work.run();
    } catch (Throwable t) {
      lost.incrementAndGet();
      if (problem.isEmpty()) problem = String.valueOf(t);
    }
  }

  // ---- open spans ---------------------------------------------------------------------------------------------------

  /** The span a job names as its parent, null where that is the application's own or none. */
  private Parent foreign(String traceparent) {
    Parent named = Identity.parse(traceparent);
    return named == null || named.span.equals(application.parent().span) ? null : named;
  }

  /** A span of ours. It is written once its own end is known and all below it have ended, so that it contains them. */
  private abstract class Span {
    final Span above;
    final String name;
    final String spanId;
    final Attributes attributes = new Attributes();
    Parent adopted; // a parent that is not one of our spans
    Failure failure;
    long start;
    long end;
    int open;
    boolean ended;
    boolean settled;

    Span(Span above, String name, String spanId, long start) {
      this.above = above;
      this.name = name;
      this.spanId = spanId;
      this.start = start;
      if (above != null) above.open++;
    }

    Parent parent() {
      if (adopted != null) return adopted;
      Parent up = above.parent();
      return new Parent(up.trace, above.spanId, up.sampled);
    }

    void fail(Failure failure) {
      if (!failure.cancelled) this.failure = failure;
    }

    void end(long time) {
      end = Math.max(end, Math.max(time, start));
      ended = true;
      settle();
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
      StringBuilder line = new StringBuilder(1024);
      line.append("{\"traceId\":\"").append(parent.trace).append("\",\"spanId\":\"").append(spanId).append('"');
      if (!parent.span.isEmpty()) line.append(",\"parentSpanId\":\"").append(parent.span).append('"');
      Attributes.quote(line.append(",\"flags\":").append(parent.sampled ? 1 : 0).append(",\"name\":"), name);
      line.append(",\"kind\":1,\"startTimeUnixNano\":\"").append(start).append("000000\"");
      line.append(",\"endTimeUnixNano\":\"").append(end).append("000000\"");
      attributes.text(Names.SPARK_APPLICATION_ID, application.id).text(Names.SPARK_APPLICATION_NAME, application.appName);
      if (failure != null) attributes.text(Names.ERROR_TYPE, failure.type);
      line.append(",\"attributes\":[").append(attributes.json).append(']');
      if (failure != null) Attributes.quote(line.append(",\"status\":{\"code\":2,\"message\":"), failure.message).append('}');
      line.append('}');
      records.incrementAndGet();
      while (!out.offer(line.toString())) if (out.poll() != null) lost.incrementAndGet(); // the oldest goes first
    }
  }

  private final class Application extends Span {
    final String id;
    final String appName;

    Application(SparkContext c, Parent parent) {
      super(null, "spark.application " + c.appName(), Identity.hash(8, names("spark.application", c, parent)), c.startTime());
      id = c.applicationId();
      appName = c.appName();
      adopted = parent != null ? parent : new Parent(Identity.hash(16, names("spark.trace", c, null)), "", true);
      attributes.text(Names.SPARK_VERSION, c.version()).text(Names.SPARK_MASTER, c.master())
          .text(Names.SPARK_DEPLOY_MODE, c.deployMode()).text(Names.SPARK_USER, c.sparkUser());
    }

    @Override void done() { write(); }
  }

  /** An application id alone is not unique: two standalone masters count from the same 0000. */
  private static List<Object> names(String kind, SparkContext c, Parent parent) {
    Option<String> attempt = c.applicationAttemptId();
    return Arrays.asList(kind, parent == null ? "" : parent.span, c.applicationId(),
        attempt.isDefined() ? attempt.get() : "", c.startTime(), c.conf().get("spark.driver.host", ""));
  }

  private final class Sql extends Span {
    final long id;
    boolean decided;

    Sql(Span above, long id, long time) {
      super(above, "spark.sql", Identity.hash(8, "spark.sql", application.spanId, id), time);
      this.id = id;
      attributes.number(Names.SPARK_SQL_EXECUTION_ID, id);
      forgetEldest(executions);
    }

    /** Its start event names no thread, so the first job of an execution, or of one nested in it, says whose it is. */
    void decide(Parent named) {
      if (decided) return;
      decided = true;
      if (above instanceof Sql) ((Sql) above).decide(named); else adopted = named;
    }

    @Override void done() {
      decide(null);
      executions.remove(id);
      write();
    }
  }

  private final class Job extends Span {
    final int id;
    final Set<Integer> stageIds = new HashSet<>();
    final String description;

    Job(Span above, SparkListenerJobStart e, Properties p) {
      super(above, "spark.job", Identity.hash(8, "spark.job", application.spanId, e.jobId()), e.time());
      id = e.jobId();
      description = p.getProperty("spark.job.description");
      for (Object stage : elements(e, "stageIds")) stageIds.add(((Number) stage).intValue());
      attributes.number(Names.SPARK_JOB_ID, id);
      forgetEldest(jobs);
    }

    @Override void done() {
      jobs.remove(id);
      write();
    }
  }

  /** One attempt of a stage. Its tasks may end after it, and are counted then as in Spark's own stage table. */
  private final class Stage extends Span {
    final long key;
    final Totals totals = new Totals();

    Stage(Span above, StageInfo info) {
      super(above, "spark.stage", Identity.hash(8, "spark.stage", application.spanId, info.stageId(), info.attemptNumber()),
          info.submissionTime().isDefined() ? number(info.submissionTime()) : System.currentTimeMillis());
      key = key(info.stageId(), info.attemptNumber());
      String description = above instanceof Job ? ((Job) above).description : null;
      attributes.number(Names.SPARK_STAGE_ID, info.stageId())
          .number(Names.SPARK_STAGE_ATTEMPT_ID, info.attemptNumber())
          .text(Names.SPARK_STAGE_NAME, info.name())
          .text(Names.SPARK_STAGE_DESCRIPTION, description == null ? info.name() : description)
          .numbers(Names.SPARK_STAGE_PARENT_IDS, elements(info, "parentIds"))
          .number(Names.SPARK_STAGE_TASKS_TOTAL, info.numTasks());
      if (above instanceof Job) attributes.number(Names.SPARK_JOB_ID, ((Job) above).id);
      forgetEldest(stages);
    }

    void add(SparkListenerTaskEnd e) {
      totals.add(e.taskInfo(), e.reason(), e.taskMetrics());
      if (ended) done();
    }

    /** Ended for its job, but written only when the last of its tasks has ended, too. */
    @Override void done() {
      if (totals.active == 0) write();
    }

    @Override void write() {
      if (stages.remove(key) == null) return;
      totals.describe(attributes);
      super.write();
    }
  }

  /** Whatever overflows lost its end event: end it now, rather than keep it for ever. */
  private <K, S extends Span> void forgetEldest(Map<K, S> books) {
    if (books.size() < MOST_OPEN) return;
    Map.Entry<K, S> eldest = books.entrySet().iterator().next();
    S span = eldest.getValue();
    span.open = 0;
    if (!span.ended) span.end(System.currentTimeMillis());
    if (books.get(eldest.getKey()) == span) span.write();
    books.remove(eldest.getKey());
  }

  // ---- reading Scala ------------------------------------------------------------------------------------------------

  private static long key(int stage, int attempt) { return ((long) stage << 32) | attempt; }

  private static long number(Option<?> value) { return ((Number) value.get()).longValue(); }

  /** What {@code accessor} of {@code target} returns, an Option's content; null where this Spark has no such accessor. */
  private static Object call(Object target, String accessor) {
    try {
      Method method = target.getClass().getMethod(accessor);
      Object value = method.invoke(target);
      if (!(value instanceof Option)) return value;
      return ((Option<?>) value).isDefined() ? ((Option<?>) value).get() : null;
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** The elements of a Scala Seq. */
  private static List<Object> elements(Object target, String accessor) {
    List<Object> found = new ArrayList<>();
    Object seq = call(target, accessor);
    Object iterator = seq == null ? null : call(seq, "iterator");
    if (iterator != null) {
      for (Iterator<?> i = (Iterator<?>) iterator; i.hasNext(); ) found.add(i.next());
    }
    return found;
  }
}
