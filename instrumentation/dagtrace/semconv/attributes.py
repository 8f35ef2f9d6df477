"""Attribute names. Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit."""

from __future__ import annotations

from typing import Final


AIRFLOW_COMPONENT: Final = "airflow.component"
"""string: The Airflow process that speaks: scheduler, worker, triggerer, dag-processor."""

AIRFLOW_DAG_ID: Final = "airflow.dag_id"
"""string: The DAG's id."""

AIRFLOW_DAG_OWNERS: Final = "airflow.dag.owners"
"""string: Owners of the DAG, as Airflow joins them."""

AIRFLOW_DAG_TAGS: Final = "airflow.dag.tags"
"""string[]: Tags of the DAG, sorted."""

AIRFLOW_DAG_RUN_RUN_ID: Final = "airflow.dag_run.run_id"
"""string: The run's id, unique within its DAG."""

AIRFLOW_DAG_RUN_RUN_TYPE: Final = "airflow.dag_run.run_type"
"""string: manual, scheduled, backfill, asset_triggered …"""

AIRFLOW_DAG_RUN_STATE: Final = "airflow.dag_run.state"
"""string: The run's final state."""

AIRFLOW_DAG_RUN_LOGICAL_DATE: Final = "airflow.dag_run.logical_date"
"""string: ISO 8601; absent where Airflow has none."""

AIRFLOW_DAG_RUN_RUN_AFTER: Final = "airflow.dag_run.run_after"
"""string: ISO 8601; the earliest moment the run may start."""

AIRFLOW_DAG_RUN_QUEUED_AT: Final = "airflow.dag_run.queued_at"
"""string: ISO 8601; when the run was queued."""

AIRFLOW_DAG_RUN_START_DATE: Final = "airflow.dag_run.start_date"
"""string: ISO 8601; the database's start, whatever the span says."""

AIRFLOW_DAG_RUN_SCHEDULE_DELAY: Final = "airflow.dag_run.schedule_delay"
"""double: Seconds from when the run might have started (run_after; Airflow 2: the end of a scheduled run's data interval) to its start. Absent where the run or tasks in it were cleared."""

AIRFLOW_DAG_RUN_END_DATE: Final = "airflow.dag_run.end_date"
"""string: ISO 8601; the database's end."""

AIRFLOW_DAG_RUN_CLEAR_NUMBER: Final = "airflow.dag_run.clear_number"
"""int: How often the run or tasks in it were cleared."""

AIRFLOW_DAG_RUN_TRIGGERED_BY: Final = "airflow.dag_run.triggered_by"
"""string: What made the run: scheduler, ui, cli, rest_api, test …"""

AIRFLOW_DAG_RUN_DAG_VERSION: Final = "airflow.dag_run.dag_version"
"""int: Number of the DAG version the run was created with (Airflow 3)."""

AIRFLOW_DAG_RUN_PARTITION_KEY: Final = "airflow.dag_run.partition_key"
"""string: The partition of the assets the run is for (Airflow 3.2)."""

AIRFLOW_DAG_RUN_PARTITION_DATE: Final = "airflow.dag_run.partition_date"
"""string: ISO 8601; the partition as a date, where it is one."""

AIRFLOW_DAG_RUN_BUNDLE_VERSION: Final = "airflow.dag_run.bundle_version"
"""string: Version of the DAG bundle (Airflow 3)."""

AIRFLOW_CRITICAL_PATH_TRIES: Final = "airflow.critical_path.tries"
"""string[]: The tries that decided when the run ended, in order; each waited for the one before it."""

AIRFLOW_CRITICAL_PATH_WORKING: Final = "airflow.critical_path.working"
"""double: Seconds the run was within those tries; of a deferred one, also while it was deferred."""

AIRFLOW_CRITICAL_PATH_WAITING: Final = "airflow.critical_path.waiting"
"""double: Seconds it was not: retry delays, scheduler, pool and executor, from the run's start to its end."""

AIRFLOW_CRITICAL_PATH_OTHER_TRIES: Final = "airflow.critical_path.other_tries"
"""string[]: Tries beside that path, those with the least slack first."""

