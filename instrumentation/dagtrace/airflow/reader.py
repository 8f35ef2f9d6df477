"""
The scheduler's reader: tells each run and each try from the database, once it is committed there.

A thread of its own asks once a second; the scheduler's loop is never touched. It sees every run because it looks at the
runs that are open and at every id above the last one it saw, whatever state they are in by then. The database is the
truth, so a try that was killed, skipped, or marked by hand is told like any other.
"""

from __future__ import annotations

import dataclasses
import threading
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.airflow import compat, facts
from dagtrace.options import options
from dagtrace.telemetry.guard import guard, guarded


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.airflow.database import Database, Key

_EVERY = 1.0
"""Seconds between two looks."""

_SKEW = timedelta(seconds=60)
"""How far the clocks of API servers and scheduler may differ before a try is told only with its run's end."""


class Reader:
    """Follows all open runs; ``look()`` tells what became final since the last look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_id = database.newest_id()
        self._looked: datetime | None = None
        self._told: dict[Key, set[int]] = {}
        """Of each open run the span ids of the tries told so far: bounded by the tries of open runs."""

    def look(self) -> None:
        """Tell every try and run that reached its final state since the last look."""
        now = datetime.now(timezone.utc)
        found = self._database.open_and_new(self._last_id)
        seen = {(run.dag_id, run.run_id): run for _, run in found}
        gone = [key for key in self._told if key not in seen]
        seen.update({(run.dag_id, run.run_id): run for _, run in self._database.runs(gone)})
        for key in self._told.keys() - seen.keys():  # deleted from the database
            del self._told[key]
        runs = {key: run for key, run in seen.items() if self._concerns_us(run)}
        finished = [key for key, run in runs.items() if run.state in compat.RUN_FINAL_STATES]
        known = [key for key in runs if key not in finished and key in self._told]
        new = [key for key in runs if key not in finished and key not in self._told]
        self._tell_tries(runs, known, self._looked and self._looked - _SKEW)
        self._tell_tries(runs, new, None)
        for key in finished:
            self._tell_run(key, runs[key])
        self._last_id = max([self._last_id, *(number for number, _ in found)])
        self._looked = now

    def tell_test(self, key: Key, nonce: str, clock_ns: int) -> None:
        """Tell the run that ``dag.test()`` made in this process, whole."""
        for _, run in self._database.runs([key]):
            self._tell_run(key, dataclasses.replace(run, nonce=nonce, clock_ns=clock_ns))

    def _concerns_us(self, run: facts.Run) -> bool:
        return run.triggered_by != compat.TEST_TRIGGER and options().traces(run.dag_id)

    def _tell_tries(self, runs: dict[Key, facts.Run], keys: list[Key], since: datetime | None) -> dict[Key, int]:
        """Tell the final tries not told yet; return by run the end of the last one, in nanoseconds."""
        ends: dict[Key, int] = {}
        for key in keys:
            self._told.setdefault(key, set())
        for key, row in self._database.tries(keys, since):
            run = runs[key]
            span = facts.try_span(run, row, sampled=telemetry.sampled(run.trace_id))
            ends[key] = max(ends.get(key, 0), span.end_ns)
            if span.span_id not in self._told[key]:
                self._told[key].add(span.span_id)
                telemetry.tell(span)
                telemetry.measure(*facts.try_points(run, row))
        return ends

    def _tell_run(self, key: Key, run: facts.Run) -> None:
        ends = self._tell_tries({key: run}, [key], None)
        owners, tags = self._database.describe(run)
        run = dataclasses.replace(run, owners=owners, tags=tags)
        telemetry.tell(facts.run_span(run, last_end_ns=ends.get(key, 0), sampled=telemetry.sampled(run.trace_id)))
        telemetry.measure(*facts.run_points(run))
        del self._told[key]


class _Thread(threading.Thread):
    """Looks once a second until told to stop, then once more."""

    def __init__(self) -> None:
        super().__init__(name="dagtrace-reader", daemon=True)
        self._stopping = threading.Event()

    def run(self) -> None:
        reader: Reader | None = None
        last = False
        while not last:
            last = self._stopping.wait(_EVERY)
            with guard("reading Airflow's database"):
                reader = reader or open_reader()
                if reader is not None:
                    reader.look()

    def stop(self) -> None:
        """Let it look a last time and deliver, within the exit budget."""
        self._stopping.set()
        self.join(telemetry.budget())
        telemetry.flush()


def open_reader() -> Reader | None:
    """Return a reader over Airflow's engine, or None while there is none."""
    engine = compat.engine()
    if engine is None:
        return None
    from dagtrace.airflow.database import Database

    return Reader(Database(engine))


def around_loop(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Run the reader beside the scheduler's loop.

    The loop begins after the executors have forked their workers, so no child ever inherits the thread's connection.
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
