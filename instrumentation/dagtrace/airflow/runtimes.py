"""
Tasks of other runtimes than Python, which Airflow 3.3's coordinators start (Java, Go, any executable).

Nothing of ours is in their process, so their supervisor tells their ``execute``, however it ended. It begins when the
runtime is told what to do: its own start-up lies before the try, whose start the API server has just been told. No
operator object exists in any process; the coordinator's class stands for it in the span's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagtrace import identity, telemetry
from dagtrace.airflow import compat, ends, handover
from dagtrace.airflow.compat import states
from dagtrace.airflow.failures import points
from dagtrace.airflow.remembered import Remembered
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.record import Value


@dataclass
class _Process:
    """What the supervisor knows of a process it did not fork itself."""

    reported_ns: int | None = None
    """When the runtime said that its task ended, which is the end of the try; its process ends a little later."""
    unwanted: bool = False
    """The try was ended from outside: whoever kills the process now is right."""


_processes: Remembered[int, _Process] = Remembered(1_000)
"""By pid; a supervisor that raises while it waits never says that its process is gone."""


def around_told(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess._on_child_started``, by which every kind of child learns what to do."""
    result = wrapped(*args, **kwargs)
    _adopt(instance)
    return result


@guarded
def _adopt(process: Any) -> None:
    if handover.take() is None:  # else it is one of ours, forked this moment
        _processes[process.pid] = _Process()


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


def tell(process: Any, run: RunIdentity, start_ns: int, end_ns: int) -> None:
    """Tell the ``execute`` of a process that is gone, if it is another runtime's."""
    known = _processes.pop(process.pid, None)
    if known is None:
        return
    state = process.final_state
    end = ends.End(
        process.pid,
        start_ns,
        min(end_ns, known.reported_ns or end_ns),
        int(process._exit_code or 0),
        reported=getattr(state, "value", state) in states.FAILED_STATES,
        unwanted=known.unwanted,
    )
    coordinator = _coordinator(process.ti)
    more: dict[str, Value] = {names.AIRFLOW_COORDINATOR: coordinator} if coordinator else {}
    telemetry.describe("airflow", "worker")
    execution = ends.span(process.ti, run, end, coordinator, more)
    telemetry.tell(execution)
    telemetry.measure(*points(process.ti.dag_id, end.attributes(), execution.context))
    telemetry.flush()


@guarded
def _coordinator(ti: Any) -> str | None:
    return compat.coordinator_of(ti.queue)
