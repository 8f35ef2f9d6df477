"""*DAG*: one DAG's runs over time, where their time goes, what decides how long they take."""

from __future__ import annotations

from source.board import AIRFLOW, DAG, Board
from source.health import AGE, LATE
from source.links import board_link, trace_search
from source.panels import BAD, FAIR, STATES, Look, Query, graph, levels, one
from source.promql import AIRFLOW as HERE
from source.promql import ONCE, PAST, by, grown, mean, now, or_zero, quantile, steps, told
from source.tables import Column, rows, traces


THIS = 'airflow_dag_id="$dag"'
RUNS, TRIES = "airflow_dag_run_count_total", "airflow_task_instance_count_total"
RUN_TIME, TRY_TIME = "airflow_dag_run_duration_seconds", "airflow_task_instance_duration_seconds"
QUEUED = "airflow_task_instance_queued_duration_seconds"
SUCCEEDED, FAILED = (f'{THIS},airflow_dag_run_state="{state}"' for state in ("success", "failed"))
TRY_FAILED = f'{THIS},airflow_task_instance_state="failed"'
TO_TASK = ("The task's board", board_link("dagtrace-task", "environment", "job", dag="${dag}", task="${__value.text}"))
TO_TRIES = (
    "Its tries in Jaeger",
    trace_search("${service}", "task_instance ${__data.fields.Task}", "airflow.dag_id=${dag}"),
)
TO_RUNS = ("Its runs in Jaeger", trace_search("${service}", "dag_run ${dag}"))
TO_FAILED = (
    "Those that failed, in Jaeger",
    trace_search("${service}", "dag_run ${dag}", "airflow.dag_run.state=failed"),
)
TO_RUNNING = (
    "What is going on, in Jaeger",
    trace_search("${service}", "", "dagtrace.started=true airflow.dag_id=${dag}"),
)
TO_BAR = (
    "Its tries in Jaeger",
    trace_search("${service}", "task_instance ${__field.labels.airflow_task_id}", "airflow.dag_id=${dag}"),
)
TO_STATE = (
    "Such tries in Jaeger",
    trace_search(
        "${service}",
        "",
        "airflow.dag_id=${dag} airflow.task_instance.state=${__field.labels.airflow_task_instance_state}",
    ),
)
TO_ERROR = ("Where it happened, in Jaeger", trace_search("${service}", "", "error.fingerprint=${__value.text}"))


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-dag",
        "DAG",
        "One DAG: its runs, their durations against their past, where the time goes, and their traces.",
        (*AIRFLOW, DAG),
        since="now-7d",
    )
    made.row("$dag", *_facts())
    made.row("Runs", *_runs())
    made.row("Where the time goes", *_time())
    made.row("Tasks", _tasks(), *_tries())
    made.row(
        "Traces",
        traces("Last runs", "The DAG's runs in Jaeger, the newest first.", "$service", "dag_run $dag", span=12),
        _errors(),
    )
    return made


def _facts() -> tuple[object, ...]:
    success = now("airflow_dag_last_success_seconds", "", THIS)
    expected = now("airflow_dag_next_expected_seconds", "", THIS)
    slower = f"{mean(RUN_TIME, '', SUCCEEDED)} / {mean(RUN_TIME, '', SUCCEEDED, before=True)}"
    return (
        one(
            "Runs",
            "Runs that ended in the time range.",
            Query(or_zero(f"sum({grown(RUNS, THIS)})")),
            Look(decimals=0, link=TO_RUNS),
        ),
        one(
            "Failed",
            "Runs that failed in the time range.",
            Query(or_zero(f"sum({grown(RUNS, FAILED)})")),
            Look(decimals=0, steps=[(1, BAD)], link=TO_FAILED),
        ),
        one(
            "Since success",
            "Since a run last succeeded.",
            Query(f"time() - {success}"),
            Look("s", 0, AGE, link=TO_RUNS),
            empty="the DAG never succeeded.",
        ),
        one(
            "Next run due in",
            "By the timetable; below zero the run is late.",
            Query(f"{expected} - time()"),
            Look("s", 0, [(-LATE, FAIR), (0, "green")], base=BAD, link=TO_RUNS),
            empty="the DAG is paused or has no schedule.",
        ),
        one(
            "Running now",
            "Runs that are running.",
            Query(or_zero(now("airflow_dag_run_active", "", f'{THIS},airflow_dag_run_state="running"'))),
            Look(decimals=0, link=TO_RUNNING),
        ),
        one(
            "Against its past",
            f"Mean duration of successful runs in the time range over the mean of {PAST}.",
            Query(slower),
            Look("percentunit", 0, [(1.5, FAIR), (2, BAD)], {"nan": "no runs"}, link=TO_RUNS),
            empty="no run succeeded in the time range, or none in the two weeks before it.",
        ),
    )


