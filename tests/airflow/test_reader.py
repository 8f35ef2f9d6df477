"""The reader's memory: what it tells is told once, and a crash repeats at most what was not delivered."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.airflow import reader as module
from dagtrace.airflow import started
from dagtrace.airflow.facts import Run, Try
from dagtrace.airflow.reader import Reader
from dagtrace.airflow.waits import Change
from dagtrace.airflow.watermark import Watermark
from dagtrace.cli.traces import read
from dagtrace.identity import SpanContext
from dagtrace.options import options
from dagtrace.record import Point
from dagtrace.semconv import attributes
from dagtrace.semconv.metrics import AIRFLOW_TASK_INSTANCE_COUNT
from support.metrics import totals


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dagtrace.airflow.database import Instance, Key
    from dagtrace.record import SpanRecord

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


def a_run(state: str, run_id: str = "r", **changes: Any) -> Run:
    """Return a run of the DAG ``d`` that started at NOW."""
    known: dict[str, Any] = {
        "dag_id": "d",
        "run_id": run_id,
        "run_type": "manual",
        "state": state,
        "queued_at": None,
        "start_date": NOW,
        "end_date": NOW + timedelta(minutes=1) if state in ("success", "failed") else None,
        "created_at": NOW,
        "logical_date": None,
        "run_after": NOW,
        "clear_number": 0,
    }
    return Run(**{**known, **changes})


def a_try(task_id: str, state: str = "success", **changes: Any) -> Try:
    """Return a first try that ran for a second from NOW on."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("scheduled_at", "queued_at", "operator", "pool", "queue", "executor", "hostname", "pid")
    )
    known: dict[str, Any] = {
        "id": f"id-{task_id}",
        "task_id": task_id,
        "map_index": -1,
        "try_number": 1,
        "max_tries": 0,
        "state": state,
        "start_date": NOW,
        "end_date": NOW + timedelta(seconds=1),
        "changed_at": datetime.now(timezone.utc),
    }
    return Try(**{**nothing, **known, **changes})


class Rows:
    """Stands in for the database: plain rows that a test changes between two looks."""

    def __init__(self) -> None:
        self.all_runs: list[tuple[int, Run]] = []
        self.all_tries: dict[tuple[str, str], list[Try]] = {}
        self.busy = False
        self.log: list[tuple[Key, datetime]] = []
        """When a task of which run began."""
        self.changes: dict[str, list[Change]] = {}
        """What tries of a task went through after their start."""
        self.working: dict[Key, list[Try]] = {}
        """Tries that have not ended."""
        self.fails = False
        self.rows_read = 0
        """How many tries were read in full."""

    def newest_id(self) -> int:
        """Return the highest id."""
        return max((number for number, _ in self.all_runs), default=0)

    def open_and_new(self, after_id: int) -> list[tuple[int, Run]]:
        """Return runs that are open or newer."""
        return [(n, run) for n, run in self.all_runs if n > after_id or run.state in ("queued", "running")]

    def runs(self, keys: Iterable[tuple[str, str]]) -> list[tuple[int, Run]]:
        """Return runs by key."""
        wanted = set(keys)
        return [(n, run) for n, run in self.all_runs if (run.dag_id, run.run_id) in wanted]

    def tries(self, keys: Iterable[Key]) -> Iterator[tuple[Key, Try]]:
        """Yield the rows of runs."""
        for key in keys:
            for row in self.all_tries.get(key, []):
                self.rows_read += 1
                yield key, row

    def changed(self, keys: Iterable[Key], since: datetime) -> Iterator[tuple[Instance, datetime]]:
        """Yield the task instances that changed, and when: an instance as its newest try did."""
        for key in keys:
            newest = {(row.task_id, row.map_index): row for row in self.all_tries.get(key, [])}
            for (task_id, map_index), row in newest.items():
                if row.changed_at is not None and row.changed_at >= since:
                    yield (*key, task_id, map_index), row.changed_at

    def tries_of(self, instances: Iterable[Instance]) -> Iterator[tuple[Key, Try]]:
        """Yield the rows of task instances."""
        for dag_id, run_id, task_id, map_index in instances:
            for row in self.all_tries[dag_id, run_id]:
                if (row.task_id, row.map_index) == (task_id, map_index):
                    self.rows_read += 1
                    yield (dag_id, run_id), row

    def first_pokes(self, tries: Iterable[Any]) -> dict[Any, datetime]:
        """Nothing was rescheduled."""
        if self.fails:
            raise OSError("the connection is gone")
        return {}

    def changes_of(self, tries: Iterable[Any]) -> dict[Any, list[Change]]:
        """Return what the test says that tries went through."""
        return {(key, row): self.changes[row.task_id] for key, row in tries if row.task_id in self.changes}

    def at_work(self, keys: Iterable[Key], before: datetime) -> Iterator[tuple[Key, Try]]:
        """Yield the tries that began before a moment and have not ended."""
        for key in keys:
            for row in self.working.get(key, []):
                if row.start_date is not None and row.start_date <= before:
                    yield key, row

    def still_running(self, key: tuple[str, str]) -> bool:
        """Return what the test says."""
        return self.busy

    def begun(self, since: datetime) -> set[Key]:
        """Return the runs whose log says that a task began since then."""
        return {key for key, at in self.log if at >= since}

    def serialized_dags(self, versions: object) -> dict[str, Any]:
        """Return none: rows made by hand have no DAG version."""
        return {}

    def describe(self, run: Run) -> tuple[str | None, tuple[str, ...]]:
        """Return an owner."""
        return "me", ()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> list[SpanRecord]:
    """Return the list that records are told into, with a delivery that always works."""
    records: list[SpanRecord] = []

    def tell(*new: SpanRecord) -> None:
        records.extend(new)

    monkeypatch.setenv("DAGTRACE_STARTED_AFTER", "never")  # these runs began long ago
    monkeypatch.setattr(telemetry, "tell", tell)
    for name in ("measure", "sampled", "flush"):
        monkeypatch.setattr(telemetry, name, always)
    return records


