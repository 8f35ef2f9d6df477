"""
The scheduler: a thread beside its loop in which the reader looks once a second.

Of several schedulers one reads, the one that has the lease. ``dag.test()``, which has no scheduler, reads once.
"""

from __future__ import annotations

import importlib
import threading
import time
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.airflow import native
from dagtrace.telemetry.guard import guard, guarded, unobserved


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.airflow.database import Database, Key
    from dagtrace.airflow.lease import Lease
    from dagtrace.airflow.reader import Reader

_EVERY = 1.0
"""Seconds between two looks."""

_THREADS = ("assets", "database", "gauges", "lease", "linking", "reader", "sources", "standings", "watermark", "zeros")
"""Modules that the reader's thread uses."""


class _Thread(threading.Thread):
    """Looks once a second while it leads, until told to stop, then once more."""

    def __init__(self) -> None:
        super().__init__(name="dagtrace-reader", daemon=True)
        self._stopping = threading.Event()

    @unobserved()
    def run(self) -> None:
        database: Database | None = None
        lease: Lease | None = None
        reader: Reader | None = None
        last, well = False, True
        while not last:
            native.leave_runs_to_the_reader(turn=well)
            last, well = self._stopping.wait(_EVERY), False
            with guard("reading Airflow's database"):
                if database is None:
                    database, lease = _open()
                if database is None or lease is None or not lease.leads():
                    if reader is not None:
                        telemetry.show()  # levels are the leader's to say
                    reader = None  # whoever leads now keeps the watermark; read it again when it is our turn
                    well = True
                    continue
                reader = reader or _reader(database, lasting=True)
                reader.look()
                well = True
                if last:
                    reader.checkpoint()
        if lease is not None:
            telemetry.show()  # before another says how things stand
            with guard("leaving Airflow's database"):
                lease.resign()

    def stop(self) -> None:
        """Let it look a last time and deliver, within the exit budget."""
        self._stopping.set()
        began = time.monotonic()
        self.join(telemetry.budget())
        telemetry.spend(time.monotonic() - began)
        telemetry.flush()


def _open() -> tuple[Database | None, Lease | None]:
    from dagtrace.airflow.database import connect
    from dagtrace.airflow.lease import Lease

    database = connect()
    return database, None if database is None else Lease(database.engine)


def _reader(database: Database, *, lasting: bool) -> Reader:
    """Return a reader; where it cannot make links, it tells all else."""
    from dagtrace.airflow.reader import Reader
    from dagtrace.airflow.watermark import Watermark

    watermark = Watermark(database.url) if lasting else None
    reader = Reader(database, watermark)
    with guard("preparing links"):
        from dagtrace.airflow.linking import Linker
        from dagtrace.airflow.sources import Sources

        reader.linker = Linker(Sources(database.engine), database, reader.generation)
    if lasting:
        with guard("preparing gauges"):
            from dagtrace.airflow.assets import Assets
            from dagtrace.airflow.gauges import Gauges
            from dagtrace.airflow.standings import Standings
            from dagtrace.airflow.zeros import Zeros

            standings = Standings(database.engine)
            zeros = Zeros(standings, database.serialized_dags)
            reader.gauges = Gauges(standings, zeros, Assets(standings, watermark, reader.checkpoints.measure))
    return reader


@unobserved()
def tell_test(key: Key, nonce: str, clock_ns: int) -> None:
    """Tell a run of ``dag.test()``, from the database of this process."""
    from dagtrace.airflow.database import connect

    database = connect(once=True)
    if database is not None:
        _reader(database, lasting=False).tell_test(key, nonce, clock_ns)


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
    _import()
    thread = _Thread()
    thread.start()
    return thread


@guarded
def _import() -> None:
    """
    Import what the threads will use before they start; what cannot be imported costs its own part later.

    LocalExecutor forks its workers out of the scheduler at any time: one forked in the middle of a thread's import has
    half a module, and a lock on it that nobody will give back, for all the tasks it will ever run.
    """
    for name in _THREADS:
        importlib.import_module(f"dagtrace.airflow.{name}")
    telemetry.preload()


@guarded
def _stop(thread: _Thread) -> None:
    thread.stop()
