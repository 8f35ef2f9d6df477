"""
The way of a span from the JVM to telemetry: one daemon thread, one blocking py4j call for many records.

Its end is bounded: whatever is not there when the flush budget is spent is given up, counted, and never holds the user.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import Any

from py4j.protocol import Py4JError

from dagtrace import telemetry
from dagtrace.options import options
from dagtrace.spark import records
from dagtrace.spark.uncaught import failed, uncaught
from dagtrace.telemetry.guard import guard, warn_once


_MOST = 512  # records per call, about 1.5 MB of text
_LONG_POLL = 10_000  # ms; the listener answers at once when it has something or has ended
_JVM_SHARE = 0.75  # of the budget at an exit without stop: what has come from the JVM has to be delivered, too
_PAUSE = 0.25  # s between calls, so that a busy driver pays for four calls a second and not for one per record


class _Quiet(logging.Filter):
    """
    Hold back what py4j logs in the thread that made this: a JVM that is gone is no news, its traceback not the user's.

    py4j 0.10.9.7 (Spark 3.4, 3.5) logs it to the root logger.
    """

    _SPEAKERS = (None, "py4j.clientserver", "py4j.java_gateway")

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back our thread's records."""
        return record.thread != self._thread

    def __enter__(self) -> None:
        for name in self._SPEAKERS:
            logging.getLogger(name).addFilter(self)

    def __exit__(self, *exception: object) -> None:
        for name in self._SPEAKERS:
            logging.getLogger(name).removeFilter(self)


class Drain:
    """What one SparkContext's listener has to say, on its way to telemetry."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener
        self._own_trace = int(listener.traceId(), 16) if listener.isRoot() else None
        self._error: Exception | None = None
        self._ending = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="dagtrace-spark", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        gone = contextlib.suppress(Py4JError, OSError)  # the JVM, and what it knew with it
        with guard("spark.drain"), _Quiet(), gone:
            while (lines := self.listener.drain(_MOST, _LONG_POLL)) is not None:
                if lines:
                    self._tell(lines)
                    telemetry.hurry()
                    self._ending.wait(_PAUSE)
            lost = self.listener.lost()
            if lost:
                losses, problem = self.listener.losses(), self.listener.problem()
                telemetry.measure(*records.lost(losses, self.listener.appName()))
                why = f"{losses}: {problem}" if problem else losses
                warn_once("spark.lost", "%d Spark events or spans were lost (%s)", lost, why)

    def _tell(self, lines: str) -> None:
        detail = options().spark_detail
        for line in lines.split("\n"):
            with guard("spark.record"):
                record = records.read(line)
                if record.trace_id == self._own_trace and not telemetry.sampled(record.trace_id):
                    record = records.unsampled(record)
                if record.name.startswith("spark.application "):
                    record = failed(record, self._error)
                if record.sampled and records.wanted(record, detail):
                    telemetry.tell(record)
                else:
                    record = records.unsampled(record)  # no exemplar leads to what is not told
                if not records.measured(line) and (found := records.points(record)):
                    telemetry.measure(*found)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do here: all was drained, or this is a fork of the process that drains."""
        return os.getpid() != self._pid or not self._thread.is_alive()

    def finish(self) -> None:
        """Take what is left after the context has stopped, within the flush budget."""
        self._wait(time.monotonic(), telemetry.budget())

    def abandon(self, jsc: Any) -> None:
        """End the open spans of a context that nobody stopped, at the interpreter's exit, and take them, too."""
        began = time.monotonic()
        if self.ended:
            return
        self._error = uncaught()
        most = _JVM_SHARE * telemetry.budget()
        # In a thread of its own: a JVM that does not answer (out of memory, stopped) must not hold this process.
        end = threading.Thread(target=self._end, args=(jsc,), name="dagtrace-spark-end", daemon=True)
        end.start()
        end.join(most)
        self._wait(began, most)
        telemetry.flush()

    def _end(self, jsc: Any) -> None:
        with guard("spark.end"), _Quiet(), contextlib.suppress(Py4JError, OSError):
            with contextlib.suppress(Py4JError):  # TimeoutException: what is still on its way is given up
                # Half of the budget: the spans have to be delivered, too.
                jsc.sc().listenerBus().waitUntilEmpty(int(telemetry.budget() * 500) + 1)
            self.listener.finish(True)  # noqa: FBT003 - async; py4j knows no keywords

    def _wait(self, began: float, most: float) -> None:
        self._ending.set()
        if not self.ended:
            self._thread.join(max(0.0, most - (time.monotonic() - began)))
            if not self.ended:  # how many there are only the JVM knows
                warn_once(
                    "spark.late",
                    "the Spark application's last spans were not to be had from its JVM within DAGTRACE_FLUSH_TIMEOUT; "
                    "they are lost",
                )
        telemetry.spend(time.monotonic() - began)