def always(*_: object) -> bool:
    """Say yes: sampled, delivered."""
    return True


def never(*_: object) -> bool:
    """Say no."""
    return False


def names(records: list[SpanRecord]) -> list[str]:
    """Return the spans' names in the order they were told."""
    return [record.name for record in records]


def reader(rows: Rows, watermark: Watermark | None = None) -> Reader:
    """Return a reader of these rows."""
    return Reader(rows, watermark)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_try_is_told_once_and_a_run_at_its_end(told: list[SpanRecord]) -> None:
    """Looking again tells nothing again; the root comes with the run's final state, whoever set it."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("one")]}
    follower.look()
    follower.look()
    assert names(told) == ["task_instance one"]
    rows.all_tries["d", "r"].append(a_try("two", "failed"))
    rows.all_runs = [(1, a_run("failed"))]
    follower.look()
    follower.look()
    assert names(told) == ["task_instance one", "task_instance two", "dag_run d"]


def test_a_run_that_came_and_went_between_two_looks(told: list[SpanRecord]) -> None:
    """A run that was never seen open is found by its id."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(7, a_run("success"))]
    rows.all_tries = {("d", "r"): [a_try("one")]}
    follower.look()
    assert names(told) == ["task_instance one", "dag_run d"]


def test_runs_that_had_ended_before_are_left_alone(told: list[SpanRecord]) -> None:
    """A reader that starts for the first time does not tell the history of the installation."""
    rows = Rows()
    rows.all_runs = [(1, a_run("success"))]
    reader(rows).look()
    assert told == []


def test_the_next_reader_begins_at_the_watermark(told: list[SpanRecord]) -> None:
    """After a checkpoint nothing is repeated; a run that ended while nobody looked is told by the next reader."""
    rows = Rows()
    first = reader(rows, Watermark("db"))
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("one")]}
    first.look()
    first.checkpoint()
    rows.all_runs = [(1, a_run("success")), (2, a_run("success", "new"))]
    second = reader(rows, Watermark("db"))
    second.look()
    assert names(told) == ["task_instance one", "dag_run d", "dag_run d"]


