"""*Data*: rows, bytes and files of what Spark read and wrote, and how fresh Airflow's assets are."""

from __future__ import annotations

from source.board import ENVIRONMENT, JOB, Board, Variable
from source.health import AGE
from source.links import trace_search
from source.panels import BAD, Look, Query, graph, levels, one
from source.promql import PAST, by, now, or_zero, series, steps, told
from source.tables import Column, rows


DATASET = Variable(
    "dataset", "data_dataset_name", 'data_dataset_files_total{deployment_environment_name=~"$environment"}', "Dataset"
)
HERE = 'deployment_environment_name=~"$environment",data_dataset_name=~"$dataset"'
READ, WROTE = 'data_operation="read"', 'data_operation!="read"'
ROWS, BYTES, FILES = (f"data_dataset_{what}_total" for what in ("rows", "bytes", "files"))
EACH = "deployment_environment_name, service_name, data_dataset_namespace, data_dataset_name, spark_application_name"
NONE = "no Spark application read or wrote a dataset in the time range."
STEP = "$__interval"
TO_TRACES = (
    "The application in Jaeger",
    trace_search("${__data.fields.service_name}", "spark.application ${__data.fields.Application}"),
)


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-data",
        "Data",
        "What Spark's queries read and wrote: rows, bytes and files of each dataset against its past, and its age.",
        (ENVIRONMENT, JOB, DATASET),
        since="now-7d",
    )
    made.row("", *_facts())
    made.row("Datasets written", _written())
    made.row("Volumes", *_volumes())
    made.row("Assets", *_assets())
    return made


def _facts() -> tuple[object, ...]:
    zero = f"count({_last(ROWS)} == 0)"
    return (
        one(
            "Datasets written",
            "Datasets that were written in the time range.",
            Query(or_zero(f"count({by('data_dataset_namespace, data_dataset_name', told(FILES, WROTE, HERE))})")),
            Look(decimals=0),
        ),
        one(
            "Datasets read",
            "Datasets that were read in the time range.",
            Query(or_zero(f"count({by('data_dataset_namespace, data_dataset_name', told(FILES, READ, HERE))})")),
            Look(decimals=0),
        ),
        one("Rows written", "In the time range.", Query(or_zero(f"sum({told(ROWS, WROTE, HERE)})")), Look()),
        one("Bytes written", "In the time range.", Query(or_zero(f"sum({told(BYTES, WROTE, HERE)})")), Look("bytes")),
        one("Bytes read", "In the time range.", Query(or_zero(f"sum({told(BYTES, READ, HERE)})")), Look("bytes")),
        one(
            "Empty writes",
            "Datasets whose last write had no rows.",
            Query(or_zero(zero)),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
    )


def _last(metric: str) -> str:
    """Return the last write: of two collectors that both tell of it, the one that told last."""
    found = series(metric, WROTE, HERE)
    newest = f"topk by ({EACH}) (1, max_over_time(timestamp({found})[$__range:5m]))"
    return by(EACH, f"last_over_time({found}[$__range]) and {newest}", "max")


def _usual(metric: str) -> str:
    return by(EACH, f"quantile_over_time(0.5, {series(metric, WROTE, HERE)}[{PAST}])", "max")


def _written() -> object:
    written = f"max_over_time(timestamp({series(FILES, WROTE, HERE)})[$__range:5m])"
    return rows(
        "Datasets written",
        f"Each dataset's last write, against the median write of {PAST}. A schema change is on the trace"
        " (data.schema.fingerprint of the write), not in the metrics.",
        [
            Column("Dataset", label="data_dataset_name", width=420),
            Column("Where", label="data_dataset_namespace"),
            Column("Application", label="spark_application_name", link=TO_TRACES),
            Column("Writes", by(EACH, f"count_over_time({series(FILES, WROTE, HERE)}[$__range])"), decimals=0),
            Column("Last rows", _last(ROWS), decimals=0),
            Column("Usual rows", _usual(ROWS), decimals=0),
            Column(
                "Of usual",
                f"{_last(ROWS)} / {_usual(ROWS)}",
                unit="percentunit",
                decimals=0,
                texts={"nan": "no rows ever"},
            ),
            Column("Last bytes", _last(BYTES), unit="bytes"),
            Column("Last files", _last(FILES), decimals=0),
            Column("Age", f"time() - {by(EACH, written, 'max')}", unit="s", decimals=0, steps=AGE),
        ],
        sort="Age",
        height=10,
        empty=NONE,
    )


def _volumes() -> tuple[object, ...]:
    name = "{{data_dataset_name}}"
    dataset = "data_dataset_name"
    return (
        graph(
            "Rows written",
            "By dataset, in each interval.",
            [Query(by(dataset, told(ROWS, WROTE, HERE, STEP)), name)],
            Look(),
            bars=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Bytes written",
            "By dataset, in each interval.",
            [Query(by(dataset, told(BYTES, WROTE, HERE, STEP)), name)],
            Look("bytes"),
            bars=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Rows read",
            "By dataset, in each interval.",
            [Query(by(dataset, told(ROWS, READ, HERE, STEP)), name)],
            Look(),
            bars=True,
            span=8,
            empty=NONE,
        ),
    )


def _assets() -> tuple[object, ...]:
    return (
        levels(
            "Age of assets",
            "Seconds since Airflow's assets (Airflow 2: datasets) were last updated.",
            Query(
                f"topk(12, time() - {now('airflow_asset_last_update_seconds', 'job, airflow_asset_name')})",
                "{{airflow_asset_name}}",
            ),
            Look("s", 0, AGE),
            span=12,
            empty="no asset was ever updated.",
        ),
        graph(
            "Updates of assets",
            "In each interval.",
            [Query(by("airflow_asset_name", steps("airflow_asset_update_count_total")), "{{airflow_asset_name}}")],
            Look(decimals=0),
            bars=True,
            empty="Airflow has no assets.",
        ),
    )
