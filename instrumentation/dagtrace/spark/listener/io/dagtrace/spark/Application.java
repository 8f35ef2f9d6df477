package io.dagtrace.spark;

import io.dagtrace.spark.Identity.Parent;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListenerApplicationStart;
import scala.Option;

/** One Spark application: its span, and the books of all below it that have begun and not ended. */
final class Application extends Span {
  private static final int MOST_DATASETS = 500;
  private static final int MOST_OPEN = 10000; // stages, jobs and executions each: an end event that got lost leaks one

  final String id;
  final String appName;
  final Outbox outbox;
  final Diagnosis diagnosis;
  final Executors executors;
  final Datasets datasets = new Datasets();
  final boolean tasks;
  final Map<Long, Sql> executions = new LinkedHashMap<>();
  final Map<Integer, Job> jobs = new LinkedHashMap<>();
  final Map<Long, Stage> stages = new LinkedHashMap<>();
  final Set<Long> pending = new HashSet<>(); // keys of stages that jobs list and nobody has submitted
  final Parent trace;
  private final Set<String> counted = new HashSet<>();

  /** What is known of an application, from its context or from its start event: both say the same. */
  private static final class Facts {
    String id, name, attempt, user;
    long start;
  }

  static Application of(SparkContext context, String traceparent, Outbox outbox, boolean tasks) {
    Facts facts = new Facts();
    facts.id = context.applicationId();
    facts.name = context.appName();
    facts.attempt = text(context.applicationAttemptId());
    facts.user = context.sparkUser();
    facts.start = context.startTime();
    Application made = new Application(facts, context.conf(), traceparent, outbox, tasks);
    made.attributes.text(Names.SPARK_VERSION, context.version());
    return made;
  }

  static Application of(SparkListenerApplicationStart event, SparkConf conf, String traceparent, Outbox outbox, boolean tasks) {
    Facts facts = new Facts();
    facts.id = text(event.appId());
    facts.name = event.appName();
    facts.attempt = text(event.appAttemptId());
    facts.user = event.sparkUser();
    facts.start = event.time();
    return new Application(facts, conf, traceparent, outbox, tasks);
  }

  private Application(Facts facts, SparkConf conf, String traceparent, Outbox outbox, boolean tasks) {
    super(null, null, "spark.application", Identity.hash(8, identity("spark.application", facts, conf, traceparent)), facts.start);
    id = facts.id;
    appName = facts.name;
    this.outbox = outbox;
    this.tasks = tasks;
    diagnosis = new Diagnosis(conf);
    executors = new Executors(this, conf);
    Parent parent = Identity.parse(traceparent);
    trace = parent != null ? parent : new Parent(OpenLineage.trace(conf, Identity.hash(16, identity("spark.trace", facts, conf, null))), "", true);
    adopted = trace;
    if (parent == null) OpenLineage.describe(conf, attributes);
    attributes.text(Names.SPARK_MASTER, Mask.mask(conf.get("spark.master", "")))
        .text(Names.SPARK_DEPLOY_MODE, conf.get("spark.submit.deployMode", "client"))
        .text(Names.SPARK_USER, facts.user);
  }

  /** An application id alone is not unique: two standalone masters count from the same 0000. */
  private static List<Object> identity(String kind, Facts facts, SparkConf conf, String traceparent) {
    Parent parent = Identity.parse(traceparent);
    return Arrays.asList(kind, parent == null ? "" : parent.span, facts.id, facts.attempt, facts.start,
        conf.get("spark.driver.host", ""));
  }

  private static String text(Option<String> value) { return value.isDefined() ? value.get() : ""; }

  boolean isRoot() { return trace.span.isEmpty(); }

  @Override String name() { return kind + " " + appName; }

  /** The span that a traceparent names as a parent; null where that is the application's own or none. */
  Parent foreign(String traceparent) {
    Parent named = Identity.parse(traceparent);
    return named == null || named.span.equals(trace.span) ? null : named;
  }

  /** Whether a dataset has series of its own: somebody may write a folder per customer. As in dagtrace/spark/records.py. */
  boolean counts(Attributes dataset) {
    String name = dataset.texts.get(Names.DATA_DATASET_NAMESPACE) + " " + dataset.texts.get(Names.DATA_DATASET_NAME);
    return counted.contains(name) || counted.size() < MOST_DATASETS && counted.add(name);
  }

  /** End whatever is still open, now. */
  void close(long time) {
    for (Stage stage : stages.values().toArray(new Stage[0])) {
      if (!stage.ended) stage.end(time);
      stage.write();
    }
    for (Job job : jobs.values().toArray(new Job[0])) if (!job.ended) job.end(time);
    for (Sql sql : executions.values().toArray(new Sql[0])) if (!sql.ended) sql.end(time);
    end(time);
  }

  @Override void done() {
    executors.describe(attributes, end);
    diagnosis.ofApplication(attributes);
    write();
  }

  /** Whatever overflows lost its end event: end it now, rather than keep it for ever. */
  <K, S extends Span> void forgetEldest(Map<K, S> books) {
    if (books.size() < MOST_OPEN) return;
    Map.Entry<K, S> eldest = books.entrySet().iterator().next();
    S span = eldest.getValue();
    span.forget(System.currentTimeMillis());
    if (books.get(eldest.getKey()) == span) span.write();
    books.remove(eldest.getKey());
  }
}
