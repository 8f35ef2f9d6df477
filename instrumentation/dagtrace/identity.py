"""
Ids out of names, so that processes which never talk agree on them.

Scheduler, task process, Spark driver and a later replay each compute the same trace and span ids from what they know
anyway; a second emission of a span is then the same span, not another one. ``io.dagtrace.spark.TraceListener`` has the
same hash in Java; ``tests/test_identity.py`` holds the vectors both must give.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from datetime import datetime

_VERSION = b"\x01"
"""First byte of every hashed input: changing how an id is made changes it, so that old and new never mix."""

_TRACEPARENT = re.compile(r"\s*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\s*", re.ASCII)


def _digest(size: int, parts: tuple[str | int, ...]) -> int:
    """
    Hash ``parts`` to a non-zero integer of ``size`` bytes.

    Each part goes in with its length, so ("ab", "c") and ("a", "bc") differ. SHA-256 because every JVM has it.
    """
    state = hashlib.sha256(_VERSION)
    for part in parts:
        data = str(part).encode()
        state.update(len(data).to_bytes(4, "big") + data)
    return int.from_bytes(state.digest()[:size], "big") or 1


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since the epoch; exact, where ``timestamp()`` would round through a float."""
    return nanoseconds(moment) // 1000


def nanoseconds(moment: datetime) -> int:
    """Return nanoseconds since the epoch of an aware ``datetime``, exact to its microsecond."""
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1_000_000_000 + moment.microsecond * 1_000


def run_trace_id(dag_id: str, run_id: str, generation: int, nonce: str = "") -> int:
    """
    Return the trace id of one generation of a DAG run.

    ``generation`` is ``dag_run.start_date`` in microseconds UTC: Airflow sets it anew exactly when a finished run
    starts again. ``nonce`` is for ``dag.test()``, which stores the logical date as start date.
    """
    return _digest(
        16, ("dag_run", dag_id, run_id, generation, nonce) if nonce else ("dag_run", dag_id, run_id, generation)
    )


def run_span_id(trace_id: int) -> int:
    """Return the span id of the run's root span."""
    return _digest(8, ("dag_run", f"{trace_id:032x}"))


def try_span_id(trace_id: int, task_id: str, map_index: int, try_number: int) -> int:
    """Return the span id of one try of one task instance."""
    return _digest(8, ("task_instance", f"{trace_id:032x}", task_id, map_index, try_number))


def started_span_id(span_id: int) -> int:
    """Return the span id of the marker that says that this span has started."""
    return _digest(8, ("started", f"{span_id:016x}"))


def execution_span_id(try_id: int, host: str, pid: int, start_ns: int) -> int:
    """Return the span id of one process's work on a try: each poke, each side of a deferral has its own."""
    return _digest(8, ("execute", f"{try_id:016x}", host, pid, start_ns))


def remote_job_span_id(execution: int, system: str, job_id: str) -> int:
    """Return the span id of a remote job as one execution saw it."""
    return _digest(8, ("remote", f"{execution:016x}", system, job_id))


def spark_application(
    parent: SpanContext | None, application_id: str, attempt: str, start_ms: int, host: str
) -> SpanContext:
    """
    Return the span of a Spark application, in the trace of its parent or in one of its own.

    As the listener derives it (``TraceListener.Application``): ``host`` is ``spark.driver.host``, because an id of an
    application alone is not unique. A Connect session has its own id, ``""``, its start and the server's address.
    """
    names = ("" if parent is None else f"{parent.span_id:016x}", application_id, attempt, start_ms, host)
    span_id = _digest(8, ("spark.application", *names))
    if parent is not None:
        return SpanContext(parent.trace_id, span_id, parent.sampled)
    return SpanContext(_digest(16, ("spark.trace", *names)), span_id)


def spark_analysis_span_id(application: int, pid: int, number: int, start_ns: int) -> int:
    """Return the span id of a query that Spark refused before it had an execution id; ``number`` counts them."""
    return _digest(8, ("spark.sql", f"{application:016x}", "analysis", pid, number, start_ns))


@dataclass(frozen=True)
class SpanContext:
    """What a child needs to know of its parent: the W3C ``traceparent``, taken apart."""

    trace_id: int
    span_id: int
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The W3C header value, version 00."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"

    @staticmethod
    def parse(header: str | None) -> SpanContext | None:
        """Read a ``traceparent``; anything malformed, all-zero or of the forbidden version ff is None, as W3C asks."""
        match = _TRACEPARENT.fullmatch(header or "")
        if not match or match[1] == "ff" or (match[1] == "00" and match[5]):
            return None
        context = SpanContext(int(match[2], 16), int(match[3], 16), bool(int(match[4], 16) & 1))
        return context if context.trace_id and context.span_id else None