AIRFLOW_CRITICAL_PATH_OTHER_SLACK: Final = "airflow.critical_path.other_slack"
"""double[]: Seconds by which each of them could have ended later, and the run no later."""

AIRFLOW_DAG_TAG_LIST: Final = "airflow.dag.tag_list"
"""string: Tags of the DAG, sorted, with a comma before, between and after them: =~".*,finance,.*" finds one."""

AIRFLOW_DAG_TEAM: Final = "airflow.dag.team"
"""string: Who is to be told: what follows team: in the DAG's tag of that form, else empty."""

AIRFLOW_DAG_SCHEDULE: Final = "airflow.dag.schedule"
"""string: The schedule in Airflow's words, empty where there is none."""

AIRFLOW_DAG_PAUSED: Final = "airflow.dag.paused"
"""boolean: Whether the DAG is paused."""

AIRFLOW_POOL_SLOT_STATE: Final = "airflow.pool.slot_state"
"""string: open, or the state of the tries that hold or want the slots: running, queued, deferred, scheduled."""

AIRFLOW_TASK_ID: Final = "airflow.task_id"
"""string: The task's id."""

AIRFLOW_TASK_GROUP_ID: Final = "airflow.task_group_id"
"""string: The innermost task group the task is in, with its parents' prefix; absent at the top level."""

AIRFLOW_TASK_INSTANCE_ID: Final = "airflow.task_instance.id"
"""string: UUID of the task instance row of this try (Airflow 3)."""

AIRFLOW_TASK_INSTANCE_TRY_NUMBER: Final = "airflow.task_instance.try_number"
"""int: 1 for the first try."""

AIRFLOW_TASK_INSTANCE_MAX_TRIES: Final = "airflow.task_instance.max_tries"
"""int: How many retries the row allows."""

AIRFLOW_TASK_INSTANCE_MAP_INDEX: Final = "airflow.task_instance.map_index"
"""int: Index of a mapped task instance, -1 for one that is not mapped."""

AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX: Final = "airflow.task_instance.rendered_map_index"
"""string: The map index template's text, where there is one."""

AIRFLOW_TASK_INSTANCE_STATE: Final = "airflow.task_instance.state"
"""string: Final state of this try as the database has it."""

AIRFLOW_TASK_INSTANCE_START_DATE: Final = "airflow.task_instance.start_date"
"""string: ISO 8601; the database's start, whatever the span says."""

AIRFLOW_TASK_INSTANCE_END_DATE: Final = "airflow.task_instance.end_date"
"""string: ISO 8601; the database's end."""

AIRFLOW_TASK_INSTANCE_SCHEDULED_AT: Final = "airflow.task_instance.scheduled_at"
"""string: ISO 8601; when the scheduler found it ready."""

AIRFLOW_TASK_INSTANCE_QUEUED_AT: Final = "airflow.task_instance.queued_at"
"""string: ISO 8601; when it was handed to the executor."""

AIRFLOW_TASK_INSTANCE_QUEUED_DURATION: Final = "airflow.task_instance.queued_duration"
"""double: Seconds from queued to started; they lie before the span."""

AIRFLOW_TASK_INSTANCE_SCHEDULED_DURATION: Final = "airflow.task_instance.scheduled_duration"
"""double: Seconds from ready to queued, which is the wait for a pool and a scheduler; they lie before the span. Absent where the try was deferred or rescheduled, which overwrites both moments, and in Airflow 2, which keeps only the second."""

AIRFLOW_TASK_INSTANCE_STARTUP_DURATION: Final = "airflow.task_instance.startup_duration"
"""double: On execute: seconds from the start of its process by Airflow to the operator's own code, which is the wait for the DAG file to be parsed and templates to be rendered. Absent where it resumes after a deferral."""

AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION: Final = "airflow.task_instance.deferred_duration"
"""double: Seconds the try was deferred, until a process took it up again: no work of its own (Airflow 3.2)."""

AIRFLOW_TASK_INSTANCE_RESCHEDULED_DURATION: Final = "airflow.task_instance.rescheduled_duration"
"""double: Seconds between the pokes of a sensor, until a process took it up again: no work of its own (Airflow 2, 3.2 and later)."""

AIRFLOW_TASK_INSTANCE_OPERATOR: Final = "airflow.task_instance.operator"
"""string: Class name of the operator."""

