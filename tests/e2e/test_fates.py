"""However a task ends, the trace of its run says so, truthfully and once: against the database of a real scheduler."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import Node, Trace, read
from dagtrace.identity import nanoseconds
from dagtrace.semconv import attributes as names
from support.airflow import DAGS, Airflow, run
from support.metrics import totals
from support.runs import TRIES, Ran


if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.postgres import Postgres

pytestmark = pytest.mark.real

KILLED = ("is_killed", "exits")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Ran]:
    """Run all fates, a scheduler's restart in the middle, two schedulers at once, and a run cleared after its end."""
    folder = tmp_path_factory.mktemp("fates")
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(DAGS), "FATES_HOME": str(folder)}
    with Airflow(folder, postgres.database(), **settings) as airflow:
        airflow.trigger("slow", "restarted")
        deadline = time.monotonic() + 60
        while not airflow.query("select 1 from task_instance where task_id = 'sleeps' and state = 'running'"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        airflow.stop("scheduler")
        airflow.start("scheduler")
        airflow.start("scheduler-2")
        airflow.start("triggerer")
        airflow.trigger("fates", "all")
        airflow.trigger("small", "cleared")
        assert airflow.wait("slow", "restarted") == "success"
        assert airflow.wait("small", "cleared") == "success"
        run(airflow.env, "airflow", "tasks", "clear", "small", "--task-regex", "traced", "--yes")
        assert airflow.wait("fates", "all") == "failed"
        time.sleep(2)
        assert airflow.wait("small", "cleared") == "success"
        airflow.stop("scheduler")
        airflow.stop("scheduler-2")
        airflow.stop("triggerer")
        yield Ran(airflow.traces, airflow.query, airflow.env)


EXPLAIN = """
import json
from datetime import datetime, timezone
from airflow import settings
from dagtrace.airflow.database import Database
from sqlalchemy import event

asked = []
event.listen(settings.engine, "before_cursor_execute", lambda c, cur, sql, values, *_: asked.append((sql, values)))
database = Database(settings.engine)
database.open_and_new(database.newest_id())
(run,) = [run for _, run in database.runs([("fates", "all")])]
tries = [row for _, row in database.tries([("fates", "all")], datetime.now(timezone.utc))]
tries += [row for _, row in database.tries([("fates", "all")])]
database.first_pokes([row.id for row in tries])
database.still_running(("fates", "all"))
database.describe(run)
queries, plans = list(asked), {}  # the listener hears the EXPLAINs, too
with settings.engine.connect() as connection:
    connection.exec_driver_sql("set enable_seqscan = off")
    for sql, values in queries:
        plans[sql] = [row[0] for row in connection.exec_driver_sql("explain " + sql, values)]
print(json.dumps(plans))
"""


def traces_of(ran: Ran, dag_id: str) -> list[Trace]:
    """Return a DAG's traces, oldest first."""
    return [t for t in read(ran.traces) if any(n.span.attributes.get(names.AIRFLOW_DAG_ID) == dag_id for n in t.walk())]


def one(ran: Ran, task_id: str) -> Node:
    """Return the only try of a task of ``fates``."""
    (root,) = traces_of(ran, "fates")[0].roots
    (found,) = (node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id)
    return found


def test_no_orphan_and_no_span_twice(ran: Ran) -> None:
    """Whatever died, was restarted or ran beside another scheduler: every parent is there, and every span once."""
    traces = read(ran.traces)
    assert [t.orphans for t in traces] == [[]] * len(traces)
    assert [t.duplicates for t in traces] == [0] * len(traces)
    assert [len(t.roots) for t in traces] == [1] * len(traces)


def test_every_try_of_every_fate_is_as_the_database_has_it(ran: Ran) -> None:
    """State, end and (but for rescheduled ones) start of each try are the row's, history first, each told once."""
    (trace,) = traces_of(ran, "fates")
    rows = {
        (row["task_id"], row["map_index"], row["try_number"]): row
        for row in ran.query(TRIES.format(dag_id="fates", run_id="all"))
    }
    spans = {
        (
            node.span.attributes[names.AIRFLOW_TASK_ID],
            node.span.attributes[names.AIRFLOW_TASK_INSTANCE_MAP_INDEX],
            node.span.attributes[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER],
        ): node.span
        for node in trace.roots[0].children
    }
    assert spans.keys() == rows.keys()
    for key, row in rows.items():
        span = spans[key]  # type: ignore[index]
        assert span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE] == row["state"], key
        assert (span.error is not None) == (row["state"] == "failed"), key
        if row["end_date"] is not None:
            assert span.end_ns == nanoseconds(row["end_date"]), key
        if row["start_date"] is not None and key[0] != "pokes_again":
            assert span.start_ns == nanoseconds(row["start_date"]), key


