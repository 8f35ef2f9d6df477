"""*Task*: one task's tries over time."""

from __future__ import annotations

from source.board import AIRFLOW, DAG, TASK, Board
from source.links import trace_search
from source.panels import BAD, FAIR, STATES, Look, Query, graph, one
from source.promql import ONCE, PAST, by, grown, mean, or_zero, quantile, steps
from source.tables import traces


THIS = 'airflow_dag_id="$dag",airflow_task_id="$task"'
TRIES, TIME = "airflow_task_instance_count_total", "airflow_task_instance_duration_seconds"
QUEUED, RETRIES = "airflow_task_instance_queued_duration_seconds", "airflow_task_instance_retries_total"
WASTED = "airflow_task_instance_wasted_time_seconds_total"
TO_TRIES = ("Its tries in Jaeger", trace_search("${service}", "task_instance ${task}", "airflow.dag_id=${dag}"))
TO_FAILED = (
    "Those that failed, in Jaeger",
    trace_search("${service}", "task_instance ${task}", "airflow.dag_id=${dag} airflow.task_instance.state=failed"),
)
SUCCEEDED, FAILED = (f'{THIS},airflow_task_instance_state="{state}"' for state in ("success", "failed"))


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-task",
        "Task",
        "One task: its tries, how long they take and wait, and their traces.",
        (*AIRFLOW, DAG, TASK),
        since="now-7d",
    )
    made.row("$dag: $task", *_facts())
    made.row("Tries", *_tries())
    made.row(
        "Traces",
        traces(
            "Last tries",
            "Traces with a try of a task of this name, the newest first.",
            "$service",
            "task_instance $task",
            "airflow.dag_id=$dag",
        ),
    )
    return made


def _facts() -> tuple[object, ...]:
    share = f"sum({grown(TRIES, FAILED)}) / sum({grown(TRIES, THIS)})"
    slower = f"{mean(TIME, '', SUCCEEDED)} / {mean(TIME, '', SUCCEEDED, before=True)}"
    return (
        one(
            "Tries",
            "Tries that ended in the time range.",
            Query(or_zero(f"sum({grown(TRIES, THIS)})")),
            Look(decimals=0, link=TO_TRIES),
        ),
        one(
            "Failed",
            "Share of the tries that failed.",
            Query(share),
            Look("percentunit", 1, [(0.01, FAIR), (0.1, BAD)], {"nan": "no tries"}, link=TO_FAILED),
        ),
        one(
            "Retries",
            "Tries after the first.",
            Query(or_zero(f"sum({grown(RETRIES, THIS)})")),
            Look(decimals=0, steps=[(1, FAIR)], link=TO_FAILED),
        ),
        one(
            "Wasted",
            "Time of tries that failed.",
            Query(or_zero(f"sum({grown(WASTED, THIS)})")),
            Look("s", 1, link=TO_FAILED),
        ),
        one(
            "Mean duration",
            "Of the tries that succeeded in the time range.",
            Query(mean(TIME, "", SUCCEEDED)),
            Look("s", 1, link=TO_TRIES),
            empty="no try succeeded in the time range.",
        ),
        one(
            "Against its past",
            f"That mean over the mean of {PAST}.",
            Query(slower),
            Look("percentunit", 0, [(1.5, FAIR), (2, BAD)], {"nan": "no tries"}, link=TO_TRIES),
            empty="no try succeeded in the time range, or none in the two weeks before it.",
        ),
    )


def _tries() -> tuple[object, ...]:
    return (
        graph(
            "Tries by state",
            "Tries that reached a final state in each interval.",
            [Query(by("airflow_task_instance_state", steps(TRIES, THIS)), "{{airflow_task_instance_state}}")],
            Look(decimals=0, link=TO_TRIES),
            bars=True,
            colours=STATES,
            span=8,
        ),
        graph(
            "Duration",
            f"Mean of the tries that ended in each interval, against median and 95th percentile of {PAST}. Exemplars"
            " lead to their traces.",
            [
                Query(f"sum({steps(f'{TIME}_sum', THIS)}) / (sum({steps(f'{TIME}_count', THIS)}) > 0)", "these tries"),
                Query(quantile(0.5, TIME, "", PAST, SUCCEEDED, ONCE), f"median of {PAST}"),
                Query(quantile(0.95, TIME, "", PAST, SUCCEEDED, ONCE), f"95 % of {PAST}", exemplars=True),
            ],
            Look("s", link=TO_TRIES),
            colours={f"median of {PAST}": "text", f"95 % of {PAST}": "orange"},
            span=8,
        ),
        graph(
            "Waiting",
            "Mean time from being handed to the executor to the start.",
            [Query(f"sum({steps(f'{QUEUED}_sum', THIS)}) / (sum({steps(f'{QUEUED}_count', THIS)}) > 0)", "queued")],
            Look("s", link=TO_TRIES),
            colours={"queued": "purple"},
            span=8,
        ),
    )