def _runs() -> tuple[object, ...]:
    lasted = f"sum({steps(f'{RUN_TIME}_sum', THIS)}) / (sum({steps(f'{RUN_TIME}_count', THIS)}) > 0)"
    return (
        graph(
            "Runs by state",
            "How many runs reached a final state in each interval.",
            [Query(by("airflow_dag_run_state", steps(RUNS, THIS)), "{{airflow_dag_run_state}}")],
            Look(decimals=0, link=TO_RUNS),
            bars=True,
            colours=STATES,
        ),
        graph(
            "Duration of runs",
            f"Mean of the runs that ended in each interval, against the median and the 95th percentile of {PAST} (as"
            " coarse as the histogram's buckets). Exemplars lead to the runs' traces.",
            [
                Query(lasted, "these runs"),
                Query(quantile(0.5, RUN_TIME, "", PAST, SUCCEEDED, ONCE), f"median of {PAST}"),
                Query(quantile(0.95, RUN_TIME, "", PAST, SUCCEEDED, ONCE), f"95 % of {PAST}", exemplars=True),
            ],
            Look("s", link=TO_RUNS),
            colours={f"median of {PAST}": "text", f"95 % of {PAST}": "orange"},
        ),
    )


def _time() -> tuple[object, ...]:
    return (
        graph(
            "Waiting and working",
            "Seconds of all tries in each interval: working (start to end), queued (handed to the executor, not yet"
            " started), and the runs' wait to be started at all.",
            [
                Query(f"sum({steps(f'{TRY_TIME}_sum', THIS)})", "working"),
                Query(f"sum({steps(f'{QUEUED}_sum', THIS)})", "queued"),
                Query(f"sum({steps('airflow_dag_run_schedule_delay_seconds_sum', THIS)})", "waiting for a scheduler"),
            ],
            Look("s", link=TO_RUNS),
            bars=True,
            colours={"working": "green", "queued": "purple", "waiting for a scheduler": "orange"},
            span=8,
        ),
        graph(
            "Task timeline",
            "Mean duration of each task's tries that ended in each interval, upon each other: what a run is made of.",
            [
                Query(
                    f"{by('airflow_task_id', steps(f'{TRY_TIME}_sum', THIS))}"
                    f" / ({by('airflow_task_id', steps(f'{TRY_TIME}_count', THIS))} > 0)",
                    "{{airflow_task_id}}",
                )
            ],
            Look("s", link=TO_BAR),
            bars=True,
            span=8,
        ),
        levels(
            "Critical path",
            "Seconds for which each task decided how long the runs of the time range took: only these make a run"
            " shorter. Waiting: no try of the critical path was at work.",
            Query(
                f"topk(12, {by('airflow_task_id', grown('airflow_critical_path_time_seconds_total', THIS))}"
                f" or label_replace(sum({grown('airflow_critical_path_waiting_time_seconds_total', THIS)}),"
                ' "airflow_task_id", "(waiting)", "", ""))',
                "{{airflow_task_id}}",
            ),
            Look("s", 1, link=TO_BAR),
        ),
    )


def _tasks() -> object:
    task = "airflow_task_id"
    slower = f"{mean(TRY_TIME, task, THIS)} / {mean(TRY_TIME, task, THIS, before=True)}"
    return rows(
        "Tasks",
        f"Tries of each task in the time range. Slower: mean duration over the mean of {PAST}. Wasted: time of tries"
        " that failed.",
        [
            Column("Task", label=task, link=TO_TASK),
            Column("Tries", by(task, grown(TRIES, THIS)), decimals=0, link=TO_TRIES),
            Column("Failed", by(task, grown(TRIES, TRY_FAILED)), decimals=0, steps=[(1, BAD)], link=TO_TRIES),
            Column(
                "Retries",
                by(task, grown("airflow_task_instance_retries_total", THIS)),
                decimals=0,
                steps=[(1, FAIR)],
            ),
            Column("Mean duration", mean(TRY_TIME, task, THIS), unit="s", decimals=1),
            Column("Slower", slower, unit="percentunit", decimals=0, steps=[(1.5, FAIR), (2, BAD)]),
            Column("Mean queued", mean(QUEUED, task, THIS), unit="s", decimals=1, steps=[(30, FAIR), (300, BAD)]),
            Column(
                "Wasted", by(task, grown("airflow_task_instance_wasted_time_seconds_total", THIS)), unit="s", decimals=1
            ),
        ],
        sort="Mean duration",
        height=9,
    )


def _tries() -> tuple[object, ...]:
    return (
        graph(
            "Tries by state",
            "Tries that reached a final state in each interval.",
            [Query(by("airflow_task_instance_state", steps(TRIES, THIS)), "{{airflow_task_instance_state}}")],
            Look(decimals=0, link=TO_STATE),
            bars=True,
            colours=STATES,
        ),
        graph(
            "Retries and wasted time",
            "Tries after the first, and the time of tries that failed.",
            [
                Query(f"sum({steps('airflow_task_instance_retries_total', THIS)})", "retries"),
                Query(f"sum({steps('airflow_task_instance_wasted_time_seconds_total', THIS)})", "wasted seconds"),
            ],
            Look(decimals=0, link=TO_RUNS),
            colours={"retries": "yellow", "wasted seconds": "red"},
        ),
    )


def _errors() -> object:
    counted = told("airflow_task_instance_errors_total", THIS, HERE)
    return rows(
        "Errors by fingerprint",
        "The same fingerprint is the same class of error from the same functions of user code.",
        [
            Column("Error", label="error_type"),
            Column("Fingerprint", label="error_fingerprint", link=TO_ERROR),
            Column("Times", by("error_type, error_fingerprint", counted), decimals=0),
        ],
        sort="Times",
        span=12,
        height=8,
        empty="no task failed in the time range.",
        nothing="No errors",
    )