def test_what_was_not_delivered_is_told_again(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a delivery there is no new watermark, and the next reader tells the same spans, ids and all."""
    monkeypatch.setattr(telemetry, "flush", never)
    rows = Rows()
    first = reader(rows, Watermark("db"))
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("one")]}
    first.look()
    first.checkpoint()
    reader(rows, Watermark("db")).look()
    assert len(told) == 2
    assert told[0] == told[1]


def test_two_databases_have_two_watermarks(told: list[SpanRecord]) -> None:
    """A home shared by two Airflows does not mix them up."""
    rows = Rows()
    rows.all_runs = [(5, a_run("success"))]
    first = reader(rows, Watermark("one"))
    first.look()
    first.checkpoint()
    assert Watermark("one").load() == (5, {})
    assert Watermark("other").load() is None


def test_a_watermark_nobody_can_read(told: list[SpanRecord], fresh: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nonsense in the file is one warning that names it, and a start as if there were none."""
    rows = Rows()
    rows.all_runs = [(5, a_run("success"))]
    first = reader(rows, Watermark("db"))
    first.look()
    first.checkpoint()
    (file,) = fresh.glob("reader-*.json")
    file.write_text("{")
    assert Watermark("db").load() is None
    assert str(file) in caplog.text


def test_a_marked_run_waits_for_its_processes(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run marked by hand is told when its last process has ended, or when patience has."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs, rows.busy = [(1, a_run("failed"))], True
    follower.look()
    assert told == []
    rows.busy = False
    follower.look()
    assert names(told) == ["dag_run d"]
    monkeypatch.setattr(module, "_PATIENCE", -1.0)
    rows.all_runs, rows.busy = [(2, a_run("failed", "impatient"))], True
    follower.look()
    assert names(told) == ["dag_run d", "dag_run d"]


def test_a_cleared_run_leaves_the_old_tries_where_they_are(told: list[SpanRecord]) -> None:
    """The next generation has another trace, a link to the first, and only the tries that ended after it began."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("success"))]
    rows.all_tries = {("d", "r"): [a_try("kept"), a_try("cleared")]}
    follower.look()
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("queued", start_date=None, queued_at=later, clear_number=1))]
    follower.look()
    rows.all_runs = [(1, a_run("running", start_date=later, clear_number=1))]
    again = a_try("cleared", try_number=2, start_date=later, end_date=later + timedelta(seconds=1))
    rows.all_tries["d", "r"].append(again)
    follower.look()
    rows.all_runs = [(1, a_run("success", start_date=later, end_date=later + timedelta(minutes=1), clear_number=1))]
    follower.look()
    old, new = (record for record in told if record.name == "dag_run d")
    assert old.trace_id != new.trace_id
    assert [link.trace_id for link in new.links] == [old.trace_id]
    assert {r.trace_id for r in told} == {old.trace_id, new.trace_id}
    assert [r.name for r in told if r.trace_id == new.trace_id] == ["task_instance cleared", "dag_run d"]
    first, second = (record for record in told if record.name == "task_instance cleared")
    assert [(link.trace_id, link.span_id) for link in second.links] == [(old.trace_id, first.span_id)]


def test_a_try_of_a_generation_that_nobody_knows_is_not_linked(told: list[SpanRecord]) -> None:
    """A reader that starts after the run was cleared does not know the old trace: no link rather than a wrong one."""
    rows = Rows()
    follower = reader(rows)
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("running", start_date=later))]
    rows.all_tries = {("d", "r"): [a_try("t"), a_try("t", try_number=2, start_date=later, end_date=later)]}
    follower.look()
    (span,) = told
    assert span.attributes["airflow.task_instance.try_number"] == 2
    assert span.links == ()


def test_a_run_cleared_within_a_trace_from_outside(told: list[SpanRecord]) -> None:
    """Both generations are in one trace, and still are two roots with a link between them."""
    rows = Rows()
    follower = reader(rows)
    outside = SpanContext(1, 2)
    for state, start in (("running", NOW), ("success", NOW), ("success", NOW + timedelta(hours=1))):
        rows.all_runs = [(1, a_run(state, start_date=start, end_date=start, parent=outside))]
        follower._last_id = 0
        follower.look()
    old, new = told
    assert old.span_id != new.span_id
    assert {(span.trace_id, span.parent_id, span.remote_parent) for span in told} == {(1, 2, True)}
    assert [(link.trace_id, link.span_id) for link in new.links] == [(1, old.span_id)]


class Broken:
    """A linker that always fails."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object) -> None:
            raise RuntimeError(name)

        return fail


def test_without_links_all_is_told(
    told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong while links are made costs the links alone."""
    monkeypatch.delitem(sys.modules, "pytest")  # not under pytest: the guard swallows
    rows = Rows()
    follower = reader(rows)
    follower.linker = Broken()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("one"), a_try("one", try_number=2)]}
    follower.look()
    rows.all_runs = [(1, a_run("success"))]
    follower.look()
    assert names(told) == ["task_instance one", "task_instance one", "dag_run d"]
    assert len(told[1].links) == 1
    for edge in ("linking tries", "linking a run", "looking for what triggered runs"):
        assert f"{edge} failed" in caplog.text


def test_a_retry_is_linked_to_the_try_before(told: list[SpanRecord]) -> None:
    """Each try points to the one before it of its own map index, read in the same look or in an earlier one."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {
        ("d", "r"): [a_try("t", "failed", map_index=0), a_try("t", "failed", map_index=1), a_try("t", try_number=2)]
    }
    follower.look()
    again = [a_try("t", map_index=i, try_number=2) for i in (0, 1)]
    rows.all_tries["d", "r"] += again
    follower.look()
    assert [[link.span_id for link in record.links] for record in told] == [
        [],
        [],
        [],  # there is no first try of the one that is not mapped: a link would lead nowhere
        [told[0].span_id],
        [told[1].span_id],
    ]


def test_a_retry_of_a_cleared_run_is_linked_into_the_old_trace(told: list[SpanRecord]) -> None:
    """Where the try before ended in an earlier generation, the link goes there; where that is forgotten, nowhere."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("success"))]
    rows.all_tries = {("d", "r"): [a_try("t")]}
    follower.look()
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("running", start_date=later, clear_number=1))]
    rows.all_tries["d", "r"].append(a_try("t", try_number=2, start_date=later, end_date=later))
    follower.look()
    first, root, second = told
    assert [(link.trace_id, link.span_id) for link in second.links] == [(root.trace_id, first.span_id)]
    reader(rows, Watermark("another")).look()
    assert told[3:] == [dataclasses.replace(second, links=())]


def test_a_run_cleared_before_its_end_was_seen(told: list[SpanRecord]) -> None:
    """Ended and cleared between two looks: the old generation's tries are told, its root without the state it had."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("seen")]}
    follower.look()
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("queued", start_date=None, queued_at=later, clear_number=1))]
    rows.all_tries["d", "r"].append(a_try("missed", "failed", end_date=NOW + timedelta(seconds=9)))
    follower.look()
    assert names(told) == ["task_instance seen", "task_instance missed", "dag_run d"]
    assert len({record.trace_id for record in told}) == 1
    root = told[-1]
    assert "airflow.dag_run.state" not in root.attributes
    assert root.error is None
    assert root.end_ns == told[1].end_ns
    rows.all_runs = [(1, a_run("success", start_date=later, end_date=later, clear_number=1))]
    follower.look()
    assert names(told)[3:] == ["dag_run d"]
    assert [link.trace_id for link in told[3].links] == [root.trace_id]


