"""
The scheduler's reader: tells each run and each try from the database, once it is committed there.

A thread of its own asks once a second; the scheduler's loop is never touched. It sees every run because it looks at the
runs that are open and at every id above the last one it saw, whatever state they are in by then. The database is the
truth, so a try that was killed, skipped, or marked by hand is told like any other.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.airflow import compat, facts
from dagtrace.airflow.watermark import Watermark
from dagtrace.options import options
from dagtrace.telemetry.guard import guard, guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dagtrace.airflow.database import Database, Key

_EVERY = 1.0
"""Seconds between two looks."""

_CHECKPOINT = 10.0
"""
Seconds between two checkpoints, where there is news. At one, spans and metrics are delivered and then the watermark is
written; after a crash the next reader begins there, so that every try is counted exactly once over both their lives,
and the spans of the last seconds are told again, the same ids with the same content.
"""

_SKEW = timedelta(seconds=60)
"""How far the clocks of API servers and scheduler may differ before a try is told only with its run's end."""

_PATIENCE = 60.0
"""Seconds a finished run waits for processes that are still at work on it (a run that was marked by hand)."""

_REMEMBERED = 10_000
"""Finished runs whose trace is remembered, to link the next generation when they are cleared."""


class Reader:
    """Follows all open runs; ``look()`` tells what became final since the last look."""

    def __init__(self, database: Database, watermark: Watermark | None = None) -> None:
        self._database = database
        self._watermark = watermark
        kept = watermark.load() if watermark is not None else None
        self._last_id, self._told = kept or (database.newest_id(), {})
        self._first: dict[Key, dict[int, datetime]] = {}
        """Of each open run, by try, when its first poke started; the next poke overwrites that in the row."""
        self._looked: datetime | None = None
        self._checkpoint = time.monotonic()
        self._waiting: dict[Key, float] = {}
        self._finished: OrderedDict[Key, int] = OrderedDict()

    def look(self) -> None:
        """Tell every try and run that reached its final state since the last look."""
        now = datetime.now(timezone.utc)
        found = self._database.open_and_new(self._last_id)
        seen = {(run.dag_id, run.run_id): run for _, run in found}
        gone = [key for key in self._told if key not in seen]
        seen.update({(run.dag_id, run.run_id): run for _, run in self._database.runs(gone)})
        for key in self._told.keys() - seen.keys():  # deleted from the database
            del self._told[key]
            self._first.pop(key, None)
        runs = {key: run for key, run in seen.items() if self._concerns_us(run)}
        finished = {key for key, run in runs.items() if run.state in compat.RUN_FINAL_STATES}
        # A run that is queued has no tries of its own yet: those it has are its last generation's.
        running = [key for key, run in runs.items() if run.state == compat.RUNNING]
        self._tell_tries(runs, [key for key in running if self._told.get(key)], self._since())
        self._tell_tries(runs, [key for key in running if not self._told.get(key)], None)
        for key in runs:
            self._told.setdefault(key, set())
        for key in finished:
            self._finish(key, runs[key])
        self._last_id = max([self._last_id, *(number for number, _ in found)])
        self._looked = now
        if time.monotonic() - self._checkpoint >= _CHECKPOINT:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Deliver what was told, then remember it as told."""
        self._checkpoint = time.monotonic()
        if self._watermark is not None and self._watermark.is_news(self._last_id, self._told) and telemetry.flush():
            self._watermark.save()

    def tell_test(self, key: Key, nonce: str, clock_ns: int) -> None:
        """Tell the run that ``dag.test()`` made in this process, whole."""
        for _, run in self._database.runs([key]):
            self._tell_run(key, dataclasses.replace(run, nonce=nonce, clock_ns=clock_ns))

    def _since(self) -> datetime | None:
        return self._looked and self._looked - _SKEW

    def _concerns_us(self, run: facts.Run) -> bool:
        return run.triggered_by != compat.TEST_TRIGGER and options().traces(run.dag_id)

    def _finish(self, key: Key, run: facts.Run) -> None:
        """Tell a finished run, but give processes that are still at work on it a while to end."""
        patience = self._waiting.setdefault(key, time.monotonic() + _PATIENCE)
        if time.monotonic() < patience and self._database.still_running(key):
            self._told.setdefault(key, set())
            return
        del self._waiting[key]
        self._tell_run(key, run)

    def _tell_tries(self, runs: dict[Key, facts.Run], keys: Iterable[Key], since: datetime | None) -> dict[Key, int]:
        """Tell the final tries not told yet; return by run the end of its last one, in nanoseconds."""
        ends: dict[Key, int] = {}
        new: list[tuple[facts.Run, facts.Try]] = []
        keys = list(keys)
        for key in keys:
            self._told.setdefault(key, set())
        for key, row in self._database.tries(keys, since):
            run = runs[key]
            if not facts.belongs(run, row):
                continue
            span_id = row.span_id(run.trace_id)
            if row.state == compat.BETWEEN_POKES:
                if row.start_date is not None:
                    self._first.setdefault(key, {}).setdefault(span_id, row.start_date)
                continue
            ends[key] = max(ends.get(key, 0), facts.try_end_ns(run, row))
            if span_id not in self._told[key]:
                self._told[key].add(span_id)
                new.append((run, row))
        rescheduled = self._database.first_pokes([row.id for _, row in new])
        for run, row in new:
            seen = self._first.get((run.dag_id, run.run_id), {}).get(row.span_id(run.trace_id))
            row = dataclasses.replace(row, first_start=seen or rescheduled.get(row.id))  # noqa: PLW2901
            telemetry.tell(facts.try_span(run, row, sampled=telemetry.sampled(run.trace_id)))
            telemetry.measure(*facts.try_points(run, row))
        return ends

    def _tell_run(self, key: Key, run: facts.Run) -> None:
        ends = self._tell_tries({key: run}, [key], None)
        owners, tags = self._database.describe(run)
        run = dataclasses.replace(run, owners=owners, tags=tags)
        before = self._finished.pop(key, None)
        telemetry.tell(
            facts.run_span(
                run,
                last_end_ns=ends.get(key, 0),
                before=before if before != run.trace_id else None,
                sampled=telemetry.sampled(run.trace_id),
            )
        )
        telemetry.measure(*facts.run_points(run))
        del self._told[key]
        self._first.pop(key, None)
        self._finished[key] = run.trace_id
        if len(self._finished) > _REMEMBERED:
            self._finished.popitem(last=False)


class _Thread(threading.Thread):
    """Looks once a second while it leads, until told to stop, then once more."""

    def __init__(self) -> None:
        super().__init__(name="dagtrace-reader", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        database: Database | None = None
        reader: Reader | None = None
        last = False
        while not last:
            last = self._stopping.wait(_EVERY)
            with guard("reading Airflow's database"):
                database = database or _open_database()
                if database is None or not database.leads():
                    reader = None  # whoever leads now keeps the watermark; read it again when it is our turn
                    continue
                reader = reader or Reader(database, Watermark(database.url))
                reader.look()
                if last:
                    reader.checkpoint()
        if database is not None:
            with guard("leaving Airflow's database"):
                database.resign()

    def stop(self) -> None:
        """Let it look a last time and deliver, within the exit budget."""
        self._stopping.set()
        began = time.monotonic()
        self.join(telemetry.budget())
        telemetry.spend(time.monotonic() - began)
        telemetry.flush()


def _open_database() -> Database | None:
    """Return Airflow's database, or None while Airflow has no engine."""
    engine = compat.engine()
    if engine is None:
        return None
    from dagtrace.airflow.database import Database

    database = Database(engine)
    os.register_at_fork(after_in_child=database.let_go)
    return database


def tell_test(key: Key, nonce: str, clock_ns: int) -> None:
    """Tell a run of ``dag.test()``, from the database of this process."""
    database = _open_database()
    if database is not None:
        Reader(database).tell_test(key, nonce, clock_ns)


def around_loop(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Run the reader beside the scheduler's loop.

    The loop begins after the executors have forked their workers; one that is replaced later lets go of what it has.
    """
    thread = _start()
    try:
        return wrapped(*args, **kwargs)
    finally:
        if thread is not None:
            _stop(thread)


@guarded
def _start() -> _Thread:
    telemetry.describe("airflow", "scheduler", lasting=True)
    thread = _Thread()
    thread.start()
    return thread


@guarded
def _stop(thread: _Thread) -> None:
    thread.stop()
