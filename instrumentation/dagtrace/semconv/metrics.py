"""Metrics. Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit."""

from __future__ import annotations

from typing import Final, NamedTuple


class Metric(NamedTuple):
    """One instrument: name, kind (counter, histogram, gauge), UCUM unit, meaning, bounded attributes."""

    name: str
    instrument: str
    unit: str
    brief: str
    attributes: tuple[str, ...]


class Source(NamedTuple):
    """Where a metric's points come from: each such span or event adds an attribute, "" for its duration."""

    metric: Metric
    span: str
    attribute: str
    more: tuple[tuple[str, str], ...]
    """Attributes of the point that the source decides."""


AIRFLOW_DAG_RUN_DURATION: Final = Metric(
    "airflow.dag_run.duration",
    "histogram",
    "s",
    "From the run's start to its end, by the database.",
    ("airflow.dag_id", "airflow.dag_run.run_type", "airflow.dag_run.state"),
)

AIRFLOW_DAG_RUN_COUNT: Final = Metric(
    "airflow.dag_run.count",
    "counter",
    "{run}",
    "Runs that reached a final state.",
    ("airflow.dag_id", "airflow.dag_run.run_type", "airflow.dag_run.state"),
)

AIRFLOW_TASK_INSTANCE_DURATION: Final = Metric(
    "airflow.task_instance.duration",
    "histogram",
    "s",
    "From a try's start to its end, by the database.",
    ("airflow.dag_id", "airflow.task_id", "airflow.task_instance.operator", "airflow.task_instance.state"),
)

AIRFLOW_TASK_INSTANCE_COUNT: Final = Metric(
    "airflow.task_instance.count",
    "counter",
    "{try}",
    "Tries that reached a final state.",
    ("airflow.dag_id", "airflow.task_id", "airflow.task_instance.operator", "airflow.task_instance.state"),
)

AIRFLOW_DAG_FILE_PARSE_DURATION: Final = Metric(
    "airflow.dag_file.parse.duration",
    "histogram",
    "s",
    "From the start of the process that parsed a DAG file until its result was taken, as Airflow counts it.",
    ("airflow.dag_file.path", "airflow.dag.bundle_name"),
)

AIRFLOW_DAG_FILE_PARSE_DB_QUERIES: Final = Metric(
    "airflow.dag_file.parse.db_queries",
    "counter",
    "{query}",
    "SQL statements that were run to parse a DAG file and to store the result.",
    ("airflow.dag_file.path", "airflow.dag.bundle_name"),
)

AIRFLOW_DAG_FILE_PARSE_API_CALLS: Final = Metric(
    "airflow.dag_file.parse.api_calls",
    "counter",
    "{call}",
    "Requests to Airflow's API while a DAG file was parsed; in Airflow 2, reads of its database for the same.",
    ("airflow.dag_file.path", "airflow.dag.bundle_name", "airflow.api_call.purpose"),
)

AIRFLOW_DAG_FILE_IMPORT_ERRORS: Final = Metric(
    "airflow.dag_file.import_errors",
    "gauge",
    "{error}",
    "Errors by which DAGs of a file could not be loaded when it was last parsed.",
    ("airflow.dag_file.path", "airflow.dag.bundle_name"),
)

AIRFLOW_DAG_FILE_DAGS: Final = Metric(
    "airflow.dag_file.dags",
    "gauge",
    "{dag}",
    "DAGs that were found in a file when it was last parsed.",
    ("airflow.dag_file.path", "airflow.dag.bundle_name"),
)

AIRFLOW_DAG_RUN_SCHEDULE_DELAY: Final = Metric(
    "airflow.dag_run.schedule_delay",
    "histogram",
    "s",
    "From when a run might have started (run_after; in Airflow 2 the end of its data interval) to its start; of runs that were never cleared, backfills left out.",
    ("airflow.dag_id", "airflow.dag_run.run_type", "airflow.dag_run.state"),
)

