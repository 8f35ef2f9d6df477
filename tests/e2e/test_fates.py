"""However a task ends, the trace of its run says so, truthfully and once: against the database of a real scheduler."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import Node, Trace, read
from dagtrace.semconv import attributes as names
from support.audit import audit
from support.cells import AIRFLOW, EXCEPTIONS
from support.explain import plans_of
from support.hands import MARKED
from support.runs import Ran


if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def ran(fates: Ran) -> Ran:
    """Return what became of all fates."""
    return fates


QUERIES = """
from datetime import datetime, timezone
from dagtrace.airflow.compat import VERSION
from dagtrace.airflow.database import Database

database = Database(settings.engine)
database.open_and_new(database.newest_id())
found = database.begun(datetime(2026, 1, 1, tzinfo=timezone.utc))
assert (("fates", "all") in found) == (VERSION not in ((3, 0), (3, 1)))  # whose log does not say when tasks begin
assert ("small", "cleared") in found  # but that they were cleared
(run,) = [run for _, run in database.runs([("fates", "all")])]
changed = [one for one, _ in database.changed([("fates", "all")], datetime(2026, 1, 1, tzinfo=timezone.utc))]
assert len(changed) > 10
tries = [*database.tries_of(changed)]
assert len(tries) > len(changed)  # a retried one has two
tries += database.tries([("fates", "all")])
assert len(database.first_pokes(tries)) == (VERSION != (3, 0))  # there the table has no index, and is not asked
assert bool(database.changes_of(tries)) == (VERSION not in ((3, 0), (3, 1)))  # whose log does not say
assert not [*database.at_work([("fates", "all")], datetime.now(timezone.utc))]
database.still_running(("fates", "all"))
database.describe(run)
assert database.serialized_dags([tries[0][1].dag_version_id])
"""


def traces_of(ran: Ran, dag_id: str) -> list[Trace]:
    """Return a DAG's traces, oldest first."""
    return [t for t in read(ran.traces) if any(n.span.attributes.get(names.AIRFLOW_DAG_ID) == dag_id for n in t.walk())]


def one(ran: Ran, task_id: str) -> Node:
    """Return the only try of a task of ``fates``."""
    (root,) = traces_of(ran, "fates")[0].roots
    (found,) = (node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id)
    return found


def test_every_run_and_try_is_as_the_database_has_it(ran: Ran) -> None:
    """Whatever died, was restarted or ran beside another scheduler: all are told once, field by field and in sum."""
    found = audit(ran, "fates", "slow", "small")
    assert (found.runs, found.traces) == (4, 6)
    assert found.tries > 40


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r'"name":"task_instance exits"', '"name":"another"'),
        (r'("airflow.task_instance.state","value":{"stringValue":)"upstream_failed"', r'\1"skipped"'),
        (r'("airflow.dag_run.end_date","value":{"stringValue":")20', r"\g<1>19"),
        (r'("name":"task_instance fails".*?"endTimeUnixNano":")1', r"\g<1>2"),
        (r'^(.*"name":"dag_run slow".*\n)', r"\1\1"),
        (r'^.*"name":"dag_run slow".*\n', ""),
        (r'"parentSpanId":"[0-9a-f]{16}"', '"parentSpanId":"00000000000000ff"'),
    ],
    ids=["another span", "state", "root's end", "try's end", "twice", "no root", "orphan"],
)
def test_the_audit_notices(ran: Ran, tmp_path: Path, old: str, new: str) -> None:
    """The audit fails where one span is missing, told twice or in the wrong place, or one field is wrong."""
    changed = 0
    for file in ran.traces.glob("*.jsonl"):
        text = file.read_text()
        if not changed and file.name.startswith("traces"):
            text, changed = re.subn(old, new, text, count=1, flags=re.MULTILINE)
        (tmp_path / file.name).write_text(text)
    assert changed
    with pytest.raises(AssertionError, match="differences from the database"):
        audit(Ran(tmp_path, ran.query), marked=MARKED)


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
        ("fails", f"{EXCEPTIONS}.AirflowFailException"),
        ("takes_too_long", f"{EXCEPTIONS}.AirflowTaskTimeout"),
        ("system_exit", "SystemExit"),
    ],
)
def test_a_failure_names_its_exception(ran: Ran, task_id: str, error_type: str) -> None:
    """An exception, an execution timeout and a SystemExit are errors of the execution."""
    (execute,) = one(ran, task_id).children
    assert execute.span.attributes[names.ERROR_TYPE] == error_type
    assert [event.name for event in execute.span.events] == ["exception"]