@pytest.mark.parametrize(
    ("task_id", "error_type", "attribute", "value"),
    [
        ("is_killed", "SIGKILL", names.PROCESS_EXIT_SIGNAL, "SIGKILL"),
        ("exits", "exit code 3", names.PROCESS_EXIT_CODE, 3),
    ],
)
def test_a_killed_process_has_its_execution_told(
    ran: Ran, task_id: str, error_type: str, attribute: str, value: Any
) -> None:
    """SIGKILL and os._exit leave an execute span that names the signal or exit code, and lies within its try."""
    task = one(ran, task_id)
    (execute,) = task.children
    assert execute.span.name == "execute _PythonDecoratedOperator"
    assert execute.span.attributes[names.ERROR_TYPE] == error_type
    assert execute.span.attributes[attribute] == value
    assert execute.span.error is not None
    assert task.span.start_ns <= execute.span.start_ns <= execute.span.end_ns <= task.span.end_ns


@pytest.mark.parametrize(
    ("task_id", "error_type"),
    [
        ("fails", "airflow.sdk.exceptions.AirflowFailException"),
        ("takes_too_long", "airflow.sdk.exceptions.AirflowTaskTimeout"),
        ("system_exit", "SystemExit"),
    ],
)
def test_a_failure_names_its_exception(ran: Ran, task_id: str, error_type: str) -> None:
    """An exception, an execution timeout and a SystemExit are errors of the execution."""
    (execute,) = one(ran, task_id).children
    assert execute.span.attributes[names.ERROR_TYPE] == error_type
    assert [event.name for event in execute.span.events] == ["exception"]


@pytest.mark.parametrize("task_id", ["skips_itself", "not_chosen", "of_none", "after_failure"])
def test_what_was_skipped_is_no_error(ran: Ran, task_id: str) -> None:
    """Skipped by itself, by a branch, as an empty mapping, or because its upstream failed: told, and no error."""
    task = one(ran, task_id)
    assert task.span.error is None
    assert all(child.span.error is None for child in task.children)
    assert len(task.children) == (task_id == "skips_itself")


def test_each_poke_is_an_execution_of_one_try(ran: Ran) -> None:
    """A rescheduled sensor is one try from its first poke to its end, with an execution for each poke."""
    task = one(ran, "pokes_again")
    assert len(task.children) == 2
    assert all(child.span.error is None for child in task.children)
    assert task.span.start_ns <= task.children[0].span.start_ns
    assert task.children[-1].span.end_ns <= task.span.end_ns


def test_a_deferral_is_two_executions_and_a_trigger(ran: Ran) -> None:
    """A deferred task is one try: an execution before, the trigger from the triggerer, an execution after."""
    task = one(ran, "defers")
    before, trigger, after = task.children
    assert [child.span.name for child in task.children] == [
        "execute Defers",
        "trigger DateTimeTrigger",  # what a TimeDeltaTrigger serializes to
        "execute Defers",
    ]
    assert trigger.resource[names.AIRFLOW_COMPONENT] == "triggerer"
    assert trigger.span.end_ns - trigger.span.start_ns > 1e9
    assert before.span.end_ns <= trigger.span.start_ns <= trigger.span.end_ns <= after.span.start_ns
    assert task.span.start_ns <= before.span.start_ns
    assert after.span.end_ns <= task.span.end_ns