def test_a_cleared_run_that_ends_between_two_looks(told: list[SpanRecord]) -> None:
    """Neither open nor new when looked at, but a task of it has begun: its new generation is told, and once."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("success"))]
    rows.all_tries = {("d", "r"): [a_try("quick")]}
    rows.log = [(("d", "r"), datetime.now(timezone.utc))]
    follower.look()
    follower.look()
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("success", start_date=later, end_date=later + timedelta(seconds=1), clear_number=1))]
    rows.all_tries["d", "r"].append(a_try("quick", try_number=2, start_date=later, end_date=later))
    follower.look()
    follower.look()
    assert names(told) == ["task_instance quick", "dag_run d"] * 2
    assert [link.trace_id for link in told[3].links] == [told[1].trace_id]


def test_what_a_reader_before_has_told_is_not_told_again(told: list[SpanRecord]) -> None:
    """A run that ended before this reader began is the last one's, however fresh its log is."""
    rows = Rows()
    rows.log = [(("d", "r"), datetime.now(timezone.utc))]
    rows.all_runs = [(1, a_run("success"))]
    follower = reader(rows)
    follower._last_id = 1
    follower.look()
    follower.look()
    assert told == []


def test_a_look_that_fails_is_made_up_for(told: list[SpanRecord]) -> None:
    """A connection that is lost between two questions loses no try: what was not told is asked for again."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("one"), a_try("two")]}
    rows.fails = True
    with pytest.raises(OSError, match="gone"):
        follower.look()
    assert told == []
    rows.fails = False
    follower.look()
    assert names(told) == ["task_instance one", "task_instance two"]
    rows.all_tries["d", "r"].append(a_try("three"))
    rows.fails = True
    with pytest.raises(OSError, match="gone"):
        follower.look()
    rows.fails = False
    follower.look()
    assert names(told)[2:] == ["task_instance three"]


def test_a_run_cleared_while_nobody_looked(told: list[SpanRecord]) -> None:
    """Ended and cleared between two readers, and running again already: the next reader tells both generations."""
    rows = Rows()
    first = reader(rows, Watermark("db"))
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("seen")]}
    first.look()
    first.checkpoint()
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("running", start_date=later, clear_number=1))]
    rows.all_tries["d", "r"] += [a_try("missed"), a_try("new", start_date=later, end_date=later)]
    reader(rows, Watermark("db")).look()
    old, new = a_run("running").trace_id, a_run("running", start_date=later).trace_id
    assert [(record.name, record.trace_id) for record in told] == [
        ("task_instance seen", old),
        ("task_instance missed", old),
        ("dag_run d", old),
        ("task_instance new", new),
    ]


def test_a_run_marked_and_cleared_while_its_processes_end(told: list[SpanRecord]) -> None:
    """A run that waits for its processes and is cleared meanwhile is told with the end that was seen."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs, rows.busy = [(1, a_run("failed"))], True
    follower.look()
    rows.all_runs = [(1, a_run("queued", start_date=None, clear_number=1))]
    follower.look()
    assert [record.attributes.get("airflow.dag_run.state") for record in told] == ["failed"]


