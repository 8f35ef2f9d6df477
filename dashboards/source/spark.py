"""*Spark application* and *Spark stages*: what the drivers told, a sample for each application, query and stage."""

from __future__ import annotations

from source.board import ENVIRONMENT, Board, Variable
from source.panels import (
    BAD,
    FAIR,
    STATES,
    Column,
    Look,
    Query,
    board_link,
    graph,
    levels,
    one,
    rows,
    trace_search,
    traces,
)
from source.promql import by, or_zero, told


APPLICATION = Variable(
    "application",
    "spark_application_name",
    'spark_application_duration_seconds_count{deployment_environment_name=~"$environment"}',
    "Application",
)
SERVICE = Variable(
    "service",
    "service_name",
    'spark_application_duration_seconds_count{spark_application_name=~"$application"}',
    "Service in Jaeger",
    several=False,
)
NAME = "spark_application_name"
FAILED, CANCELLED = 'spark_outcome="failure"', 'spark_outcome="cancelled"'
SPILLED = 'spark_spill_medium="disk"'
SHUFFLE_READ, SHUFFLE_WRITE = (f'spark_io_direction="{way}"' for way in ("read", "write"))
TASK_TIME, CORE_TIME = "spark_application_task_time_seconds_total", "spark_application_core_time_seconds_total"
NONE = "no Spark application ended in the time range."
STEP = "$__interval"

TO_TRACES = (
    "Its traces in Jaeger",
    trace_search("${service}", "spark.application ${__data.fields.Application}"),
)
TO_STAGES = (
    "Its stages",
    board_link("dagtrace-spark-stages", "environment", application="${__value.text}"),
)


def _ratio(part: str, whole: str, labels: str = "", over: str = "$__range") -> str:
    """Return a share of sums; what never was is no share of anything."""
    return f"{by(labels, told(part, over=over))} / ({by(labels, told(whole, over=over))} > 0)"


def _per(what: str, over: str = STEP) -> str:
    return f"{by(NAME, told(f'{what}_sum', over=over))} / ({by(NAME, told(f'{what}_count', over=over))} > 0)"