def test_a_tasks_log_lines_carry_its_trace(ran: Ran) -> None:
    """What a task logs while it runs has the ids of its trace and of its execution."""
    (root,) = traces_of(ran, "fates")[0].roots
    (execute,) = one(ran, "succeeds").children
    (log,) = ran.traces.parent.glob("airflow/logs/dag_id=fates/run_id=all/task_id=succeeds/*.log")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = (line for line in lines if line["event"] == "a line of the task's own")
    assert line["trace_id"] == f"{root.span.trace_id:032x}"
    assert line["span_id"] == f"{execute.span.span_id:016x}"


def test_a_killed_try_is_followed_by_its_retry(ran: Ran) -> None:
    """The first try was killed, the second succeeded: two tries, the second linked to the first."""
    (root,) = traces_of(ran, "fates")[0].roots
    first, second = sorted(
        (n for n in root.children if n.span.attributes[names.AIRFLOW_TASK_ID] == "is_killed_once"),
        key=lambda n: n.span.start_ns,
    )
    assert first.children[0].span.attributes[names.PROCESS_EXIT_SIGNAL] == "SIGKILL"
    assert second.span.error is None
    assert [link.span_id for link in second.span.links] == [first.span.span_id]


def test_a_restarted_scheduler_neither_repeats_nor_skips(ran: Ran) -> None:
    """Tries that ended before, across and after a restart are all there, once."""
    (trace,) = traces_of(ran, "slow")
    told = Counter(node.span.attributes[names.AIRFLOW_TASK_ID] for node in trace.roots[0].children)
    assert told == {"quick": 3, "sleeps": 1, "last": 1}


def test_a_cleared_run_is_a_new_trace_linked_to_the_old(ran: Ran) -> None:
    """A finished run that is cleared starts a new trace, linked to the old; tries of the old one stay there."""
    old, new = traces_of(ran, "small")
    assert [link.trace_id for link in new.roots[0].span.links] == [old.trace_id]
    again = [node.span.attributes[names.AIRFLOW_TASK_ID] for node in new.roots[0].children]
    assert again == ["traced"]
    (row,) = ran.query("select try_number from task_instance where dag_id = 'small' and task_id = 'traced'")
    assert new.roots[0].children[0].span.attributes[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER] == row["try_number"]


def test_counts_add_up_over_restart_and_two_schedulers(ran: Ran) -> None:
    """The sum over process lifetimes of each series' last value is the number of rows; durations add up, too."""
    by = (names.AIRFLOW_DAG_ID, names.AIRFLOW_TASK_ID, names.AIRFLOW_TASK_INSTANCE_STATE)
    rows = [
        (dag_id, row)
        for dag_id, run_id in (("fates", "all"), ("slow", "restarted"))
        for row in ran.query(TRIES.format(dag_id=dag_id, run_id=run_id))
    ]
    counts = Counter((dag_id, row["task_id"], row["state"]) for dag_id, row in rows)
    told = totals(ran.traces, "airflow.task_instance.count", *by)
    assert {key: value for key, value in told.items() if key[0] != "small"} == counts
    seconds: Counter[tuple[str, str, str]] = Counter()
    for dag_id, row in rows:
        if row["start_date"] and row["end_date"]:
            seconds[dag_id, row["task_id"], row["state"]] += (row["end_date"] - row["start_date"]).total_seconds()
    durations = totals(ran.traces, "airflow.task_instance.duration", *by)
    assert {k: v for k, v in durations.items() if k[0] != "small"} == pytest.approx(dict(seconds), abs=1e-3)
    runs = totals(ran.traces, "airflow.dag_run.count", names.AIRFLOW_DAG_ID, names.AIRFLOW_DAG_RUN_STATE)
    assert runs == {("fates", "failed"): 1, ("slow", "success"): 1, ("small", "success"): 2}


def test_the_readers_queries_use_indexes(ran: Ran) -> None:
    """No query of the reader needs to read a whole table: with sequential scans discouraged, PostgreSQL plans none."""
    plans = json.loads(run(ran.env, "python", "-c", EXPLAIN).stdout.splitlines()[-1])
    assert len(plans) >= 8
    scans = {sql: plan for sql, plan in plans.items() if any("Seq Scan" in line for line in plan)}
    assert scans == {}