def test_a_try_without_an_end_is_told_with_its_run(told: list[SpanRecord]) -> None:
    """Airflow gives no end to what it skips when a run times out: it is the run's, and no later one's."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("t", "skipped", end_date=None, changed_at=NOW)]}
    follower.look()
    assert told == []
    rows.all_runs = [(1, a_run("failed"))]
    follower.look()
    task, root = told
    assert task.end_ns == root.end_ns > task.start_ns
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("success", start_date=later, end_date=later, clear_number=1))]
    follower._last_id = 0
    follower.look()
    assert names(told[2:]) == ["dag_run d"]


def test_what_a_look_reads_does_not_grow_with_the_run(told: list[SpanRecord]) -> None:
    """With 3,000 tries behind it, a look reads the tries of the one task that changed, and no other row."""
    rows = Rows()
    follower = reader(rows)
    long_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {
        ("d", "r"): [
            a_try("t", "failed", map_index=index, try_number=number, changed_at=long_ago)
            for index in range(1000)
            for number in (1, 2, 3)
        ]
    }
    follower.look()
    assert (len(told), rows.rows_read) == (3000, 3000)
    rows.rows_read = 0
    for _ in range(3):
        follower.look()
    assert rows.rows_read == 0
    rows.all_tries["d", "r"].append(a_try("t", map_index=7, try_number=4))
    for _ in range(3):
        follower.look()
    assert (len(told), rows.rows_read) == (3001, 4)


def test_a_clock_that_is_behind(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """A change dated half a minute ago is told when a look goes back so far, and once; one of an hour at the end."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    follower.look()
    now = datetime.now(timezone.utc)
    behind = {"half a minute": timedelta(seconds=30), "an hour": timedelta(hours=1)}
    rows.all_tries = {("d", "r"): [a_try(name, changed_at=now - ago) for name, ago in behind.items()]}
    follower.look()
    assert (told, rows.rows_read) == ([], 0)
    monkeypatch.setattr(module, "_WIDE", 0.0)
    for _ in range(3):
        follower.look()
    assert (names(told), rows.rows_read) == (["task_instance half a minute"], 1)
    rows.all_runs = [(1, a_run("success"))]
    follower.look()
    assert names(told)[1:] == ["task_instance an hour", "dag_run d"]


