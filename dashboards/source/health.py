"""*Pipeline health*: what failed, is late, is stuck, is running now, and what got worse."""

from __future__ import annotations

from source.board import AIRFLOW, Board
from source.links import board_link, trace_search
from source.panels import BAD, FAIR, STATES, Look, Query, graph, levels, one
from source.promql import AIRFLOW as HERE
from source.promql import DAG, FILE, PAST, by, grown, mean, now, or_zero, series, steps, told
from source.tables import Column, rows, traces


RUNS = "airflow_dag_run_count_total"
FAILED = 'airflow_dag_run_state="failed"'
SUCCEEDED = 'airflow_dag_run_state="success"'
LATE = 900
"""Seconds after which a run that should have started is late."""

TO_DAG = (
    "The DAG's board",
    board_link("dagtrace-dag", "environment", job="${__data.fields.job}", dag="${__value.text}"),
)
BAR_TO_DAG = (
    "The DAG's board",
    board_link("dagtrace-dag", "environment", job="${__field.labels.job}", dag="${__field.labels.airflow_dag_id}"),
)
TO_FAILED = ("Failed runs in Jaeger", trace_search("${service}", "", "airflow.dag_run.state=failed"))
TO_RUNNING = ("What is going on, in Jaeger", trace_search("${service}", "", "dagtrace.started=true"))
TO_SUCCEEDED = ("Runs in Jaeger", trace_search("${service}", "", "airflow.dag_run.state=success"))
TO_STATE = (
    "Such runs in Jaeger",
    trace_search("${service}", "", "airflow.dag_run.state=${__field.labels.airflow_dag_run_state}"),
)
TO_ERROR = (
    "Where it happened, in Jaeger",
    trace_search("${__data.fields.service_name}", "", "error.fingerprint=${__value.text}"),
)
TO_RUNS = (
    "Its runs in Jaeger",
    trace_search("${__data.fields.service_name}", "dag_run ${__data.fields.DAG}"),
)
AGE = ((3600 * 26, FAIR), (3600 * 48, BAD))

LATE_NOW = f"time() - {now('airflow_dag_next_expected_seconds', DAG)} > {LATE}"
OLDEST = 'airflow_dag_run_state="running"'
USUAL = "last_over_time(airflow_dag:success_seconds:mean14d[1h])"
"""Recorded by ``rules/airflow.yml``, of DAGs with five runs at least: two weeks of all DAGs are too much for a page."""
STUCK_NOW = f"{now('airflow_dag_run_oldest_age_seconds', DAG, OLDEST)} > clamp_min(3 * {USUAL}, 1800)"
SINCE_SUCCESS = f"time() - {now('airflow_dag_last_success_seconds', DAG)}"
RUNNING = f"{now('airflow_dag_run_active', DAG, OLDEST)} or {now('airflow_dag_info', DAG)} * 0"
PAUSED = 'airflow_dag_paused="true"'
NOT_PAUSED = f"unless on ({DAG}) {series('airflow_dag_info', PAUSED)}"
SLOWER = f"{mean('airflow_dag_run_duration_seconds', DAG, SUCCEEDED)} / {USUAL}"


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-health",
        "Pipeline health",
        "What failed, is late, is stuck, is running now, and what got worse. From here to DAGs, and to their traces.",
        AIRFLOW,
    )
    made.row("", *_now())
    made.row(
        "Runs",
        graph(
            "Runs that ended, by state",
            "How many runs reached a final state in each interval, counted by the scheduler from Airflow's database.",
            [Query(by("airflow_dag_run_state", steps(RUNS)), "{{airflow_dag_run_state}}")],
            Look(decimals=0, link=TO_STATE),
            bars=True,
            colours=STATES,
        ),
        graph(
            "Going on",
            "Runs that are running or queued. Queued ones that grow wait for max_active_runs, a pool or a scheduler.",
            [
                Query(
                    or_zero(f"sum({now('airflow_dag_run_active', DAG, which)})"),
                    state,
                )
                for state, which in (("running", OLDEST), ("queued", 'airflow_dag_run_state="queued"'))
            ],
            Look(decimals=0, link=TO_RUNNING),
            colours=STATES,
        ),
    )
    made.row("DAGs", _dags())
    made.row("Worst", *_worst())
    made.row(
        "Errors",
        _errors(),
        traces(
            "Runs that failed",
            "Their traces in Jaeger: a click opens the run from the scheduler down to Spark's stages.",
            "$service",
            "",
            "airflow.dag_run.state=failed",
            span=12,
            empty="no run failed in the time range.",
        ),
    )
    return made