AIRFLOW_DAG_RUN_ACTIVE: Final = Metric(
    "airflow.dag_run.active",
    "gauge",
    "{run}",
    "Runs that are queued or running.",
    ("airflow.dag_id", "airflow.dag_run.state"),
)

AIRFLOW_DAG_RUN_OLDEST_AGE: Final = Metric(
    "airflow.dag_run.oldest_age",
    "gauge",
    "s",
    "How long the oldest of a DAG's runs in that state has been queued or running.",
    ("airflow.dag_id", "airflow.dag_run.state"),
)

AIRFLOW_DAG_LAST_SUCCESS: Final = Metric(
    "airflow.dag.last_success",
    "gauge",
    "s",
    "When a run of the DAG last succeeded, seconds since 1970.",
    ("airflow.dag_id",),
)

AIRFLOW_DAG_NEXT_EXPECTED: Final = Metric(
    "airflow.dag.next_expected",
    "gauge",
    "s",
    "When the timetable wants the DAG's next run, seconds since 1970; in the past where it is late. While max_active_runs are at work, Airflow before 3.2 forgets it: then it is taken to be one data interval after the last, where there are such intervals.",
    ("airflow.dag_id",),
)

AIRFLOW_DAG_NEXT_DEADLINE: Final = Metric(
    "airflow.dag.next_deadline",
    "gauge",
    "s",
    "The earliest deadline of the DAG's runs that was not missed yet, seconds since 1970 (Airflow 3.1).",
    ("airflow.dag_id",),
)

AIRFLOW_DAG_MISSED_DEADLINES: Final = Metric(
    "airflow.dag.missed_deadlines",
    "gauge",
    "{deadline}",
    "Deadlines of the DAG's runs that were missed within the last 24 hours (Airflow 3.1).",
    ("airflow.dag_id",),
)

AIRFLOW_DAG_INFO: Final = Metric(
    "airflow.dag.info",
    "gauge",
    "{dag}",
    "1 for each DAG that Airflow has, to join others with by DAG: who owns it, its tags and schedule.",
    ("airflow.dag_id", "airflow.dag.owners", "airflow.dag.tag_list", "airflow.dag.team", "airflow.dag.schedule", "airflow.dag.paused"),
)

AIRFLOW_TASK_INSTANCE_QUEUED_DURATION: Final = Metric(
    "airflow.task_instance.queued_duration",
    "histogram",
    "s",
    "From when a try was handed to the executor to its start.",
    ("airflow.dag_id", "airflow.task_id", "airflow.task_instance.operator", "airflow.task_instance.state"),
)

AIRFLOW_TASK_INSTANCE_RETRIES: Final = Metric(
    "airflow.task_instance.retries",
    "counter",
    "{try}",
    "Tries that came after another of the same task instance (try number above 1), because that had failed or was cleared.",
    ("airflow.dag_id", "airflow.task_id", "airflow.task_instance.operator"),
)

AIRFLOW_TASK_INSTANCE_WASTED_TIME: Final = Metric(
    "airflow.task_instance.wasted_time",
    "counter",
    "s",
    "Time of tries that failed, from start to end, summed up.",
    ("airflow.dag_id", "airflow.task_id", "airflow.task_instance.operator"),
)

AIRFLOW_TASK_INSTANCE_ACTIVE: Final = Metric(
    "airflow.task_instance.active",
    "gauge",
    "{try}",
    "Tries that are scheduled, queued, running, deferred or between two tries or pokes.",
    ("airflow.dag_id", "airflow.task_instance.state", "airflow.task_instance.pool"),
)

AIRFLOW_TASK_INSTANCE_OLDEST_AGE: Final = Metric(
    "airflow.task_instance.oldest_age",
    "gauge",
    "s",
    "How long the oldest of them has been so: since it was scheduled or queued; in other states, since its start.",
    ("airflow.dag_id", "airflow.task_instance.state", "airflow.task_instance.pool"),
)

