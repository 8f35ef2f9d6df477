"""*Scheduler and parsing*: whether Airflow itself keeps up."""

from __future__ import annotations

from source.board import ENVIRONMENT, JOB, Board
from source.panels import BAD, FAIR, STATES, Look, Query, graph, one
from source.promql import DAG, FILE, by, grown, mean, now, or_zero, quantile, series, steps
from source.tables import Column, rows


STATE = "airflow_task_instance_state"
POOL = "job, deployment_environment_name, airflow_task_instance_pool"
PARSE = "airflow_dag_file_parse_duration_seconds"
QUERIES, CALLS = "airflow_dag_file_parse_db_queries_total", "airflow_dag_file_parse_api_calls_total"
WINDOW = "$__rate_interval"


def board() -> Board:
    """Return the board."""
    made = Board(
        "dagtrace-scheduler",
        "Scheduler and parsing",
        "Whether Airflow itself keeps up: waiting for slots and workers, pools, and what DAG files cost to parse.",
        (ENVIRONMENT, JOB),
    )
    made.row("", *_facts())
    made.row("Waiting", *_waiting())
    made.row("Pools", *_pools())
    made.row("DAG files", _files(), *_parsing())
    return made


def _facts() -> tuple[object, ...]:
    parsed = quantile(0.95, PARSE, "", "$__range")
    return (
        one(
            "Schedulers",
            "Schedulers that lead, by the gauges of now: one. None: no numbers are new, and Airflow may be down.",
            Query(
                or_zero(
                    f"count(count by (job, deployment_environment_name, instance) ({series('airflow_pool_slots')}))"
                )
            ),
            Look(decimals=0, steps=[(1, "green")], base=BAD),
        ),
        one(
            "Schedule delay",
            "95th percentile of the time from when a run might have started to its start, of scheduled runs.",
            Query(
                quantile(
                    0.95,
                    "airflow_dag_run_schedule_delay_seconds",
                    "",
                    "$__range",
                    'airflow_dag_run_run_type="scheduled"',
                )
            ),
            Look("s", 1, [(30, FAIR), (300, BAD)], {"nan": "no runs"}),
            empty="no scheduled run ended in the time range.",
        ),
        one(
            "Queued",
            "95th percentile of the time from being handed to the executor to the start.",
            Query(quantile(0.95, "airflow_task_instance_queued_duration_seconds", "", "$__range")),
            Look("s", 1, [(30, FAIR), (300, BAD)], {"nan": "no tries"}),
            empty="no try ended in the time range.",
        ),
        one(
            "DAGs",
            "DAGs that Airflow has.",
            Query(or_zero(f"count({now('airflow_dag_info', DAG)})")),
            Look(decimals=0),
        ),
        one(
            "Parse time",
            "95th percentile of a DAG file's parse.",
            Query(parsed),
            Look("s", 2, [(5, FAIR), (30, BAD)], {"nan": "no parses"}),
            empty="no DAG file was parsed in the time range.",
        ),
        one(
            "Import errors",
            "Errors by which DAGs could not be loaded.",
            Query(or_zero(f"sum({now('airflow_dag_file_import_errors', FILE)})")),
            Look(decimals=0, steps=[(1, BAD)]),
        ),
    )


def _waiting() -> tuple[object, ...]:
    states = f"{DAG}, airflow_task_instance_state, airflow_task_instance_pool"
    waiting = 'airflow_task_instance_state=~"queued|scheduled"'
    return (
        graph(
            "Tries by state",
            "Tries that have not ended. Queued ones wait for a worker, scheduled ones for a slot of their pool.",
            [Query(by(STATE, now("airflow_task_instance_active", states)), "{{airflow_task_instance_state}}")],
            Look(decimals=0),
            colours=STATES,
            span=8,
            empty="no task ran in the time range.",
        ),
        graph(
            "Oldest that waits",
            "How long the oldest try has been queued or scheduled.",
            [Query(now("airflow_task_instance_oldest_age_seconds", STATE, waiting), "{{airflow_task_instance_state}}")],
            Look("s"),
            colours=STATES,
            span=8,
            empty="no task ran in the time range.",
        ),
        graph(
            "Queued and delayed",
            "Means of the tries and runs that ended in each interval.",
            [
                Query(_mean("airflow_task_instance_queued_duration_seconds"), "a try, queued"),
                Query(_mean("airflow_dag_run_schedule_delay_seconds"), "a run, delayed"),
            ],
            Look("s"),
            span=8,
        ),
    )


