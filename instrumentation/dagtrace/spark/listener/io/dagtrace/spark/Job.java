package io.dagtrace.spark;

import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import org.apache.spark.scheduler.JobFailed;
import org.apache.spark.scheduler.SparkListenerJobEnd;
import org.apache.spark.scheduler.SparkListenerJobStart;

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
  private final Set<Integer> submitted = new HashSet<>();

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
        .number(Names.SPARK_JOB_STAGE_SKIPPED, job.stageIds.size() - job.submitted.size());
    job.end(e.time());
  }

  private Job(Application application, Span above, SparkListenerJobStart e, Properties p) {
    super(application, above, "spark.job", Identity.hash(8, "spark.job", application.spanId, e.jobId()), e.time());
    id = e.jobId();
    description = Description.of(p.getProperty("spark.job.description"));
    for (Object stage : Scala.elements(e, "stageIds")) stageIds.add(((Number) stage).intValue());
    attributes.number(Names.SPARK_JOB_ID, id);
    application.forgetEldest(application.jobs);
  }

  /** The job that runs a stage: jobs may share one; Spark runs it for the first of them that still needs it. */
  static Job ownerOf(Application application, int stageId) {
    Job owner = null;
    for (Job job : application.jobs.values()) {
      if (job.ended || !job.stageIds.contains(stageId)) continue;
      job.submitted.add(stageId);
      if (owner == null || job.id < owner.id) owner = job;
    }
    return owner;
  }

  @Override void done() {
    application.jobs.remove(id);
    write();
  }
}