AIRFLOW_TASK_INSTANCE_ERRORS: Final = Metric(
    "airflow.task_instance.errors",
    "counter",
    "{error}",
    "Processes of tries that ended in an error, by what went wrong where; counted by the process itself (delta), or by its supervisor where that was killed.",
    ("airflow.dag_id", "error.type", "error.fingerprint"),
)

AIRFLOW_POOL_SLOTS: Final = Metric(
    "airflow.pool.slots",
    "gauge",
    "{slot}",
    "Slots of a pool: open ones, and those that tries hold (running, queued; deferred where the pool counts them) or wait for (scheduled). A pool without a limit has no open ones to count.",
    ("airflow.task_instance.pool", "airflow.pool.slot_state"),
)

AIRFLOW_ASSET_UPDATE_COUNT: Final = Metric(
    "airflow.asset.update.count",
    "counter",
    "{update}",
    "Updates of an asset (Airflow 2: dataset).",
    ("airflow.asset.name",),
)

AIRFLOW_ASSET_LAST_UPDATE: Final = Metric(
    "airflow.asset.last_update",
    "gauge",
    "s",
    "When an asset was last updated, seconds since 1970.",
    ("airflow.asset.name",),
)

AIRFLOW_CRITICAL_PATH_TIME: Final = Metric(
    "airflow.critical_path.time",
    "counter",
    "s",
    "Time that runs which ended were within this task's tries on their critical path: what decided when they ended. Nothing is said of a run whose DAG version cannot be read.",
    ("airflow.dag_id", "airflow.task_id"),
)

AIRFLOW_CRITICAL_PATH_WAITING_TIME: Final = Metric(
    "airflow.critical_path.waiting_time",
    "counter",
    "s",
    "Time of the same runs within no try of their critical path: retry delays, scheduler, pool and executor; and before the first try and after the last.",
    ("airflow.dag_id",),
)

DAGTRACE_ERRORS: Final = Metric(
    "dagtrace.errors",
    "counter",
    "{error}",
    "Errors inside dagtrace that were kept from the user's work.",
    (),
)

DAGTRACE_SPANS_LOST: Final = Metric(
    "dagtrace.spans.lost",
    "counter",
    "{span}",
    "Spans that were recorded and could neither be delivered nor stored.",
    (),
)

DATA_DATASET_ROWS: Final = Metric(
    "data.dataset.rows",
    "counter",
    "{row}",
    "Rows read or written.",
    ("spark.application.name", "data.dataset.namespace", "data.dataset.name", "data.operation"),
)

DATA_DATASET_BYTES: Final = Metric(
    "data.dataset.bytes",
    "counter",
    "By",
    "Bytes of the files read or written.",
    ("spark.application.name", "data.dataset.namespace", "data.dataset.name", "data.operation"),
)

DATA_DATASET_FILES: Final = Metric(
    "data.dataset.files",
    "counter",
    "{file}",
    "Files read or written.",
    ("spark.application.name", "data.dataset.namespace", "data.dataset.name", "data.operation"),
)

SPARK_APPLICATION_DURATION: Final = Metric(
    "spark.application.duration",
    "histogram",
    "s",
    "From an application's start to its end.",
    ("spark.application.name", "spark.outcome"),
)

SPARK_SQL_DURATION: Final = Metric(
    "spark.sql.duration",
    "histogram",
    "s",
    "From a SQL execution's start to its end.",
    ("spark.application.name", "spark.outcome"),
)

SPARK_STAGE_DURATION: Final = Metric(
    "spark.stage.duration",
    "histogram",
    "s",
    "From a stage attempt's submission to its completion.",
    ("spark.application.name", "spark.outcome"),
)

SPARK_STAGE_TASKS: Final = Metric(
    "spark.stage.tasks",
    "counter",
    "{task}",
    "Task attempts that ended.",
    ("spark.application.name", "spark.task.outcome"),
)

