"""*Spark stages*: the numbers of Spark's stage table, by application."""

from __future__ import annotations

from source.board import Board
from source.links import trace_search
from source.panels import BAD, FAIR, Look, Query, graph, levels
from source.promql import by, told
from source.spark import (
    APPLICATION,
    ENVIRONMENT,
    FAILED,
    NAME,
    NONE,
    SERVICE,
    SHUFFLE_READ,
    SHUFFLE_WRITE,
    SPILLED,
    STEP,
    TO_APPLICATION,
    high,
    per,
    ratio,
)
from source.tables import Column, rows, traces


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-spark-stages",
        "Spark stages",
        "The numbers of Spark's stage table, by application, after Spark's own page is gone. Each stage is a span: the"
        " traces below have its id, its tasks, its skew.",
        (ENVIRONMENT, APPLICATION, SERVICE),
    )
    made.row("", _stage_table())
    made.row("Skew and waiting", *_stages())
    made.row("Data", *_stage_data())
    made.row(
        "Stages in Jaeger",
        traces(
            "Stages", "Traces with stages of the chosen service, the newest first.", "$service", "spark.stage", span=12
        ),
        traces(
            "Queries that failed",
            "Traces with a SQL query that failed: the stage attempt that failed is below it, with its reason.",
            "$service",
            "spark.sql",
            "spark.sql.result=failed",
            span=12,
            empty="no query failed in the time range.",
        ),
    )
    return made


def _stage_table() -> object:
    run = "spark_stage_run_time_seconds_total"
    stage = ("Its stages in Jaeger", trace_search("${__data.fields.service_name}", "spark.stage"))
    skew = f"histogram_quantile(0.95, {by(f'{NAME}, le', told('spark_stage_skew_bucket'))})"
    return rows(
        "Stages by application",
        "All stage attempts of the time range, summed up by application; shares are of the tasks' run time. Skew: the"
        " slowest task over the median one, 95th percentile of the stages.",
        [
            Column("Application", label="spark_application_name"),
            Column("Stages", by(NAME, told("spark_stage_duration_seconds_count")), decimals=0, link=stage),
            Column(
                "Failed",
                f"{by(NAME, told('spark_stage_duration_seconds_count', FAILED))}"
                f" or {by(NAME, told('spark_stage_duration_seconds_count'))} * 0",
                decimals=0,
                steps=[(1, BAD)],
                link=stage,
            ),
            Column("Tasks", by(NAME, told("spark_stage_tasks_total")), decimals=0),
            Column("Run time", by(NAME, told(run)), unit="s", decimals=1),
            Column("CPU", ratio("spark_stage_cpu_time_seconds_total", run, NAME), unit="percentunit", decimals=0),
            Column(
                "GC",
                ratio("spark_stage_gc_time_seconds_total", run, NAME),
                unit="percentunit",
                decimals=1,
                steps=[(0.1, BAD)],
            ),
            Column(
                "Fetch wait",
                ratio("spark_stage_fetch_wait_seconds_total", run, NAME),
                unit="percentunit",
                decimals=1,
                steps=[(0.2, BAD)],
            ),
            Column("Skew", skew, decimals=1, steps=[(5, FAIR), (10, BAD)]),
            Column("Input", by(NAME, told("spark_stage_input_bytes_total")), unit="bytes"),
            Column("Shuffle read", by(NAME, told("spark_stage_shuffle_bytes_total", SHUFFLE_READ)), unit="bytes"),
            Column("Shuffle write", by(NAME, told("spark_stage_shuffle_bytes_total", SHUFFLE_WRITE)), unit="bytes"),
            Column(
                "Spilled", by(NAME, told("spark_stage_spill_bytes_total", SPILLED)), unit="bytes", steps=[(1, FAIR)]
            ),
        ],
        sort="Run time",
        height=8,
        empty=NONE,
    )


def _stages() -> tuple[object, ...]:
    delay = ratio("spark_stage_scheduler_delay_seconds_total", "spark_stage_run_time_seconds_total", NAME, STEP)
    return (
        graph(
            "Stage duration",
            "Mean of the stage attempts that ended in each interval, and the 95th percentile, with whose exemplars come"
            " the traces.",
            [
                Query(per("spark_stage_duration_seconds"), "{{spark_application_name}}"),
                Query(high("spark_stage_duration_seconds"), "{{spark_application_name}}, 95 %", exemplars=True),
            ],
            Look("s", link=TO_APPLICATION),
            dots=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Skew",
            "Slowest task over the median one, mean of the stages of each interval; 1 is even.",
            [Query(per("spark_stage_skew"), "{{spark_application_name}}")],
            Look(decimals=1, link=TO_APPLICATION),
            dots=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Scheduler delay",
            "What tasks waited for the driver, over their run time: many small tasks, or a driver that is too small.",
            [Query(delay, "{{spark_application_name}}")],
            Look("percentunit", link=TO_APPLICATION),
            dots=True,
            span=8,
            empty=NONE,
        ),
    )


def _stage_data() -> tuple[object, ...]:
    name = "{{spark_application_name}}"
    return (
        levels(
            "Spilled to disk",
            "Bytes that did not fit into memory, in the time range.",
            Query(f"topk(10, {by(NAME, told('spark_stage_spill_bytes_total', SPILLED))})", name),
            Look("bytes", steps=[(1, FAIR)], link=TO_APPLICATION),
            empty=NONE,
        ),
        levels(
            "Shuffled",
            "Shuffle bytes written in the time range.",
            Query(
                f"topk(10, {by(NAME, told('spark_stage_shuffle_bytes_total', SHUFFLE_WRITE))})",
                name,
            ),
            Look("bytes", link=TO_APPLICATION),
            empty=NONE,
        ),
        levels(
            "Records read",
            "Records that stages read from storage or cache, in the time range.",
            Query(f"topk(10, {by(NAME, told('spark_stage_input_records_total'))})", name),
            Look(link=TO_APPLICATION),
            empty=NONE,
        ),
    )
