"""
The supervisor: tells the ``execute`` of a child that could not tell its own.

SIGKILL, OOM, ``os._exit`` in user code and the end of a process whose task was marked by hand run no hook in the child.
Its supervisor sees the exit code, and knows from the shared note (`handover`) what the child had got to.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagtrace import identity, telemetry
from dagtrace.airflow import handover
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dagtrace.airflow.handover import Handover


@dataclass
class _Child:
    """What the supervisor knows of a child from the moment it forks it."""

    note: Handover
    forked_ns: int


_children: dict[int, _Child] = {}
"""By pid."""

_run_starts: dict[str, datetime | None] = {}
"""By task instance id: the run's start date, as the API server said it when the task started."""


def around_fork(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess.start``: leave a note for the child to find."""
    note = _offer()
    forked_ns = time.time_ns()
    try:
        process = wrapped(*args, **kwargs)
    finally:
        handover.withdraw()
    if note is not None:
        _children[process.pid] = _Child(note, forked_ns)
    return process


@guarded
def _offer() -> Handover:
    return handover.offer()


def around_started(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``TaskInstanceOperations.start``: its answer has the run's start date, from which the trace id is made."""
    context = wrapped(*args, **kwargs)
    _remember(args[0] if args else kwargs.get("id"), context)
    return context


@guarded
def _remember(ti_id: Any, context: Any) -> None:
    _run_starts[str(ti_id)] = context.dag_run.start_date


def around_final_state(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap ``update_task_state_if_needed``, called when the child is gone and before its failure is in the database."""
    _tell(instance, time.time_ns())
    return wrapped(*args, **kwargs)


@guarded
def _tell(process: Any, end_ns: int) -> None:
    child = _children.pop(process.pid, None)
    run_start = _run_starts.pop(str(process.id), None)
    ti, code = process.ti, process._exit_code
    if child is None or ti is None or not code or not options().traces(ti.dag_id):
        return
    note = child.note.read()
    if note.delivered:
        return
    telemetry.describe("airflow", "worker")
    start_ns = note.start_ns if note.begun else child.forked_ns
    death = _Death(process.pid, int(code), start_ns, end_ns, note.operator if note.begun else None)
    telemetry.tell(_span(ti, run_start, death))
    telemetry.flush()


@dataclass(frozen=True)
class _Death:
    """How a child ended; ``operator`` is None where it never got to it."""

    pid: int
    code: int
    start_ns: int
    end_ns: int
    operator: str | None


def _span(ti: Any, run_start: datetime | None, death: _Death) -> SpanRecord:
    """Return the span the child would have told, with how it ended in place of what it would have said."""
    from dagtrace.telemetry.process import host_name

    trace_id = identity.run_trace_id(ti.dag_id, ti.run_id, identity.microseconds(run_start) if run_start else 0)
    map_index = -1 if ti.map_index is None else ti.map_index
    parent_id = identity.try_span_id(trace_id, ti.task_id, map_index, ti.try_number)
    attributes: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: ti.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
        names.AIRFLOW_TASK_ID: ti.task_id,
        names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
        names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: map_index,
    }
    how = how_it_ended(death.code)
    attributes[names.ERROR_TYPE] = how
    if death.code < 0:
        attributes[names.PROCESS_EXIT_SIGNAL] = how
    else:
        attributes[names.PROCESS_EXIT_CODE] = death.code
    if death.operator:
        attributes[names.AIRFLOW_TASK_INSTANCE_OPERATOR] = death.operator
    where = "" if death.operator else " before its operator began"
    return SpanRecord(
        name=f"execute {death.operator}" if death.operator else "execute",
        trace_id=trace_id,
        span_id=identity.execution_span_id(parent_id, host_name(), death.pid, death.start_ns),
        parent_id=parent_id,
        start_ns=death.start_ns,
        end_ns=max(death.start_ns, death.end_ns),
        attributes=attributes,
        error=(f"killed by {how}" if death.code < 0 else f"ended with {how}") + where,
        sampled=telemetry.sampled(trace_id),
    )


def how_it_ended(code: int) -> str:
    """Return ``SIGKILL`` or ``exit code 3`` for an exit code as Python's subprocess gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