def _now() -> tuple[object, ...]:
    failed = or_zero(f"sum({grown(RUNS, FAILED)})")
    return (
        one(
            "Failed runs",
            "Runs that failed in the time range.",
            Query(failed),
            Look(decimals=0, steps=[(1, BAD)], link=TO_FAILED),
        ),
        one(
            "Success rate",
            "Of the runs that ended in the time range, the share that succeeded.",
            Query(f"sum({grown(RUNS, SUCCEEDED)}) / sum({grown(RUNS)})"),
            Look("percentunit", 1, [(0.9, FAIR), (0.99, "green")], {"nan": "no runs"}, base=BAD, link=TO_SUCCEEDED),
        ),
        one(
            "Late now",
            f"DAGs whose next run should have started more than {LATE // 60} minutes ago, by their timetables.",
            Query(or_zero(f"count({LATE_NOW})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_RUNNING),
        ),
        one(
            "Stuck now",
            f"DAGs with a run that takes three times the mean of {PAST}, and half an hour at least.",
            Query(or_zero(f"count({STUCK_NOW})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_RUNNING),
        ),
        one(
            "Running now",
            "Runs that are running.",
            Query(or_zero(f"sum({now('airflow_dag_run_active', DAG, OLDEST)})")),
            Look(decimals=0, link=TO_RUNNING),
        ),
        one(
            "Broken DAG files",
            "Files that could not be loaded when they were last parsed.",
            Query(or_zero(f"count({now('airflow_dag_file_import_errors', FILE)} > 0)")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
    )


def _dags() -> object:
    return rows(
        "DAGs",
        "Every DAG that Airflow has, the one with most failures first. Slower: the mean of the time range over the mean"
        f" of {PAST}, successful runs only.",
        [
            Column("DAG", label="airflow_dag_id", link=TO_DAG),
            Column("Environment", label="deployment_environment_name"),
            Column("Owners", label="airflow_dag_owners"),
            Column("Team", label="airflow_dag_team"),
            Column("Failed", _info(by(DAG, grown(RUNS, FAILED))), decimals=0, steps=[(1, BAD)], link=TO_RUNS),
            Column("Succeeded", _info(by(DAG, grown(RUNS, SUCCEEDED))), decimals=0, link=TO_RUNS),
            Column(
                "Running",
                _info(RUNNING),
                decimals=0,
            ),
            Column("Since success", _info(SINCE_SUCCESS), unit="s", decimals=0, steps=AGE),
            Column(
                "Late by",
                _info(f"clamp_min(time() - {now('airflow_dag_next_expected_seconds', DAG)}, 0)"),
                unit="s",
                decimals=0,
                steps=[(LATE, BAD)],
            ),
            Column(
                "Mean duration",
                _info(mean("airflow_dag_run_duration_seconds", DAG, SUCCEEDED)),
                unit="s",
                decimals=1,
            ),
            Column("Slower", _info(SLOWER), unit="percentunit", decimals=0, steps=[(1.5, FAIR), (2, BAD)]),
        ],
        sort="Failed",
        height=10,
    )


def _info(expression: str) -> str:
    """Return an expression by DAG with what every column of the table has: whose the DAG is, and its service."""
    about = "service_name, airflow_dag_owners, airflow_dag_team"
    info = f"topk by ({DAG}) (1, {by(f'{DAG}, {about}', series('airflow_dag_info'), 'max')})"
    return f"({expression}) * on ({DAG}) group_left ({about}) {info}"


def _worst() -> tuple[object, ...]:
    name = "{{airflow_dag_id}}"
    share = f"{by(DAG, grown(RUNS, FAILED))} / ({by(DAG, grown(RUNS))} > 0)"
    return (
        levels(
            "Least fresh",
            "Seconds since a run of the DAG last succeeded; paused DAGs left out.",
            Query(f"topk(10, {SINCE_SUCCESS} {NOT_PAUSED})", name),
            Look("s", 0, AGE, link=BAR_TO_DAG),
        ),
        levels(
            "Failing most",
            "Share of the DAG's runs in the time range that failed.",
            Query(f"topk(10, {share})", name),
            Look("percentunit", 0, [(0.01, FAIR), (0.1, BAD)], link=BAR_TO_DAG),
            empty="no run ended in the time range.",
        ),
        levels(
            "Slower than their own past",
            f"Mean duration of successful runs in the time range over the mean of {PAST}; 100 % is as ever.",
            Query(f"topk(10, {SLOWER})", name),
            Look("percentunit", 0, [(1.5, FAIR), (2, BAD)], nothing="Nothing to compare with yet", link=BAR_TO_DAG),
            empty="no DAG with five runs in the two weeks before has succeeded in the time range.",
        ),
    )


def _errors() -> object:
    counted = told("airflow_task_instance_errors_total", within=HERE)
    return rows(
        "Errors by fingerprint",
        "What went wrong where: the same fingerprint is the same class of error from the same functions of user code."
        " Counted by the tasks' processes.",
        [
            Column("DAG", label="airflow_dag_id", link=TO_DAG),
            Column("Error", label="error_type"),
            Column("Fingerprint", label="error_fingerprint", link=TO_ERROR),
            Column(
                "Times", f"topk(20, {by(f'{DAG}, service_name, error_type, error_fingerprint', counted)})", decimals=0
            ),
        ],
        sort="Times",
        span=12,
        height=8,
        empty="no task failed in the time range.",
        nothing="No errors",
    )
