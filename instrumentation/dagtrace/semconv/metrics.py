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