AIRFLOW_TASK_INSTANCE_POOL: Final = "airflow.task_instance.pool"
"""string: The pool it ran in."""

AIRFLOW_TASK_INSTANCE_QUEUE: Final = "airflow.task_instance.queue"
"""string: The executor's queue."""

AIRFLOW_TASK_INSTANCE_EXECUTOR: Final = "airflow.task_instance.executor"
"""string: The executor, where the task names one."""

AIRFLOW_TASK_INSTANCE_HOSTNAME: Final = "airflow.task_instance.hostname"
"""string: Host that ran it."""

AIRFLOW_TASK_INSTANCE_PID: Final = "airflow.task_instance.pid"
"""int: Process id on that host."""

AIRFLOW_COORDINATOR: Final = "airflow.coordinator"
"""string: Class of the coordinator that ran the task in another runtime than Airflow's Python (3.3)."""

RESUMABLE_EXTERNAL_ID_KEY: Final = "resumable.external_id_key"
"""string: Under which key a resumable job's id is kept between tries; named by Airflow."""

RESUMABLE_EXTERNAL_ID: Final = "resumable.external_id"
"""string: The external job a try found when it began; named by Airflow."""

RESUMABLE_PRIOR_STATUS: Final = "resumable.prior_status"
"""string: What the external system said of that job; named by Airflow."""

RESUMABLE_DECISION: Final = "resumable.decision"
"""string: fresh_submit, reconnect, already_succeeded, terminal_resubmit or no_task_state_store; named by Airflow."""

AIRFLOW_XCOM_KEY: Final = "airflow.xcom.key"
"""string: Key of the XCom."""

AIRFLOW_XCOM_TYPE: Final = "airflow.xcom.type"
"""string: JSON type of the XCom as the database has it: object, array, string, number, boolean or null."""

AIRFLOW_XCOM_SIZE: Final = "airflow.xcom.size"
"""int: Bytes of the XCom as the database has it; with a custom backend, those of its reference."""

AIRFLOW_XCOM_REFERENCED: Final = "airflow.xcom.referenced"
"""boolean: Whether the DAG names this XCom in the task's arguments or templates, which are resolved whenever it runs. False: the task comes directly after the one that left it; the events of its execute span say whether it was pulled."""

AIRFLOW_XCOM_COUNT: Final = "airflow.xcom.count"
"""int: Values that were pulled, 0 where there was none."""

AIRFLOW_XCOM_PYTHON_TYPE: Final = "airflow.xcom.python_type"
"""string: Python class of the value that was pulled first."""

AIRFLOW_ASSET_NAME: Final = "airflow.asset.name"
"""string: Name of the asset (Airflow 3)."""

AIRFLOW_ASSET_URI: Final = "airflow.asset.uri"
"""string: URI of the asset or dataset, masked."""

AIRFLOW_TRIGGER_NAME: Final = "airflow.trigger.name"
"""string: Class name of the trigger a deferred task waits for."""

AIRFLOW_DAG_FILE_PATH: Final = "airflow.dag_file.path"
"""string: A DAG file, relative to its bundle (Airflow 2: to the DAGs folder); (others) stands for those beyond the first thousand."""

AIRFLOW_DAG_BUNDLE_NAME: Final = "airflow.dag.bundle_name"
"""string: The DAG bundle a file is in (Airflow 3), else empty."""

AIRFLOW_DAG_FILE_DAGS: Final = "airflow.dag_file.dags"
"""int: DAGs that were found in a file."""

AIRFLOW_DAG_FILE_IMPORT_ERRORS: Final = "airflow.dag_file.import_errors"
"""int: Errors by which DAGs of a file could not be loaded."""

AIRFLOW_DAG_FILE_DB_QUERIES: Final = "airflow.dag_file.db_queries"
"""int: SQL statements that were run to parse a file and to store the result."""

AIRFLOW_DAG_FILE_API_CALLS: Final = "airflow.dag_file.api_calls"
"""int: Requests to Airflow's API while a file was parsed; in Airflow 2, reads of its database for the same."""