def test_a_cleared_run_reads_its_past_once(told: list[SpanRecord]) -> None:
    """A cleared run whose old tries are many reads them when it starts and not again, though none is its own."""
    rows = Rows()
    follower = reader(rows)
    later = NOW + timedelta(hours=1)
    rows.all_runs = [(1, a_run("running", start_date=later, clear_number=1))]
    long_ago = datetime.now(timezone.utc) - timedelta(hours=1)
    rows.all_tries = {("d", "r"): [a_try("t", map_index=i, changed_at=long_ago) for i in range(1000)]}
    for _ in range(3):
        follower.look()
    assert (told, rows.rows_read) == ([], 1000)


def test_the_first_poke_is_remembered(told: list[SpanRecord]) -> None:
    """A rescheduled sensor's try starts with the first poke the reader saw, though the row's start is overwritten."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("s", "up_for_reschedule", end_date=None)]}
    follower.look()
    last = NOW + timedelta(seconds=30)
    rows.all_tries = {("d", "r"): [a_try("s", start_date=last, end_date=last + timedelta(seconds=1))]}
    follower.look()
    (span,) = told
    assert span.start_ns == int(NOW.timestamp()) * 10**9
    assert span.attributes["airflow.task_instance.start_date"] == last.isoformat()


def test_memory_is_that_of_open_runs(told: list[SpanRecord]) -> None:
    """Nothing of a finished or deleted run is kept but its trace id."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running")), (2, a_run("running", "deleted"))]
    rows.all_tries = {("d", "r"): [a_try("one")], ("d", "deleted"): [a_try("one")]}
    follower.look()
    rows.all_runs = [(1, a_run("success"))]
    follower.look()
    assert follower._open == {}
    assert list(follower._past) == [("d", "r")]