SPARK_STAGE_INPUT: Final = Metric(
    "spark.stage.input",
    "counter",
    "By",
    "Bytes read from storage or cache.",
    ("spark.application.name",),
)

SPARK_STAGE_INPUT_RECORDS: Final = Metric(
    "spark.stage.input.records",
    "counter",
    "{record}",
    "Records read from storage or cache.",
    ("spark.application.name",),
)

SPARK_STAGE_OUTPUT: Final = Metric(
    "spark.stage.output",
    "counter",
    "By",
    "Bytes written to storage.",
    ("spark.application.name",),
)

SPARK_STAGE_OUTPUT_RECORDS: Final = Metric(
    "spark.stage.output.records",
    "counter",
    "{record}",
    "Records written to storage.",
    ("spark.application.name",),
)

SPARK_STAGE_SHUFFLE: Final = Metric(
    "spark.stage.shuffle",
    "counter",
    "By",
    "Shuffle bytes.",
    ("spark.application.name", "spark.io.direction"),
)

SPARK_STAGE_SHUFFLE_RECORDS: Final = Metric(
    "spark.stage.shuffle.records",
    "counter",
    "{record}",
    "Shuffle records.",
    ("spark.application.name", "spark.io.direction"),
)

SPARK_STAGE_SPILL: Final = Metric(
    "spark.stage.spill",
    "counter",
    "By",
    "Bytes spilled.",
    ("spark.application.name", "spark.spill.medium"),
)

SPARK_STAGE_RUN_TIME: Final = Metric(
    "spark.stage.run_time",
    "counter",
    "s",
    "Time executors ran tasks, summed.",
    ("spark.application.name",),
)

SPARK_STAGE_CPU_TIME: Final = Metric(
    "spark.stage.cpu_time",
    "counter",
    "s",
    "CPU time of tasks, summed.",
    ("spark.application.name",),
)

SPARK_STAGE_GC_TIME: Final = Metric(
    "spark.stage.gc_time",
    "counter",
    "s",
    "JVM garbage collection during tasks, summed.",
    ("spark.application.name",),
)

SPARK_STAGE_SKEW: Final = Metric(
    "spark.stage.skew",
    "histogram",
    "1",
    "Slowest task over the median one.",
    ("spark.application.name",),
)

DAGTRACE_SPARK_EVENTS_DROPPED: Final = Metric(
    "dagtrace.spark.events.dropped",
    "counter",
    "{event}",
    "Events that Spark's listener bus dropped from our queue.",
    ("spark.application.name",),
)

DAGTRACE_SPARK_RECORDS_LOST: Final = Metric(
    "dagtrace.spark.records.lost",
    "counter",
    "{record}",
    "Events and spans the listener lost.",
    ("spark.application.name", "dagtrace.loss.reason"),
)

DAGTRACE_SPARK_CPU_TIME: Final = Metric(
    "dagtrace.spark.cpu_time",
    "counter",
    "s",
    "CPU time of the listener's own thread.",
    ("spark.application.name",),
)

SPARK_APPLICATION_CORE_TIME: Final = Metric(
    "spark.application.core_time",
    "counter",
    "s",
    "Time executors' cores were there, summed over cores: what applications could have used.",
    ("spark.application.name",),
)

SPARK_APPLICATION_TASK_TIME: Final = Metric(
    "spark.application.task_time",
    "counter",
    "s",
    "Time tasks took, times spark.task.cpus: what was used of it. 1 - task time / core time was idle.",
    ("spark.application.name",),
)

SPARK_STAGE_FETCH_WAIT: Final = Metric(
    "spark.stage.fetch_wait",
    "counter",
    "s",
    "Time tasks waited for remote shuffle blocks, summed.",
    ("spark.application.name",),
)

SPARK_STAGE_SCHEDULER_DELAY: Final = Metric(
    "spark.stage.scheduler_delay",
    "counter",
    "s",
    "Time tasks spent neither running, deserializing nor returning results, summed (Spark's formula).",
    ("spark.application.name",),
)