def _mean(histogram: str) -> str:
    return f"sum({steps(f'{histogram}_sum')}) / (sum({steps(f'{histogram}_count')}) > 0)"


def _pools() -> tuple[object, ...]:
    slots = f"{POOL}, airflow_pool_slot_state"
    return (
        rows(
            "Pools",
            "Slots of each pool now: open, held (running, queued, deferred) or wanted (scheduled).",
            [
                Column("Pool", label="airflow_task_instance_pool"),
                *(
                    Column(
                        state.title(),
                        _slots(state),
                        decimals=0,
                    )
                    for state in ("open", "running", "queued", "deferred", "scheduled")
                ),
            ],
            sort="Scheduled",
            span=12,
            height=8,
        ),
        graph(
            "Slots",
            "Of all pools together, by what they are used for.",
            [Query(by("airflow_pool_slot_state", now("airflow_pool_slots", slots)), "{{airflow_pool_slot_state}}")],
            Look(decimals=0),
            colours=STATES,
        ),
    )


def _slots(state: str) -> str:
    """Return a pool's slots in a state; there are none of those that a pool does not count (deferred)."""
    found = now("airflow_pool_slots", POOL, f'airflow_pool_slot_state="{state}"')
    return found if state == "open" else f"{found} or {now('airflow_pool_slots', POOL)} * 0"


def _files() -> object:
    parses = by(FILE, grown(f"{PARSE}_count"))
    return rows(
        "DAG files",
        "What each file costs to parse, the slowest first. `dagtrace parse` finds the statements that are repeated, and"
        " can hold files to a limit in CI.",
        [
            Column("File", label="airflow_dag_file_path"),
            Column("DAGs", now("airflow_dag_file_dags", FILE), decimals=0),
            Column("Import errors", now("airflow_dag_file_import_errors", FILE), decimals=0, steps=[(1, BAD)]),
            Column("Parses", f"round({parses})", decimals=0),
            Column("Mean time", mean(PARSE, FILE), unit="s", decimals=2, steps=[(5, FAIR), (30, BAD)]),
            Column(
                "Queries each",
                f"{by(FILE, grown(QUERIES))} / ({parses} > 0)",
                decimals=1,
                steps=[(50, FAIR), (500, BAD)],
            ),
            Column(
                "API calls each", f"{by(FILE, grown(CALLS))} / ({parses} > 0)", decimals=1, steps=[(1, FAIR), (20, BAD)]
            ),
        ],
        sort="Mean time",
        height=9,
    )


def _parsing() -> tuple[object, ...]:
    file = "airflow_dag_file_path"
    return (
        graph(
            "Parse time",
            "Seconds that parsing took in each interval, by file: what keeps the dag processor busy.",
            [Query(f"topk(10, {by(file, steps(f'{PARSE}_sum'))})", "{{airflow_dag_file_path}}")],
            Look("s"),
            bars=True,
            span=8,
        ),
        graph(
            "Queries",
            "SQL statements run to parse files, in each interval.",
            [Query(f"topk(10, {by(file, steps(QUERIES))})", "{{airflow_dag_file_path}}")],
            Look(decimals=0),
            bars=True,
            span=8,
        ),
        graph(
            "API calls at parse time",
            "Variables, Connections and XComs that files ask for at their top level, in each interval.",
            [Query(by("airflow_api_call_purpose", steps(CALLS)), "{{airflow_api_call_purpose}}")],
            Look(decimals=0),
            bars=True,
            span=8,
        ),
    )