AIRFLOW_DAG_FILE_REPEATED_STATEMENTS: Final = "airflow.dag_file.repeated_statements"
"""string[]: Statements that ran 10 times or more in one parse, the most frequent first: operation and table; with DAGTRACE_CAPTURE=sql the text without its values."""

AIRFLOW_DAG_FILE_REPEATED_COUNTS: Final = "airflow.dag_file.repeated_counts"
"""int[]: How often each of them ran."""

AIRFLOW_API_CALL_PURPOSE: Final = "airflow.api_call.purpose"
"""string: What a request to Airflow's API is for: variable, connection, xcom or other."""

DAGTRACE_ASYNC: Final = "dagtrace.async"
"""boolean: The span may outlast its parent: nobody waits for it."""

DAGTRACE_SPARK_EVENTS_DROPPED: Final = "dagtrace.spark.events.dropped"
"""int: Events that Spark's listener bus dropped from our queue."""

DAGTRACE_SPARK_RECORDS_LOST: Final = "dagtrace.spark.records.lost"
"""int: Events and spans the listener had lost when its application ended; the metric of that name has all of them, by reason."""

DAGTRACE_SPARK_CPU_TIME: Final = "dagtrace.spark.cpu_time"
"""double: Seconds of CPU the listener's queue thread took, Spark's own part of it included."""

DAGTRACE_LOSS_REASON: Final = "dagtrace.loss.reason"
"""string: Why it was lost: queue_full, refused by the destination, unreachable or too slow (at_exit) when the application's end came, error of ours, or late_start (a stage that began before the listener)."""

DAGTRACE_STARTED: Final = "dagtrace.started"
"""boolean: The span is a marker without duration: its parent, which is told when it ends, has begun then. Drop it where it is in the way; nothing else is below it."""

DAGTRACE_LINK_TYPE: Final = "dagtrace.link.type"
"""string: Why two spans are linked: retry, cleared, xcom, asset or trigger."""

ERROR_TYPE: Final = "error.type"
"""string: Class of the error."""

ERROR_FINGERPRINT: Final = "error.fingerprint"
"""string: What went wrong where: a hash of the class of the error and of the functions of user code it came through, innermost first; no line numbers, no message."""

EXCEPTION_TYPE: Final = "exception.type"
"""string: Class of the exception."""

EXCEPTION_MESSAGE: Final = "exception.message"
"""string: Message, masked."""

EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
"""string: Stack trace, masked."""

HOST_NAME: Final = "host.name"
"""string: Host of the process."""

PROCESS_PID: Final = "process.pid"
"""int: Process id."""

PROCESS_EXIT_CODE: Final = "process.exit.code"
"""int: Exit code of a process that ended without telling its own span."""

PROCESS_EXIT_SIGNAL: Final = "process.exit.signal"
"""string: Name of the signal that killed a process before it could tell its own span."""

SERVICE_NAME: Final = "service.name"
"""string: Logical name of the service."""

TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
"""string: python, or java where the Spark driver's JVM speaks for itself."""

TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
"""string: opentelemetry, or dagtrace for the JVM's own sender."""

TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"
"""string: Version of it."""

OTEL_METRIC_OVERFLOW: Final = "otel.metric.overflow"
"""boolean: True of the one series that stands for all beyond a metric's limit."""

SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""string: One per process."""

DATA_DATASET_NAMESPACE: Final = "data.dataset.namespace"
"""string: Where the dataset lies: file, hdfs://host:port, s3://bucket (also for s3a), and so on; never with credentials."""

DATA_DATASET_NAME: Final = "data.dataset.name"
"""string: Its path (of an object store: the key), without partitions (day=1, 2026-01-31, 2026/01/31) and part files at the end. A catalog's table is named by its location, as in OpenLineage."""

DATA_DATASET_TABLE: Final = "data.dataset.table"
"""string: The table's name in its catalog, where the query knew it: spark_catalog.default.flights. On a span: the table that the statement made, which a query within it has filled."""

DATA_DATASET_FORMAT: Final = "data.dataset.format"
"""string: parquet, orc, csv, json, text, and so on."""

DATA_OPERATION: Final = "data.operation"
"""string: read, create (nothing may be there), append, overwrite or overwrite_partitions (only those written)."""

