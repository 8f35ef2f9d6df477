"""Time explained, and seen before it is over: a real scheduler's run of tasks that wait, against Airflow's database."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import read
from dagtrace.identity import nanoseconds
from dagtrace.semconv import attributes as names
from support.airflow import Airflow, dags_in
from support.audit import audit
from support.cells import AIRFLOW
from support.runs import Ran
from support.spans import spans_in


if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagtrace.cli.traces import Node
    from dagtrace.record import SpanRecord
    from support.postgres import Postgres

pytestmark = pytest.mark.real

STATES = "('running', 'deferred', 'up_for_reschedule')"


class Waited(Ran):
    """The run, and what had been told while it was still going."""

    early: list[SpanRecord]

    def tried(self, task_id: str) -> Node:
        """Return a task's only try."""
        (root,) = self.trace("waiting", "w").roots
        (found,) = [node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id]
        return found


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Waited]:
    """Let the tasks wait; release the one that holds the run once the others are done and the markers there."""
    folder = tmp_path_factory.mktemp("waiting")
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags_in(folder, "waiting.py")), "WAITING_HOME": str(folder)}
    with Airflow(folder, postgres.database(), **settings, DAGTRACE_STARTED_AFTER="4") as airflow:
        airflow.start("triggerer")
        airflow.trigger("waiting", "w")
        ran = Waited(airflow.traces, airflow.query, airflow.env)
        done = "select state from task_instance where dag_id = 'waiting' and task_id <> 'holds'"
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            ran.early = spans_in(airflow.traces)
            held = [span for span in ran.early if span.name == "task_instance.started holds"]
            if held and {row["state"] for row in airflow.query(done)} == {"success"}:
                break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{[span.name for span in ran.early]}\n{airflow.log('scheduler')[-4000:]}")
        assert airflow.query("select state from dag_run where run_id = 'w'")[0]["state"] == "running"
        (folder / "released").touch()
        assert airflow.wait("waiting", "w") == "success"
        airflow.stop("scheduler")
        airflow.stop("triggerer")
        yield ran


def test_a_run_is_seen_before_it_ends(waited: Waited) -> None:
    """While a task works on, its marker and its run's are there, in the trace and below the span that will come."""
    (root,) = waited.trace("waiting", "w").roots
    early = {span.name: span for span in waited.early if names.DAGTRACE_STARTED in span.attributes}
    assert root.span.span_id not in {span.span_id for span in waited.early}
    for name, node in (("dag_run.started waiting", root), ("task_instance.started holds", waited.tried("holds"))):
        marker = early[name]
        assert (marker.trace_id, marker.parent_id) == (node.span.trace_id, node.span.span_id)
        assert node.span.start_ns <= marker.start_ns == marker.end_ns <= node.span.end_ns


def test_no_marker_is_told_twice_nor_seen_in_the_end(waited: Waited) -> None:
    """Each is exported once, and the finished tree is what the database says: one span per run and try, no more."""
    markers = [span.span_id for span in spans_in(waited.traces) if names.DAGTRACE_STARTED in span.attributes]
    assert len(markers) == len(set(markers)) >= 2
    audited = audit(waited, "waiting")
    assert (audited.runs, audited.traces, audited.tries) == (1, 1, 3)


def test_a_run_says_how_late_it_began(waited: Waited) -> None:
    """From ``run_after`` to ``start_date``, as the row has them."""
    (row,) = waited.query("select * from dag_run where run_id = 'w'")
    (root,) = waited.trace("waiting", "w").roots
    said = root.span.attributes.get(names.AIRFLOW_DAG_RUN_SCHEDULE_DELAY)
    if AIRFLOW < (3,):  # a manual run may start when it is made, and its row does not say when that was
        assert said is None
    else:
        assert said == pytest.approx((row["start_date"] - row["run_after"]).total_seconds(), abs=1e-6)


