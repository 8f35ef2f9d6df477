package io.dagtrace.spark;

import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.StageInfo;
import scala.Option;

/** One attempt of a stage. Its tasks may end after it, and are counted then as in Spark's own stage table. */
final class Stage extends Span {
  final Totals totals = new Totals();
  private final long key;
  private final Tasks tasks;

  static long key(int stage, int attempt) { return ((long) stage << 32) | attempt; }

  static int id(long key) { return (int) (key >> 32); }

  static void start(Application application, StageInfo info) {
    Job owner = Job.ownerOf(application, info.stageId());
    Stage stage = new Stage(application, owner == null ? application : owner, info);
    application.stages.put(stage.key, stage);
    application.pending.remove(stage.key);
  }

  private Stage(Application application, Span above, StageInfo info) {
    super(application, above, "spark.stage",
        Identity.hash(8, "spark.stage", application.spanId, info.stageId(), info.attemptNumber()),
        time(info.submissionTime()));
    key = key(info.stageId(), info.attemptNumber());
    tasks = application.tasks ? new Tasks() : null;
    String description = above instanceof Job ? ((Job) above).description : null;
    attributes.number(Names.SPARK_STAGE_ID, info.stageId())
        .number(Names.SPARK_STAGE_ATTEMPT_ID, info.attemptNumber())
        .text(Names.SPARK_STAGE_NAME, info.name())
        .text(Names.SPARK_STAGE_DESCRIPTION, description == null ? info.name() : description)
        .numbers(Names.SPARK_STAGE_PARENT_IDS, Scala.elements(info, "parentIds"))
        .number(Names.SPARK_STAGE_TASKS_TOTAL, info.numTasks());
    if (above instanceof Job) attributes.number(Names.SPARK_JOB_ID, ((Job) above).id);
    application.forgetEldest(application.stages);
  }

  private static long time(Option<?> ms) {
    return ms.isDefined() ? ((Number) ms.get()).longValue() : System.currentTimeMillis();
  }

  void add(SparkListenerTaskEnd e) {
    totals.add(e.taskInfo(), e.reason(), e.taskMetrics());
    if (tasks != null) tasks.add(e.taskInfo(), e.reason(), e.taskMetrics());
    if (ended) done();
  }

  void complete(StageInfo info) {
    if (info.failureReason().isDefined()) fail(Failure.of(totals.errorType(), info.failureReason().get()));
    end(time(info.completionTime()));
  }

  /** Ended for its job, but written only when the last of its tasks has ended, too. */
  @Override void done() {
    if (totals.active == 0) write();
  }

  @Override void write() {
    if (application.stages.remove(key) == null) return;
    totals.describe(attributes);
    application.diagnosis.ofStage(attributes);
    if (tasks != null) tasks.write(this);
    super.write();
  }
}