DATA_ROWS: Final = "data.rows"
"""int: Rows that came out of the scan, or were written. Absent where nobody counted, and for a write that failed: nothing of it was committed."""

DATA_BYTES: Final = "data.bytes"
"""int: Bytes of the files read, as large as they lie there (columns and row groups that were skipped included), or written."""

DATA_FILES: Final = "data.files"
"""int: Files read, after partitions were pruned, or written."""

DATA_SCHEMA_FINGERPRINT: Final = "data.schema.fingerprint"
"""string: Hash of names and types of all of the dataset's columns, whatever their order."""

DATA_SCHEMA_COLUMNS: Final = "data.schema.columns"
"""int: Columns of the dataset, partition columns included."""

DATA_INPUTS: Final = "data.inputs"
"""string[]: Namespace and name of each dataset read, as one URI, to search for."""

DATA_OUTPUTS: Final = "data.outputs"
"""string[]: Namespace and name of each dataset written, as one URI, to search for."""

SPARK_APPLICATION_ID: Final = "spark.application.id"
"""string: Spark's id of the application; alone it is not unique."""

SPARK_APPLICATION_NAME: Final = "spark.application.name"
"""string: The application's name."""

SPARK_VERSION: Final = "spark.version"
"""string: Version of Spark on the driver."""

SPARK_MASTER: Final = "spark.master"
"""string: The master URL."""

SPARK_CONNECT_REMOTE: Final = "spark.connect.remote"
"""string: Address of the Spark Connect server, without the parameters of the connection string."""

SPARK_CONNECT_SESSION_ID: Final = "spark.connect.session.id"
"""string: Spark Connect's id of the session, the same on client and server."""

SPARK_CONNECT_CLIENT_VERSION: Final = "spark.connect.client.version"
"""string: Version of the Spark Connect client; the server may have another."""

SPARK_DEPLOY_MODE: Final = "spark.deploy_mode"
"""string: client or cluster."""

SPARK_USER: Final = "spark.user"
"""string: The user Spark runs as."""

SPARK_SQL_EXECUTION_ID: Final = "spark.sql.execution.id"
"""int: Id of the SQL execution within the application."""

SPARK_SQL_EXECUTION_ROOT_ID: Final = "spark.sql.execution.root_id"
"""int: The execution it is a part of, where that is another one."""

SPARK_SQL_DESCRIPTION: Final = "spark.sql.description"
"""string: Spark's description: call site or the job description set by the user."""

SPARK_ERROR_CONDITION: Final = "spark.error.condition"
"""string: Error condition (error class before 4.0) of a query that failed, such as TABLE_OR_VIEW_NOT_FOUND."""

SPARK_ERROR_SQLSTATE: Final = "spark.error.sqlstate"
"""string: SQLSTATE of that condition."""

SPARK_JOB_ID: Final = "spark.job.id"
"""int: Id of the job within the application."""

SPARK_JOB_GROUP: Final = "spark.job.group"
"""string: Job group set by the user."""

SPARK_JOB_DESCRIPTION: Final = "spark.job.description"
"""string: Job description."""

SPARK_JOB_RESULT: Final = "spark.job.result"
"""string: succeeded, failed or cancelled; absent where the application ended first."""

SPARK_JOB_CALL_SITE: Final = "spark.job.call_site"
"""string: Short call site of the action."""

SPARK_JOB_STAGE_COUNT: Final = "spark.job.stage.count"
"""int: Stages the job listed when it started, skipped ones included."""

SPARK_STAGE_ID: Final = "spark.stage.id"
"""int: Id of the stage within the application."""

SPARK_STAGE_ATTEMPT_ID: Final = "spark.stage.attempt.id"
"""int: 0 for the first attempt."""

SPARK_STAGE_NAME: Final = "spark.stage.name"
"""string: Spark's name of the stage."""

SPARK_STAGE_DESCRIPTION: Final = "spark.stage.description"
"""string: Description as in the stage table of Spark's UI: job description, else the name."""

SPARK_STAGE_PARENT_IDS: Final = "spark.stage.parent.ids"
"""int[]: Stages whose shuffle output it reads."""

SPARK_STAGE_TASKS_TOTAL: Final = "spark.stage.tasks.total"
"""int: Tasks of the attempt."""

