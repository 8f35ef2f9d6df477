"""
Airflow's own traces of the open runs, where they are kept (``DAGTRACE_NATIVE=keep``).

Airflow gives a run another carrier, and so another trace, whenever one of its tasks is cleared, also while the run goes
on; what was told before stays in a trace whose root Airflow never tells. The tries there get a root from us.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from dagtrace.airflow import facts


if TYPE_CHECKING:
    from dagtrace.airflow.database import Key
    from dagtrace.identity import SpanContext
    from dagtrace.record import SpanRecord


class Carriers:
    """Every carrier that each open run was seen with."""

    def __init__(self) -> None:
        self._seen: dict[Key, dict[int, SpanContext]] = {}

    def follow(self, key: Key, run: facts.Run) -> SpanRecord | None:
        """Take note of a run's carrier; return the root of the trace it has left, if it has left one."""
        if run.native is None:
            return None
        seen = self._seen.setdefault(key, {})
        left = next(reversed(seen.values()), run.native)
        seen.setdefault(run.native.trace_id, run.native)
        if left.trace_id == run.native.trace_id:
            return None
        return facts.run_span(dataclasses.replace(run, native=left), last_end_ns=time.time_ns(), sampled=left.sampled)

    def place(self, key: Key, run: facts.Run, row: facts.Try) -> facts.Run:
        """Return the run as this try knew it: in the trace that the task instance's own carrier names."""
        if run.native is None or row.native is None or row.native.trace_id == run.native.trace_id:
            return run
        known = self._seen.get(key, {}).get(row.native.trace_id)
        return dataclasses.replace(run, native=known or dataclasses.replace(row.native, span_id=0))

    def forget(self, key: Key) -> None:
        """Let go of a run that has ended."""
        self._seen.pop(key, None)