SOURCES: Final = (
    Source(DATA_DATASET_ROWS, "data.read", "data.rows", ()),
    Source(DATA_DATASET_ROWS, "data.write", "data.rows", ()),
    Source(DATA_DATASET_BYTES, "data.read", "data.bytes", ()),
    Source(DATA_DATASET_BYTES, "data.write", "data.bytes", ()),
    Source(DATA_DATASET_FILES, "data.read", "data.files", ()),
    Source(DATA_DATASET_FILES, "data.write", "data.files", ()),
    Source(SPARK_APPLICATION_DURATION, "spark.application", "", ()),
    Source(SPARK_SQL_DURATION, "spark.sql", "", ()),
    Source(SPARK_STAGE_DURATION, "spark.stage", "", ()),
    Source(SPARK_STAGE_TASKS, "spark.stage", "spark.stage.tasks.succeeded", (("spark.task.outcome", "succeeded"),)),
    Source(SPARK_STAGE_TASKS, "spark.stage", "spark.stage.tasks.failed", (("spark.task.outcome", "failed"),)),
    Source(SPARK_STAGE_TASKS, "spark.stage", "spark.stage.tasks.killed", (("spark.task.outcome", "killed"),)),
    Source(SPARK_STAGE_INPUT, "spark.stage", "spark.stage.input.bytes", ()),
    Source(SPARK_STAGE_INPUT_RECORDS, "spark.stage", "spark.stage.input.records", ()),
    Source(SPARK_STAGE_OUTPUT, "spark.stage", "spark.stage.output.bytes", ()),
    Source(SPARK_STAGE_OUTPUT_RECORDS, "spark.stage", "spark.stage.output.records", ()),
    Source(SPARK_STAGE_SHUFFLE, "spark.stage", "spark.stage.shuffle.read.bytes", (("spark.io.direction", "read"),)),
    Source(SPARK_STAGE_SHUFFLE, "spark.stage", "spark.stage.shuffle.write.bytes", (("spark.io.direction", "write"),)),
    Source(SPARK_STAGE_SHUFFLE_RECORDS, "spark.stage", "spark.stage.shuffle.read.records", (("spark.io.direction", "read"),)),
    Source(SPARK_STAGE_SHUFFLE_RECORDS, "spark.stage", "spark.stage.shuffle.write.records", (("spark.io.direction", "write"),)),
    Source(SPARK_STAGE_SPILL, "spark.stage", "spark.stage.spill.memory.bytes", (("spark.spill.medium", "memory"),)),
    Source(SPARK_STAGE_SPILL, "spark.stage", "spark.stage.spill.disk.bytes", (("spark.spill.medium", "disk"),)),
    Source(SPARK_STAGE_RUN_TIME, "spark.stage", "spark.stage.run_time", ()),
    Source(SPARK_STAGE_CPU_TIME, "spark.stage", "spark.stage.cpu_time", ()),
    Source(SPARK_STAGE_GC_TIME, "spark.stage", "spark.stage.gc_time", ()),
    Source(SPARK_STAGE_SKEW, "spark.stage", "spark.stage.skew", ()),
    Source(DAGTRACE_SPARK_EVENTS_DROPPED, "spark.application", "dagtrace.spark.events.dropped", ()),
    Source(DAGTRACE_SPARK_CPU_TIME, "spark.application", "dagtrace.spark.cpu_time", ()),
    Source(SPARK_APPLICATION_CORE_TIME, "spark.application", "spark.application.core_time", ()),
    Source(SPARK_APPLICATION_TASK_TIME, "spark.application", "spark.application.task_time", ()),
    Source(SPARK_STAGE_FETCH_WAIT, "spark.stage", "spark.stage.shuffle.read.fetch_wait", ()),
    Source(SPARK_STAGE_SCHEDULER_DELAY, "spark.stage", "spark.stage.scheduler_delay", ()),
)
"""What spans add to metrics, by the model's annotations."""