def application_board() -> Board:
    """Return the board of applications."""
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
            "Last queries and stages",
            "Traces with the application, the newest first; choose one application above.",
            "$service",
            "spark.application $application",
            empty="several applications are chosen: Jaeger searches for one.",
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
            Look(decimals=0),
        ),
        one(
            "Failed",
            "Applications that failed in the time range.",
            Query(or_zero(f"sum({told(count, FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Failed queries",
            "SQL queries that failed, those before any job (a missing table) among them.",
            Query(or_zero(f"sum({told('spark_sql_duration_seconds_count', FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Failed stages",
            "Stage attempts that failed; one that was retried and then succeeded counts, too.",
            Query(or_zero(f"sum({told('spark_stage_duration_seconds_count', FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
        one(
            "Idle cores",
            "Share of the executors' core time in which no task ran.",
            Query(idle),
            Look("percentunit", 0, [(0.5, FAIR), (0.8, BAD)]),
            empty=NONE,
        ),
        one(
            "Garbage collection",
            "Share of the tasks' run time that the JVM collected garbage.",
            Query(_ratio("spark_stage_gc_time_seconds_total", "spark_stage_run_time_seconds_total")),
            Look("percentunit", 1, [(0.05, FAIR), (0.1, BAD)]),
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
            Look(decimals=0),
            bars=True,
            colours=STATES,
            empty=NONE,
        ),
        graph(
            "Duration of applications",
            "Mean of those that ended in each interval.",
            [Query(_per("spark_application_duration_seconds"), "{{spark_application_name}}", exemplars=True)],
            Look("s"),
            bars=True,
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
            Look("bytes"),
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
            Look("s"),
            bars=True,
            colours={"CPU": "green", "garbage collection": "red", "waiting": "orange"},
            span=8,
            empty=NONE,
        ),
        graph(
            "Tasks by outcome",
            "Task attempts that ended.",
            [Query(by("spark_task_outcome", told("spark_stage_tasks_total", over=STEP)), "{{spark_task_outcome}}")],
            Look(decimals=0),
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
            Column("Application", label=NAME, link=TO_STAGES),
            Column("Runs", by(NAME, told(count)), decimals=0, link=TO_TRACES),
            Column(
                "Failed",
                f"{by(NAME, told(count, FAILED))} or {by(NAME, told(count))} * 0",
                decimals=0,
                steps=[(1, BAD)],
                link=TO_TRACES,
            ),
            Column("Mean duration", _per("spark_application_duration_seconds", "$__range"), unit="s", decimals=1),
            Column("Queries", by(NAME, told("spark_sql_duration_seconds_count")), decimals=0),
            Column(
                "Idle cores",
                f"1 - {_ratio(TASK_TIME, CORE_TIME, NAME)}",
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
        nothing="No applications",
    )


def stages_board() -> Board:
    """Return the board of stages."""
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
            "Stages that failed",
            "Traces with a stage attempt that failed.",
            "$service",
            "spark.stage",
            "error=true",
            span=12,
            empty="no stage failed in the time range.",
        ),
    )
    return made


def _stage_table() -> object:
    run = "spark_stage_run_time_seconds_total"
    stage = ("Its stages in Jaeger", trace_search("${service}", "spark.stage"))
    skew = f"histogram_quantile(0.95, {by(f'{NAME}, le', told('spark_stage_skew_bucket'))})"
    return rows(
        "Stages by application",
        "All stage attempts of the time range, summed up by application; shares are of the tasks' run time. Skew: the"
        " slowest task over the median one, 95th percentile of the stages.",
        [
            Column("Application", label=NAME),
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
            Column("CPU", _ratio("spark_stage_cpu_time_seconds_total", run, NAME), unit="percentunit", decimals=0),
            Column(
                "GC",
                _ratio("spark_stage_gc_time_seconds_total", run, NAME),
                unit="percentunit",
                decimals=1,
                steps=[(0.1, BAD)],
            ),
            Column(
                "Fetch wait",
                _ratio("spark_stage_fetch_wait_seconds_total", run, NAME),
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
        nothing="No stages",
    )


def _stages() -> tuple[object, ...]:
    delay = _ratio("spark_stage_scheduler_delay_seconds_total", "spark_stage_run_time_seconds_total", NAME, STEP)
    return (
        graph(
            "Stage duration",
            "Mean of the stage attempts that ended in each interval. The dots are stages: a click leads to the trace.",
            [Query(_per("spark_stage_duration_seconds"), "{{spark_application_name}}", exemplars=True)],
            Look("s"),
            bars=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Skew",
            "Slowest task over the median one, mean of the stages of each interval; 1 is even.",
            [Query(_per("spark_stage_skew"), "{{spark_application_name}}", exemplars=True)],
            Look(decimals=1),
            bars=True,
            span=8,
            empty=NONE,
        ),
        graph(
            "Scheduler delay",
            "What tasks waited for the driver, over their run time: many small tasks, or a driver that is too small.",
            [Query(delay, "{{spark_application_name}}")],
            Look("percentunit"),
            bars=True,
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
            Look("bytes", steps=[(1, FAIR)]),
            empty=NONE,
        ),
        levels(
            "Shuffled",
            "Shuffle bytes written in the time range.",
            Query(
                f"topk(10, {by(NAME, told('spark_stage_shuffle_bytes_total', SHUFFLE_WRITE))})",
                name,
            ),
            Look("bytes"),
            empty=NONE,
        ),
        levels(
            "Records read",
            "Records that stages read from storage or cache, in the time range.",
            Query(f"topk(10, {by(NAME, told('spark_stage_input_records_total'))})", name),
            Look(),
            empty=NONE,
        ),
    )
