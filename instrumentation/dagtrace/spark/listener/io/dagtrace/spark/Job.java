package io.dagtrace.spark;

import java.util.HashSet;
import java.util.Iterator;
import java.util.Properties;
import java.util.Set;
import org.apache.spark.scheduler.JobFailed;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.StageInfo;

/** One job. */
final class Job extends Span {
  /**
   * Local property that says which span a thread's jobs belong to. Not "spark…": SQL executions copy what SparkConf has
   * under such names, the application's parent among it, over the local properties of their jobs.
   */
  static final String PARENT = "dagtrace.traceparent";

  /** In SparkConf the application's parent; set anew in a session's configuration, the parent of its queries from then on. */
  static final String CONF_PARENT = "spark.dagtrace.traceparent";

  final int id;
  final Set<Integer> stageIds = new HashSet<>();
  final String description;

  static void start(Application application, SparkListenerJobStart e) {
    Properties p = e.properties() == null ? new Properties() : e.properties();
    String id = p.getProperty("spark.sql.execution.id");
    Sql sql = id == null ? null : application.executions.get(Long.valueOf(id));
    Identity.Parent named = application.foreign(p.getProperty(PARENT));
    if (named == null && p.getProperty(PARENT) == null) named = application.foreign(p.getProperty(CONF_PARENT));
    Job job = new Job(application, sql == null ? application : sql, e, p);
    if (sql == null) job.adopted = named; else sql.decide(named);
    job.attributes.text(Names.SPARK_JOB_GROUP, p.getProperty("spark.jobGroup.id"))
        .text(Names.SPARK_JOB_DESCRIPTION, job.description)
        .text(Names.SPARK_JOB_CALL_SITE, p.getProperty("callSite.short"))
        .number(Names.SPARK_JOB_STAGE_COUNT, job.stageIds.size());
    if (id != null) job.attributes.number(Names.SPARK_SQL_EXECUTION_ID, Long.parseLong(id));
    application.jobs.put(e.jobId(), job);
  }

  static void end(Application application, SparkListenerJobEnd e) {
    Job job = application.jobs.get(e.jobId());
    if (job == null) return;
    if (e.jobResult() instanceof JobFailed) job.fail(Failure.of(((JobFailed) e.jobResult()).exception()));
    job.attributes
        .text(Names.SPARK_JOB_RESULT, job.failure != null ? "failed" : job.cancelled ? "cancelled" : "succeeded")
        .number(Names.SPARK_JOB_STAGE_SKIPPED, job.skipped());
    job.end(e.time());
  }

  private Job(Application application, Span above, SparkListenerJobStart e, Properties p) {
    super(application, above, "spark.job", Identity.hash(8, "spark.job", application.spanId, e.jobId()), e.time());
    id = e.jobId();
    description = Description.of(p.getProperty("spark.job.description"));
    for (Object stage : Scala.elements(e, "stageIds")) stageIds.add(((Number) stage).intValue());
    attributes.number(Names.SPARK_JOB_ID, id);
    for (Object info : Scala.elements(e, "stageInfos")) {
      long key = Stage.key(((StageInfo) info).stageId(), ((StageInfo) info).attemptNumber());
      if (!application.stages.containsKey(key)) application.pending.add(key); // else another job's: it runs
    }
    application.forgetEldest(application.jobs);
  }

  /**
   * How many of its stages were skipped, by the books of Spark's own AppStatusListener: those it lists that nobody has
   * submitted since. Where two jobs skip the same stage, it is the first to end that Spark counts it for.
   */
  private int skipped() {
    Set<Integer> found = new HashSet<>();
    for (Iterator<Long> keys = application.pending.iterator(); keys.hasNext(); ) {
      int stage = Stage.id(keys.next());
      if (!stageIds.contains(stage)) continue;
      found.add(stage);
      keys.remove();
    }
    return found.size();
  }

  /** The job that runs a stage: jobs may share one; Spark runs it for the first of them that still needs it. */
  static Job ownerOf(Application application, int stageId) {
    Job owner = null;
    for (Job job : application.jobs.values()) {
      if (job.ended || !job.stageIds.contains(stageId)) continue;
      if (owner == null || job.id < owner.id) owner = job;
    }
    return owner;
  }

  @Override void done() {
    skipped();
    application.jobs.remove(id);
    write();
  }
}
