"""The reader's memory: what it tells is told once, and a crash repeats at most what was not delivered."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.airflow import reader as module
from dagtrace.airflow.facts import Run, Try
from dagtrace.airflow.reader import Reader
from dagtrace.airflow.watermark import Watermark


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

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
    }
    return Try(**{**nothing, **known, **changes})


class Rows:
    """Stands in for the database: plain rows that a test changes between two looks."""

    def __init__(self) -> None:
        self.all_runs: list[tuple[int, Run]] = []
        self.all_tries: dict[tuple[str, str], list[Try]] = {}
        self.busy = False

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

    def tries(self, keys: Iterable[tuple[str, str]], since: datetime | None = None) -> Iterator[Any]:
        """Yield the rows."""
        for key in keys:
            for row in self.all_tries.get(key, []):
                yield key, row

    def first_pokes(self, ti_ids: Iterable[str]) -> dict[str, datetime]:
        """Nothing was rescheduled."""
        return {}

    def still_running(self, key: tuple[str, str]) -> bool:
        """Return what the test says."""
        return self.busy

    def describe(self, run: Run) -> tuple[str | None, tuple[str, ...]]:
        """Return an owner."""
        return "me", ()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> list[SpanRecord]:
    """Return the list that records are told into, with a delivery that always works."""
    records: list[SpanRecord] = []

    def tell(*new: SpanRecord) -> None:
        records.extend(new)

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
    assert follower._told == {}
    assert follower._first == {}
    assert list(follower._finished) == [("d", "r")]