SPARK_STAGE_TASKS_SUCCEEDED: Final = "spark.stage.tasks.succeeded"
"""int: Tasks that succeeded."""

SPARK_STAGE_TASKS_FAILED: Final = "spark.stage.tasks.failed"
"""int: Task attempts that failed."""

SPARK_STAGE_TASKS_KILLED: Final = "spark.stage.tasks.killed"
"""int: Task attempts that were killed."""

SPARK_STAGE_TASKS_SPECULATIVE: Final = "spark.stage.tasks.speculative"
"""int: Task attempts that were speculative copies."""

SPARK_STAGE_TASK_ERROR: Final = "spark.stage.task.error"
"""string: Last reason a task of the attempt failed, first line."""

SPARK_STAGE_TASK_DURATION_P50: Final = "spark.stage.task.duration.p50"
"""double: Seconds; median task duration, within 19 %."""

SPARK_STAGE_TASK_DURATION_P95: Final = "spark.stage.task.duration.p95"
"""double: Seconds; 95th percentile, within 19 %."""

SPARK_STAGE_TASK_DURATION_MAX: Final = "spark.stage.task.duration.max"
"""double: Seconds; the slowest task, exact."""

SPARK_STAGE_SKEW: Final = "spark.stage.skew"
"""double: Slowest task's duration over the median; 1 is even."""

SPARK_STAGE_SKEW_TIME: Final = "spark.stage.skew.time"
"""double: Seconds; slowest task's duration less the median."""

SPARK_STAGE_INPUT_BYTES: Final = "spark.stage.input.bytes"
"""int: Bytes read from storage or cache."""

SPARK_STAGE_INPUT_RECORDS: Final = "spark.stage.input.records"
"""int: Records read from storage or cache."""

SPARK_STAGE_OUTPUT_BYTES: Final = "spark.stage.output.bytes"
"""int: Bytes written to storage."""

SPARK_STAGE_OUTPUT_RECORDS: Final = "spark.stage.output.records"
"""int: Records written to storage."""

SPARK_STAGE_SHUFFLE_READ_BYTES: Final = "spark.stage.shuffle.read.bytes"
"""int: Shuffle bytes read, local and remote."""

SPARK_STAGE_SHUFFLE_READ_LOCAL_BYTES: Final = "spark.stage.shuffle.read.local.bytes"
"""int: Shuffle bytes read from the same executor."""

SPARK_STAGE_SHUFFLE_READ_REMOTE_BYTES: Final = "spark.stage.shuffle.read.remote.bytes"
"""int: Shuffle bytes read over the network."""

SPARK_STAGE_SHUFFLE_READ_RECORDS: Final = "spark.stage.shuffle.read.records"
"""int: Shuffle records read."""

SPARK_STAGE_SHUFFLE_READ_FETCH_WAIT: Final = "spark.stage.shuffle.read.fetch_wait"
"""double: Seconds tasks waited for remote shuffle blocks, summed."""

SPARK_STAGE_SHUFFLE_WRITE_BYTES: Final = "spark.stage.shuffle.write.bytes"
"""int: Shuffle bytes written."""

SPARK_STAGE_SHUFFLE_WRITE_RECORDS: Final = "spark.stage.shuffle.write.records"
"""int: Shuffle records written."""

SPARK_STAGE_SHUFFLE_WRITE_TIME: Final = "spark.stage.shuffle.write.time"
"""double: Seconds spent writing shuffle data, summed over tasks."""

SPARK_STAGE_SPILL_MEMORY_BYTES: Final = "spark.stage.spill.memory.bytes"
"""int: Bytes spilled, as they lay in memory."""

SPARK_STAGE_SPILL_DISK_BYTES: Final = "spark.stage.spill.disk.bytes"
"""int: Bytes spilled, as they lie on disk."""

SPARK_STAGE_MEMORY_PEAK: Final = "spark.stage.memory.peak"
"""int: Bytes; largest peak execution memory of one task."""

SPARK_STAGE_RUN_TIME: Final = "spark.stage.run_time"
"""double: Seconds executors ran its tasks, summed."""

SPARK_STAGE_CPU_TIME: Final = "spark.stage.cpu_time"
"""double: Seconds of CPU its tasks took, summed."""