def test_a_try_says_how_it_came_to_its_first_line(waited: Waited) -> None:
    """Scheduled, queued and started as the row says; from there to the operator's own code as its process says."""
    tried = waited.tried("holds")
    (row,) = waited.query("select * from task_instance where task_id = 'holds'")
    moments = {"scheduled": row.get("scheduled_dttm"), "queued": row["queued_dttm"], "started": row["start_date"]}
    known = [(name, at) for name, at in moments.items() if at is not None]  # Airflow 2 does not keep the first
    assert len(known) == (3 if AIRFLOW >= (3,) else 2)
    assert [(event.name.rpartition(".")[2], event.time_ns) for event in tried.span.events] == [
        (name, nanoseconds(at)) for name, at in known[:-1]
    ]
    for (name, at), (_, then) in pairwise(known):
        assert tried.span.attributes[f"airflow.task_instance.{name}_duration"] == (then - at).total_seconds()
    (execute,) = [child.span for child in tried.children if child.span.name.startswith("execute")]
    startup = execute.attributes[names.AIRFLOW_TASK_INSTANCE_STARTUP_DURATION]
    assert startup == pytest.approx((execute.start_ns - nanoseconds(row["start_date"])) / 1e9, abs=1e-6)


def _waits(waited: Waited, task_id: str) -> list[tuple[str, float]]:
    """Return what a task waited for after its start: (state, seconds), out of the audit log and ``task_reschedule``."""
    rows: list[dict[str, Any]] = waited.query(
        f"select event, dttm from log where task_id = '{task_id}' and event in {STATES} order by dttm"  # noqa: S608
    )
    if AIRFLOW < (3,):
        rows += [
            {"event": "up_for_reschedule", "dttm": poke["end_date"]}
            for poke in waited.query(f"select end_date from task_reschedule where task_id = '{task_id}'")  # noqa: S608
        ]
        rows.sort(key=lambda row: row["dttm"])
    return [
        (one["event"], (rows[i + 1]["dttm"] - one["dttm"]).total_seconds())
        for i, one in enumerate(rows)
        if one["event"] != "running"
    ]


@pytest.mark.skipif((3,) <= AIRFLOW < (3, 2), reason="3.0 and 3.1 keep nowhere when a process took a try up again")
def test_a_sensor_says_how_long_it_did_not_poke(waited: Waited) -> None:
    """Two waits for three pokes: their sum, and when each began and ended; no poke took part of it."""
    tried, waits = waited.tried("reschedules"), _waits(waited, "reschedules")
    assert [state for state, _ in waits] == ["up_for_reschedule"] * 2
    said: Any = tried.span.attributes[names.AIRFLOW_TASK_INSTANCE_RESCHEDULED_DURATION]
    assert said == pytest.approx(sum(seconds for _, seconds in waits), abs=1e-6)
    worked = sum(child.duration for child in tried.children if child.span.name.startswith("execute"))
    assert 2 * 3 <= said <= tried.duration - worked
    assert names.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION not in tried.span.attributes
    events = [event.name.rpartition(".")[2] for event in tried.span.events]
    assert [name for name in events if name not in ("scheduled", "queued")] == ["rescheduled", "resumed"] * 2


@pytest.mark.skipif(AIRFLOW < (3, 2), reason="only 3.2 and later keep when a try was deferred")
def test_a_deferred_try_says_how_long_it_was(waited: Waited) -> None:
    """Deferred twice for three seconds and more: no less than its triggers took, and no part of its own work."""
    tried, waits = waited.tried("defers"), _waits(waited, "defers")
    assert [state for state, _ in waits] == ["deferred"] * 2
    said: Any = tried.span.attributes[names.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION]
    assert said == pytest.approx(sum(seconds for _, seconds in waits), abs=1e-6)
    kinds = ("execute", "trigger")
    worked, triggers = (sum(c.duration for c in tried.children if c.span.name.startswith(kind)) for kind in kinds)
    assert 0 < triggers <= said <= tried.duration - worked
    executed = [child.span.attributes for child in tried.children if child.span.name.startswith("execute")]
    startup = names.AIRFLOW_TASK_INSTANCE_STARTUP_DURATION
    assert [startup in attributes for attributes in executed] == [True, False, False]


def test_the_files_hold_what_was_read(waited: Waited) -> None:
    """The raw spans are those of the tree and the markers."""
    inside = {node.span.span_id for trace in read(waited.traces) for node in trace.walk()}
    raw = spans_in(waited.traces)
    assert inside == {span.span_id for span in raw if names.DAGTRACE_STARTED not in span.attributes}
