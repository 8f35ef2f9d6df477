"""*Spark application*: what the drivers told, a sample for each application, query and stage."""

from __future__ import annotations

from source.board import Board
from source.links import board_link, trace_search
from source.panels import BAD, FAIR, STATES, Look, Query, graph, one
from source.promql import by, or_zero, told
from source.spark import (
    APPLICATION,
    CORE_TIME,
    ENVIRONMENT,
    FAILED,
    NAME,
    NONE,
    SERVICE,
    SHUFFLE_READ,
    SPILLED,
    STEP,
    TASK_TIME,
    TO_APPLICATION,
    TO_BROKEN,
    TO_QUERIES,
    high,
    per,
    ratio,
)
from source.tables import Column, rows, traces


TO_TRACES = (
    "Its traces in Jaeger",
    trace_search("${__data.fields.service_name}", "spark.application ${__data.fields.Application}"),
)
TO_STAGES = (
    "Its stages",
    board_link("dagtrace-spark-stages", "environment", application="${__value.text}"),
)


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-spark-application",
        "Spark application",
        "Spark applications by name: runs, durations, what they used of what they had, what they read and wrote.",
        (ENVIRONMENT, APPLICATION, SERVICE),
    )
    made.row("", *_facts())
    made.row("Runs", *_runs())
    made.row("Work", *_work())
    made.row("Applications", _applications())
    made.row(
        "Traces",
        traces(
            "Last traces with queries",
            "Traces of the chosen service with Spark queries in them, the newest first; a number of runs above leads to"
            " those of its application.",
            "$service",
            "spark.sql",
        ),
    )
    return made


def _facts() -> tuple[object, ...]:
    count = "spark_application_duration_seconds_count"
    idle = f"1 - sum({told(TASK_TIME)}) / sum({told(CORE_TIME)})"
    return (
        one(
            "Applications",
            "Applications that ended in the time range.",
            Query(or_zero(f"sum({told(count)})")),
            Look(decimals=0, link=TO_QUERIES),
        ),
        one(
            "Failed",
            "Applications that failed in the time range.",
            Query(or_zero(f"sum({told(count, FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_BROKEN),
        ),
        one(
            "Failed queries",
            "SQL queries that failed, those before any job (a missing table) among them.",
            Query(or_zero(f"sum({told('spark_sql_duration_seconds_count', FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_BROKEN),
        ),
        one(
            "Failed stages",
            "Stage attempts that failed; one that was retried and then succeeded counts, too.",
            Query(or_zero(f"sum({told('spark_stage_duration_seconds_count', FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_BROKEN),
        ),
        one(
            "Idle cores",
            "Share of the executors' core time in which no task ran.",
            Query(idle),
            Look("percentunit", 0, [(0.5, FAIR), (0.8, BAD)], link=TO_QUERIES),
            empty=NONE,
        ),
        one(
            "Garbage collection",
            "Share of the tasks' run time that the JVM collected garbage.",
            Query(ratio("spark_stage_gc_time_seconds_total", "spark_stage_run_time_seconds_total")),
            Look("percentunit", 1, [(0.05, FAIR), (0.1, BAD)], link=TO_QUERIES),
            empty=NONE,
        ),
    )


def _runs() -> tuple[object, ...]:
    count = "spark_application_duration_seconds_count"
    return (
        graph(
            "Applications by outcome",
            "How many applications ended in each interval.",
            [Query(by("spark_outcome", told(count, over=STEP)), "{{spark_outcome}}")],
            Look(decimals=0, link=TO_QUERIES),
            bars=True,
            colours=STATES,
            empty=NONE,
        ),
        graph(
            "Duration of applications",
            "Mean of those that ended in each interval, and the 95th percentile, with whose exemplars come the traces.",
            [
                Query(per("spark_application_duration_seconds"), "{{spark_application_name}}"),
                Query(high("spark_application_duration_seconds"), "{{spark_application_name}}, 95 %", exemplars=True),
            ],
            Look("s", link=TO_APPLICATION),
            dots=True,
            empty=NONE,
        ),
    )


def _work() -> tuple[object, ...]:
    return (
        graph(
            "Read and written",
            "Bytes that stages read from storage or cache, wrote to storage, and shuffled.",
            [
                Query(f"sum({told('spark_stage_input_bytes_total', over=STEP)})", "input"),
                Query(f"sum({told('spark_stage_output_bytes_total', over=STEP)})", "output"),
                Query(
                    f"sum({told('spark_stage_shuffle_bytes_total', SHUFFLE_READ, over=STEP)})",
                    "shuffle read",
                ),
                Query(f"sum({told('spark_stage_spill_bytes_total', SPILLED, over=STEP)})", "spilled to disk"),
            ],
            Look("bytes", link=TO_QUERIES),
            bars=True,
            colours={"spilled to disk": "red"},
            span=8,
            empty=NONE,
        ),
        graph(
            "Where executors' time goes",
            "Seconds of tasks: computing, collecting garbage, and waiting (for disk, network and others).",
            [
                Query(f"sum({told('spark_stage_cpu_time_seconds_total', over=STEP)})", "CPU"),
                Query(f"sum({told('spark_stage_gc_time_seconds_total', over=STEP)})", "garbage collection"),
                Query(
                    f"clamp_min(sum({told('spark_stage_run_time_seconds_total', over=STEP)})"
                    f" - sum({told('spark_stage_cpu_time_seconds_total', over=STEP)})"
                    f" - sum({told('spark_stage_gc_time_seconds_total', over=STEP)}), 0)",
                    "waiting",
                ),
            ],
            Look("s", link=TO_QUERIES),
            bars=True,
            colours={"CPU": "green", "garbage collection": "red", "waiting": "orange"},
            span=8,
            empty=NONE,
        ),
        graph(
            "Tasks by outcome",
            "Task attempts that ended.",
            [Query(by("spark_task_outcome", told("spark_stage_tasks_total", over=STEP)), "{{spark_task_outcome}}")],
            Look(decimals=0, link=TO_QUERIES),
            bars=True,
            colours=STATES,
            span=8,
            empty=NONE,
        ),
    )


def _applications() -> object:
    count = "spark_application_duration_seconds_count"
    return rows(
        "Applications",
        "Each application of the time range. A name leads to its stages, a number of runs to its traces.",
        [
            Column("Application", label="spark_application_name", link=TO_STAGES),
            Column("Runs", by(NAME, told(count)), decimals=0, link=TO_TRACES),
            Column(
                "Failed",
                f"{by(NAME, told(count, FAILED))} or {by(NAME, told(count))} * 0",
                decimals=0,
                steps=[(1, BAD)],
                link=TO_TRACES,
            ),
            Column("Mean duration", per("spark_application_duration_seconds", "$__range"), unit="s", decimals=1),
            Column("Queries", by(NAME, told("spark_sql_duration_seconds_count")), decimals=0),
            Column(
                "Idle cores",
                f"1 - {ratio(TASK_TIME, CORE_TIME, NAME)}",
                unit="percentunit",
                decimals=0,
                steps=[(0.5, FAIR), (0.8, BAD)],
            ),
            Column("Input", by(NAME, told("spark_stage_input_bytes_total")), unit="bytes"),
            Column("Output", by(NAME, told("spark_stage_output_bytes_total")), unit="bytes"),
            Column(
                "Spilled", by(NAME, told("spark_stage_spill_bytes_total", SPILLED)), unit="bytes", steps=[(1, FAIR)]
            ),
        ],
        sort="Mean duration",
        empty=NONE,
    )
