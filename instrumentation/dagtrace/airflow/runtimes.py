"""
Tasks of other runtimes than Python, which Airflow 3.3's coordinators start (Java, Go, any executable).

Nothing of ours is in their process, so their supervisor tells their ``execute``, however it ended. It begins when the
runtime is told what to do: its own start-up lies before the try, whose start the API server has just been told. No
operator object exists in any process; the coordinator's class stands for it in the span's name.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagtrace import identity, telemetry
from dagtrace.airflow import compat, handover
from dagtrace.airflow.failures import how_it_ended
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.airflow.runs import RunIdentity

_MOST = 1_000
"""Processes remembered, the oldest go first: a supervisor that raises while it waits never says that one is gone."""


@dataclass
class _Process:
    """What the supervisor knows of a process it did not fork itself."""

    started_ns: int
    reported_ns: int | None = None
    """When the runtime said that its task ended, which is the end of the try; its process ends a little later."""
    unwanted: bool = False
    """The try was ended from outside: whoever kills the process now is right."""


_processes: OrderedDict[int, _Process] = OrderedDict()
"""By pid."""

_began: tuple[str, int] = ("", 0)
"""The task instance that the API server was asked to start last, and when it had answered."""


def began(ti_id: str) -> None:
    """Take note that the API server has started a task instance; what runs it is told next."""
    global _began  # noqa: PLW0603
    _began = ti_id, time.time_ns()


def around_told(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess._on_child_started``, by which every kind of child learns what to do."""
    result = wrapped(*args, **kwargs)
    _adopt(instance)
    return result


@guarded
def _adopt(process: Any) -> None:
    if handover.take() is not None:
        return  # one of ours, forked this moment
    ti_id, started_ns = _began
    _processes[process.pid] = _Process(started_ns if ti_id == str(process.id) else time.time_ns())
    while len(_processes) > _MOST:
        _processes.popitem(last=False)


def around_report(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess._send_terminal_state_msg(msg)``: a child's word on its way to the database."""
    _note(instance, args[0] if args else kwargs.get("msg"))
    return wrapped(*args, **kwargs)


@guarded
def _note(process: Any, message: Any) -> None:
    known, end_date = _processes.get(process.pid), getattr(message, "end_date", None)
    if known is not None and end_date is not None:
        known.reported_ns = identity.nanoseconds(end_date)


def refuse(pid: int) -> None:
    """Take note that the process with this pid is not wanted any more."""
    if known := _processes.get(pid):
        known.unwanted = True


def tell(process: Any, run: RunIdentity, end_ns: int) -> None:
    """Tell the ``execute`` of a process that is gone, if it is another runtime's."""
    known = _processes.pop(process.pid, None)
    if known is None:
        return
    telemetry.describe("airflow", "worker")
    state = process.final_state
    failed = getattr(state, "value", state) in compat.FAILED_STATES
    end_ns = max(known.started_ns, min(end_ns, known.reported_ns or end_ns))
    telemetry.tell(_span(process, run, known, end_ns, failed=failed))
    telemetry.flush()


def _span(process: Any, run: RunIdentity, known: _Process, end_ns: int, *, failed: bool) -> SpanRecord:
    from dagtrace.telemetry.process import host_name

    ti = process.ti
    map_index = -1 if ti.map_index is None else ti.map_index
    parent_id = run.try_id(ti.task_id, map_index, ti.try_number)
    coordinator = _coordinator(ti)
    error, attributes = outcome(int(process._exit_code or 0), failed=failed, unwanted=known.unwanted)
    if coordinator:
        attributes[names.AIRFLOW_COORDINATOR] = coordinator
    return SpanRecord(
        name=f"execute {coordinator}" if coordinator else "execute",
        trace_id=run.trace_id,
        span_id=identity.execution_span_id(parent_id, host_name(), process.pid, known.started_ns),
        parent_id=parent_id,
        start_ns=known.started_ns,
        end_ns=end_ns,
        attributes={
            names.AIRFLOW_DAG_ID: ti.dag_id,
            names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
            names.AIRFLOW_TASK_ID: ti.task_id,
            names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
            names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: map_index,
            **attributes,
        },
        error=error,
        sampled=run.sampled,
    )


@guarded
def _coordinator(ti: Any) -> str | None:
    return compat.coordinator_of(ti.queue)


def outcome(code: int, *, failed: bool, unwanted: bool = False) -> tuple[str | None, dict[str, Value]]:
    """Return status message and attributes for an exit code and what the runtime reported before it."""
    attributes: dict[str, Value] = {}
    error = "its runtime reported a failure" if failed else None
    kind = "failed"
    if code:
        kind = how_it_ended(code)
        error = f"killed by {kind}" if code < 0 else f"ended with {kind}"
        attributes[names.PROCESS_EXIT_SIGNAL if code < 0 else names.PROCESS_EXIT_CODE] = kind if code < 0 else code
    if unwanted:  # cancelled, which is no error; what was wrong, if anything, the try says
        error = None
        attributes[names.DAGTRACE_ASYNC] = True
    if error is not None:
        attributes[names.ERROR_TYPE] = kind
    return error, attributes