SPARK_STAGE_GC_TIME: Final = "spark.stage.gc_time"
"""double: Seconds of JVM garbage collection during its tasks, summed."""

SPARK_STAGE_DESERIALIZE_TIME: Final = "spark.stage.deserialize_time"
"""double: Seconds tasks spent being deserialized, summed."""

SPARK_STAGE_RESULT_BYTES: Final = "spark.stage.result.bytes"
"""int: Bytes of the tasks' results."""

SPARK_STAGE_SCHEDULER_DELAY: Final = "spark.stage.scheduler_delay"
"""double: Seconds tasks spent neither running, deserializing nor returning results, summed (Spark's formula)."""

SPARK_APPLICATION_EXIT_CODE: Final = "spark.application.exit_code"
"""int: Exit code of the driver, where Spark knows it (4.0)."""

SPARK_APPLICATION_EXECUTORS_ADDED: Final = "spark.application.executors.added"
"""int: Executors that were added."""

SPARK_APPLICATION_EXECUTORS_REMOVED: Final = "spark.application.executors.removed"
"""int: Executors that were removed before the end."""

SPARK_APPLICATION_EXECUTORS_PEAK: Final = "spark.application.executors.peak"
"""int: Most executors at one time."""

SPARK_APPLICATION_CORES_PEAK: Final = "spark.application.cores.peak"
"""int: Most cores of executors at one time."""

SPARK_APPLICATION_CORE_TIME: Final = "spark.application.core_time"
"""double: Seconds executors' cores were there, summed over cores: what the application could have used."""

SPARK_APPLICATION_TASK_TIME: Final = "spark.application.task_time"
"""double: Seconds its tasks took, times spark.task.cpus: what it used of it."""

SPARK_APPLICATION_IDLE_SHARE: Final = "spark.application.idle_share"
"""double: 1 - task time / core time: the share of its cores' time in which no task ran."""

SPARK_EXECUTOR_ID: Final = "spark.executor.id"
"""string: Spark's id of the executor."""

SPARK_EXECUTOR_HOST: Final = "spark.executor.host"
"""string: Host of the executor."""

SPARK_EXECUTOR_CORES: Final = "spark.executor.cores"
"""int: Cores of the executor."""

SPARK_EXECUTOR_REMOVED_REASON: Final = "spark.executor.removed.reason"
"""string: Why it was removed, in Spark's words, masked."""

SPARK_DIAGNOSIS: Final = "spark.diagnosis"
"""string[]: Which thresholds were crossed (docs/diagnosis.md): skew, gc, fetch_wait, scheduler_delay, spill, small_tasks, big_partition, failed_tasks, idle_cores."""

SPARK_SQL_RESULT: Final = "spark.sql.result"
"""string: succeeded, failed or cancelled; absent where the application ended first."""

SPARK_JOB_STAGE_SKIPPED: Final = "spark.job.stage.skipped"
"""int: Stages the job listed and did not need to run: their shuffle output was there."""

SPARK_STAGE_GC_SHARE: Final = "spark.stage.gc_share"
"""double: GC time / run time."""

SPARK_STAGE_FETCH_WAIT_SHARE: Final = "spark.stage.fetch_wait_share"
"""double: Fetch wait / run time."""

SPARK_STAGE_SCHEDULER_DELAY_SHARE: Final = "spark.stage.scheduler_delay_share"
"""double: Scheduler delay / sum of task durations."""

SPARK_STAGE_CPU_SHARE: Final = "spark.stage.cpu_share"
"""double: CPU time / run time: 1 is bound by the CPU, 0 waits."""

SPARK_STAGE_TASK_BYTES_MAX: Final = "spark.stage.task.bytes.max"
"""int: Bytes; the most that one task read (input and shuffle) or wrote (output and shuffle)."""

SPARK_TASK_ID: Final = "spark.task.id"
"""int: Id of the task attempt within the application."""

SPARK_TASK_INDEX: Final = "spark.task.index"
"""int: Index of the task within its stage: its partition."""

SPARK_TASK_ATTEMPT: Final = "spark.task.attempt"
"""int: 0 for the first attempt of this index."""