def test_a_thousand_tries_at_once_stay_within_the_queue(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more end at once than the queue holds, what does not fit is lost and counted: told plus lost is all."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "300")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("success"))]
    rows.all_tries = {("d", "r"): [a_try("t", map_index=index) for index in range(1000)]}
    follower.look()
    assert telemetry.flush()
    (trace,) = read(fresh)
    delivered = len(list(trace.walk()))
    assert delivered == 300
    assert totals(fresh, "dagtrace.spans.lost") == {(): 701}
    assert totals(fresh, "airflow.task_instance.count") == {(): 1000}


def test_what_a_try_went_through_is_on_its_span(told: list[SpanRecord]) -> None:
    """A try that was queued again after its start is asked about; one that was not is no question."""
    rows = Rows()
    follower = reader(rows)
    rows.all_runs = [(1, a_run("running"))]
    again = NOW + timedelta(seconds=0.5)
    rows.all_tries = {("d", "r"): [a_try("deferred", queued_at=again), a_try("plain")]}
    changes = [Change("running", NOW), Change("deferred", NOW + timedelta(seconds=0.25)), Change("running", again)]
    rows.changes = {"deferred": changes, "plain": changes}
    follower.look()
    waited = [record.attributes.get(attributes.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION) for record in told]
    assert (names(told), waited) == (["task_instance deferred", "task_instance plain"], [0.25, None])


def _marked(monkeypatch: pytest.MonkeyPatch, after: str) -> tuple[Rows, Reader]:
    """Return a run that began long ago, with a try of the same age and one that has just begun."""
    monkeypatch.setenv("DAGTRACE_STARTED_AFTER", after)
    monkeypatch.setattr(started, "_EVERY", 0.0)
    options.cache_clear()
    rows = Rows()
    rows.all_runs = [(1, a_run("running"))]
    new = a_try("new", "running", start_date=datetime.now(timezone.utc), end_date=None)
    rows.working = {("d", "r"): [a_try("old", "running", end_date=None), new]}
    return rows, reader(rows, Watermark("db"))


def test_what_goes_on_for_long_is_told_before_it_ends(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, as a child without duration of the span that is to come, where that begins; also after a restart."""
    rows, follower = _marked(monkeypatch, "3600")
    follower.look()
    follower.look()
    assert names(told) == ["dag_run.started d", "task_instance.started old"]
    follower.checkpoint()
    again = reader(rows, Watermark("db"))
    again.look()
    rows.all_tries = {("d", "r"): [a_try("old"), a_try("new", start_date=NOW + timedelta(seconds=2))]}
    rows.all_runs = [(1, a_run("success"))]
    again.look()
    assert names(told)[2:] == ["task_instance old", "task_instance new", "dag_run d"]
    run, one, ended, _, root = told
    for marker, span in ((run, root), (one, ended)):
        assert (marker.trace_id, marker.parent_id) == (span.trace_id, span.span_id)
        assert span.start_ns <= marker.start_ns == marker.end_ns <= span.end_ns
        assert marker.attributes[attributes.DAGTRACE_STARTED] is True


def test_markers_can_be_had_at_once_or_never(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0 each try that is seen at work has one, with never none has; a try that has ended needs none."""
    rows, follower = _marked(monkeypatch, "never")
    follower.look()
    assert told == []
    rows, follower = _marked(monkeypatch, "0")
    rows.all_tries = {("d", "r"): [a_try("old")]}
    follower.look()
    assert names(told) == ["task_instance old", "dag_run.started d", "task_instance.started new"]


def test_a_marker_holds_where_a_sensor_began(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next poke overwrites the row's start; the try's span begins no later than its marker."""
    rows, follower = _marked(monkeypatch, "3600")
    follower.look()
    late = NOW + timedelta(minutes=1)
    rows.all_tries = {("d", "r"): [a_try("old", start_date=late, end_date=late + timedelta(seconds=1))]}
    follower.look()
    assert (names(told)[-1], told[-1].start_ns) == ("task_instance old", told[1].start_ns)


def test_what_a_crash_forgets_was_not_counted(fresh: Path) -> None:
    """A try that is told and not kept in the watermark is in no export, so that the next reader's count is the only."""
    rows = Rows()
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("t")]}
    reader(rows, Watermark("db")).look()
    assert telemetry.flush()  # as each OTEL_METRIC_EXPORT_INTERVAL
    assert totals(fresh, "airflow.task_instance.count") == {}
    again = reader(rows, Watermark("db"))
    again.look()
    again.checkpoint()
    reader(rows, Watermark("db")).look()
    assert telemetry.flush()
    assert totals(fresh, "airflow.task_instance.count") == {(): 1}


class Counting:
    """Gauges that create counters at each look, and say what had been counted by then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.counted: list[dict[tuple[str, ...], float]] = []

    def begin(self, runs: object) -> bool:
        """Create."""
        telemetry.measure(Point(AIRFLOW_TASK_INSTANCE_COUNT, 0, {"airflow.task_id": "t"}))
        return True

    def look(self, runs: object) -> None:
        """Read what was exported."""
        self.counted.append(totals(self._folder, "airflow.task_instance.count"))


def test_counters_are_told_before_they_count(fresh: Path) -> None:
    """A leader that takes over tells its counters at 0 first, however much it finds to count in its first look."""
    rows = Rows()
    rows.all_runs = [(1, a_run("running"))]
    rows.all_tries = {("d", "r"): [a_try("t")]}
    follower = reader(rows)
    gauges = Counting(fresh)
    follower.gauges = gauges  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    follower.look()
    assert gauges.counted == [{(): 0}]
    assert telemetry.flush()
    assert totals(fresh, "airflow.task_instance.count") == {(): 1}
