package io.dagtrace.spark;

/** Attribute names. Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit. */
final class Names {
  static final String DAGTRACE_ASYNC = "dagtrace.async";
  static final String DAGTRACE_LINK_TYPE = "dagtrace.link.type";
  static final String ERROR_TYPE = "error.type";
  static final String EXCEPTION_TYPE = "exception.type";
  static final String EXCEPTION_MESSAGE = "exception.message";
  static final String EXCEPTION_STACKTRACE = "exception.stacktrace";
  static final String SPARK_APPLICATION_ID = "spark.application.id";
  static final String SPARK_APPLICATION_NAME = "spark.application.name";
  static final String SPARK_VERSION = "spark.version";
  static final String SPARK_MASTER = "spark.master";
  static final String SPARK_DEPLOY_MODE = "spark.deploy_mode";
  static final String SPARK_USER = "spark.user";
  static final String SPARK_SQL_EXECUTION_ID = "spark.sql.execution.id";
  static final String SPARK_SQL_EXECUTION_ROOT_ID = "spark.sql.execution.root_id";
  static final String SPARK_SQL_DESCRIPTION = "spark.sql.description";
  static final String SPARK_JOB_ID = "spark.job.id";
  static final String SPARK_JOB_GROUP = "spark.job.group";
  static final String SPARK_JOB_DESCRIPTION = "spark.job.description";
  static final String SPARK_JOB_RESULT = "spark.job.result";
  static final String SPARK_JOB_CALL_SITE = "spark.job.call_site";
  static final String SPARK_JOB_STAGE_COUNT = "spark.job.stage.count";
  static final String SPARK_STAGE_ID = "spark.stage.id";
  static final String SPARK_STAGE_ATTEMPT_ID = "spark.stage.attempt.id";
  static final String SPARK_STAGE_NAME = "spark.stage.name";
  static final String SPARK_STAGE_DESCRIPTION = "spark.stage.description";
  static final String SPARK_STAGE_PARENT_IDS = "spark.stage.parent.ids";
  static final String SPARK_STAGE_TASKS_TOTAL = "spark.stage.tasks.total";
  static final String SPARK_STAGE_TASKS_SUCCEEDED = "spark.stage.tasks.succeeded";
  static final String SPARK_STAGE_TASKS_FAILED = "spark.stage.tasks.failed";
  static final String SPARK_STAGE_TASKS_KILLED = "spark.stage.tasks.killed";
  static final String SPARK_STAGE_TASKS_SPECULATIVE = "spark.stage.tasks.speculative";
  static final String SPARK_STAGE_TASK_ERROR = "spark.stage.task.error";
  static final String SPARK_STAGE_TASK_DURATION_P50 = "spark.stage.task.duration.p50";
  static final String SPARK_STAGE_TASK_DURATION_P95 = "spark.stage.task.duration.p95";
  static final String SPARK_STAGE_TASK_DURATION_MAX = "spark.stage.task.duration.max";
  static final String SPARK_STAGE_SKEW = "spark.stage.skew";
  static final String SPARK_STAGE_SKEW_TIME = "spark.stage.skew.time";
  static final String SPARK_STAGE_INPUT_BYTES = "spark.stage.input.bytes";
  static final String SPARK_STAGE_INPUT_RECORDS = "spark.stage.input.records";
  static final String SPARK_STAGE_OUTPUT_BYTES = "spark.stage.output.bytes";
  static final String SPARK_STAGE_OUTPUT_RECORDS = "spark.stage.output.records";
  static final String SPARK_STAGE_SHUFFLE_READ_BYTES = "spark.stage.shuffle.read.bytes";
  static final String SPARK_STAGE_SHUFFLE_READ_LOCAL_BYTES = "spark.stage.shuffle.read.local.bytes";
  static final String SPARK_STAGE_SHUFFLE_READ_REMOTE_BYTES = "spark.stage.shuffle.read.remote.bytes";
  static final String SPARK_STAGE_SHUFFLE_READ_RECORDS = "spark.stage.shuffle.read.records";
  static final String SPARK_STAGE_SHUFFLE_READ_FETCH_WAIT = "spark.stage.shuffle.read.fetch_wait";
  static final String SPARK_STAGE_SHUFFLE_WRITE_BYTES = "spark.stage.shuffle.write.bytes";
  static final String SPARK_STAGE_SHUFFLE_WRITE_RECORDS = "spark.stage.shuffle.write.records";
  static final String SPARK_STAGE_SHUFFLE_WRITE_TIME = "spark.stage.shuffle.write.time";
  static final String SPARK_STAGE_SPILL_MEMORY_BYTES = "spark.stage.spill.memory.bytes";
  static final String SPARK_STAGE_SPILL_DISK_BYTES = "spark.stage.spill.disk.bytes";
  static final String SPARK_STAGE_MEMORY_PEAK = "spark.stage.memory.peak";
  static final String SPARK_STAGE_RUN_TIME = "spark.stage.run_time";
  static final String SPARK_STAGE_CPU_TIME = "spark.stage.cpu_time";
  static final String SPARK_STAGE_GC_TIME = "spark.stage.gc_time";
  static final String SPARK_STAGE_DESERIALIZE_TIME = "spark.stage.deserialize_time";
  static final String SPARK_STAGE_RESULT_BYTES = "spark.stage.result.bytes";
  static final String SPARK_STAGE_SCHEDULER_DELAY = "spark.stage.scheduler_delay";
  static final String SPARK_OUTCOME = "spark.outcome";
  static final String SPARK_IO_DIRECTION = "spark.io.direction";
  static final String SPARK_TASK_OUTCOME = "spark.task.outcome";

  private Names() {}
}