SPARK_TASK_LOCALITY: Final = "spark.task.locality"
"""string: PROCESS_LOCAL, NODE_LOCAL, RACK_LOCAL, NO_PREF or ANY."""

SPARK_TASK_SPECULATIVE: Final = "spark.task.speculative"
"""boolean: It was a speculative copy."""

SPARK_TASK_RUN_TIME: Final = "spark.task.run_time"
"""double: Seconds the executor ran it."""

SPARK_TASK_CPU_TIME: Final = "spark.task.cpu_time"
"""double: Seconds of CPU."""

SPARK_TASK_GC_TIME: Final = "spark.task.gc_time"
"""double: Seconds of JVM garbage collection meanwhile."""

SPARK_TASK_SCHEDULER_DELAY: Final = "spark.task.scheduler_delay"
"""double: Seconds it neither ran nor was deserialized nor returned its result (Spark's formula)."""

SPARK_TASK_FETCH_WAIT: Final = "spark.task.fetch_wait"
"""double: Seconds it waited for remote shuffle blocks."""

SPARK_TASK_INPUT_BYTES: Final = "spark.task.input.bytes"
"""int: Bytes read from storage or cache."""

SPARK_TASK_SHUFFLE_READ_BYTES: Final = "spark.task.shuffle.read.bytes"
"""int: Shuffle bytes read."""

SPARK_TASK_SHUFFLE_WRITE_BYTES: Final = "spark.task.shuffle.write.bytes"
"""int: Shuffle bytes written."""

SPARK_TASK_SPILL_DISK_BYTES: Final = "spark.task.spill.disk.bytes"
"""int: Bytes spilled, as they lie on disk."""

OPENLINEAGE_PARENT_RUN_ID: Final = "openlineage.parent.run_id"
"""string: OpenLineage's id of the run that started the application (spark.openlineage.parentRunId), where no trace context came with it."""

OPENLINEAGE_PARENT_JOB_NAME: Final = "openlineage.parent.job_name"
"""string: OpenLineage's name of that job."""

SPARK_OUTCOME: Final = "spark.outcome"
"""string: success, failure or cancelled."""

SPARK_SPILL_MEDIUM: Final = "spark.spill.medium"
"""string: memory (as it lay there) or disk."""

SPARK_IO_DIRECTION: Final = "spark.io.direction"
"""string: read or write for shuffles."""

SPARK_TASK_OUTCOME: Final = "spark.task.outcome"
"""string: succeeded, failed or killed."""

REMOTE_JOB_SYSTEM: Final = "remote_job.system"
"""string: Where it runs: spark, livy, databricks, emr, emr-containers, emr-serverless, glue, ecs, batch, dataproc, kubernetes, docker or dbt_cloud."""

REMOTE_JOB_ID: Final = "remote_job.id"
"""string: That system's id of the job; the last one, where a task starts several."""

REMOTE_JOB_URL: Final = "remote_job.url"
"""string: The job's page there."""

REMOTE_JOB_STATE: Final = "remote_job.state"
"""string: Its state in that system's own words, as the task saw it last."""

DB_SYSTEM_NAME: Final = "db.system.name"
"""string: Which database, by OpenTelemetry's name where it has one, else the hook's connection type."""

DB_NAMESPACE: Final = "db.namespace"
"""string: The database or schema that the connection names."""

DB_OPERATION_NAME: Final = "db.operation.name"
"""string: First word of the statement, of those that SQL has."""

DB_QUERY_TEXT: Final = "db.query.text"
"""string: The statement, masked; with DAGTRACE_CAPTURE=sql only. Parameters are never in it."""

DB_RESPONSE_STATUS_CODE: Final = "db.response.status_code"
"""string: The database's code of an error, SQLSTATE for most."""

DB_RESPONSE_RETURNED_ROWS: Final = "db.response.returned_rows"
"""int: Rows of the result, where the driver knows it before they are fetched."""

DB_RESPONSE_AFFECTED_ROWS: Final = "db.response.affected_rows"
"""int: Rows that the statement has changed, where the driver knows it (not one of OpenTelemetry's names)."""

SERVER_ADDRESS: Final = "server.address"
"""string: Host of the connection."""

SERVER_PORT: Final = "server.port"
"""int: Port of the connection."""
