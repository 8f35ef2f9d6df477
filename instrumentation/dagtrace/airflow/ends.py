"""
The end of a process that cannot tell its own ``execute``: it was killed, left by ``os._exit``, or is no Python of ours.

Its supervisor tells the span in its place, with how the process ended for what it would have said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace import identity
from dagtrace.airflow import runs
from dagtrace.airflow.failures import failed, how_it_ended
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from dagtrace.airflow.runs import RunIdentity


class End(NamedTuple):
    """How one process ended; moments are nanoseconds since the epoch."""

    pid: int
    start_ns: int
    end_ns: int
    code: int
    """As Python's subprocess gives it: negative for a signal."""
    reported: bool = False
    """The process said itself that its task failed."""
    unwanted: bool = False
    """Its try was over before, so somebody was right to end it: cancelled, which is no error."""
    begun: bool = True
    """Whether it got as far as the task's own code."""

    def error(self) -> str | None:
        """Return the status message."""
        if self.unwanted:
            return None
        if self.code:
            where = "" if self.begun else " before its operator began"
            return f"{'killed by' if self.code < 0 else 'ended with'} {how_it_ended(self.code)}{where}"
        return "its runtime reported a failure" if self.reported else None

    def attributes(self) -> dict[str, Value]:
        """Return what is known of the end."""
        found: dict[str, Value] = {}
        if self.code:
            how = how_it_ended(self.code)
            found[names.PROCESS_EXIT_SIGNAL if self.code < 0 else names.PROCESS_EXIT_CODE] = (
                how if self.code < 0 else self.code
            )
        if self.unwanted:  # what was wrong, if anything, the try says
            found[names.DAGTRACE_ASYNC] = True
        elif self.code or self.reported:
            found.update(failed(how_it_ended(self.code) if self.code else "failed"))
        return found


def span(ti: Any, run: RunIdentity, end: End, what: str | None, more: dict[str, Value] | None = None) -> SpanRecord:
    """Return the ``execute`` span of a process that is gone; ``what`` it executed completes the name, where known."""
    from dagtrace.telemetry.process import host_name

    parent_id = run.try_id(ti.task_id, ti.map_index, ti.try_number)
    return SpanRecord(
        name=f"execute {what}" if what else "execute",
        trace_id=run.trace_id,
        span_id=identity.execution_span_id(parent_id, host_name(), end.pid, end.start_ns),
        parent_id=parent_id,
        start_ns=end.start_ns,
        end_ns=max(end.start_ns, end.end_ns),
        attributes={**runs.attributes_of(ti), **(more or {}), **end.attributes()},
        error=end.error(),
        sampled=run.sampled,
    )