@pytest.mark.parametrize(
    ("task_id", "operator", "message"),
    [
        ("has_a_bad_template", "BashOperator", "division by zero"),
        ("returns_what_no_xcom_takes", "_PythonDecoratedOperator", "TextIOWrapper"),
    ],
)
def test_what_fails_a_task_outside_of_its_execute_is_said(ran: Ran, task_id: str, operator: str, message: str) -> None:
    """A template before, or the XCom of the result after: the execution carries the error that failed the task."""
    (execute,) = one(ran, task_id).children
    assert execute.span.name == f"execute {operator}"
    assert names.ERROR_TYPE in execute.span.attributes
    assert message in str(execute.span.error)
    (event,) = (event for event in execute.span.events if event.name == "exception")
    assert "Traceback" in str(event.attributes[names.EXCEPTION_STACKTRACE])


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
    assert before.span.end_ns <= trigger.span.start_ns <= trigger.span.end_ns <= after.span.start_ns
    assert task.span.start_ns <= before.span.start_ns
    assert after.span.end_ns <= task.span.end_ns


def test_a_tasks_log_lines_carry_its_trace(ran: Ran) -> None:
    """What a task logs while it runs has the ids of its trace and of its execution; in 2.x the log says them once."""
    (root,) = traces_of(ran, "fates")[0].roots
    (execute,) = one(ran, "succeeds").children
    (log,) = ran.traces.parent.glob("airflow/logs/dag_id=fates/run_id=all/task_id=succeeds/*.log")
    ids = {"trace_id": f"{root.span.trace_id:032x}", "span_id": f"{execute.span.span_id:016x}"}
    if AIRFLOW < (3,):
        before, _, after = log.read_text().partition(" ".join(f"{key}={value}" for key, value in ids.items()))
        assert "a line of the task's own" not in before
        assert "a line of the task's own" in after
        return
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = (line for line in lines if line["event"] == "a line of the task's own")
    assert {key: line[key] for key in ids} == ids


def test_a_killed_try_is_followed_by_its_retry(ran: Ran) -> None:
    """The first try was killed or failed, the second succeeded: two tries, the second linked to the first."""
    (root,) = traces_of(ran, "fates")[0].roots
    of_task = {"is_killed_once": "SIGKILL", "fails_once": "ValueError"}
    for task_id, kind in of_task.items():
        first, *again = sorted(
            (n for n in root.children if n.span.attributes[names.AIRFLOW_TASK_ID] == task_id),
            key=lambda n: n.span.start_ns,
        )
        assert first.children[0].span.attributes[names.ERROR_TYPE] == kind
        if task_id == "is_killed_once" and AIRFLOW[:2] == (3, 0):
            assert again == []  # Airflow 3.0 does not retry what was killed
            continue
        (second,) = again
        assert second.span.error is None
        assert [link.span_id for link in second.span.links] == [first.span.span_id]


def test_a_restarted_scheduler_neither_repeats_nor_skips(ran: Ran) -> None:
    """Tries that ended before, across and after a restart are all there, once."""
    (trace,) = (
        t for t in traces_of(ran, "slow") if t.roots[0].span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] == "restarted"
    )
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


def test_the_readers_queries_use_indexes(ran: Ran) -> None:
    """No query of the reader needs to read a whole table: with sequential scans discouraged, PostgreSQL plans none."""
    plans = plans_of(QUERIES, ran.env)
    assert len(plans) >= 8
    scans = {sql: plan for sql, plan in plans.items() if any("Seq Scan" in line for line in plan)}
    assert scans == {}
