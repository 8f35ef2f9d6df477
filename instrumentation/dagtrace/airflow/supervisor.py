"""
The supervisor: tells the ``execute`` of a child that could not tell its own.

SIGKILL, OOM, ``os._exit`` in user code and the end of a process whose task was marked by hand run no hook in the child.
Its supervisor sees the exit code, and knows from the shared note (`handover`) what the child had got to. Where the
supervisor dies itself, its child goes on and tells its own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace import identity, telemetry
from dagtrace.airflow import ends, handover, native, runs, runtimes
from dagtrace.airflow.ends import End
from dagtrace.airflow.failures import points
from dagtrace.airflow.remembered import Remembered
from dagtrace.options import options
from dagtrace.semconv import attributes as names
from dagtrace.submit import jobs
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dagtrace.airflow.handover import Handover
    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.record import Value


class _Start(NamedTuple):
    """What the API server said of a task that was about to start, and when."""

    who: RunIdentity
    at_ns: int


_MOST = 1_000
"""
Children and starts remembered, the oldest go first: a supervisor that raises while it waits never says that its child
is gone, and the process it runs in (a LocalExecutor's or Celery's worker) may live for weeks.
"""

_children: Remembered[int, Handover] = Remembered(_MOST)
"""By pid, what is shared with a child."""

_starts: Remembered[str, _Start] = Remembered(_MOST)
"""By task instance id."""

_REFUSALS = (404, 409, 410)
"""HTTP status of a heartbeat by which the API server says that the task should not be running any more."""


def around_fork(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess.start``: leave a note for the child to find."""
    with handover.offered() as note:
        process = wrapped(*args, **kwargs)
    _adopt(process, note)
    return process


@guarded
def _adopt(process: Any, note: Handover | None) -> None:
    if note is not None:
        _children[process.pid] = note


def around_started(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``TaskInstanceOperations.start(id, pid, when)``: its answer has what the run's ids are made from."""
    _starting(args[2] if len(args) > 2 else kwargs.get("when"))  # noqa: PLR2004 - the third
    context = wrapped(*args, **kwargs)
    _started(args[0] if args else kwargs.get("id"), context)
    return context


@guarded
def _starting(when: datetime | None) -> None:
    """Say when the try starts to the child that this thread has just forked; it has only its own clock for that."""
    if when is not None and (note := handover.take()) is not None:
        note.started(identity.nanoseconds(when))


@guarded
def _started(ti_id: Any, context: Any) -> None:
    run = context.dag_run
    who = runs.identify(run.dag_id, run.run_id, run.start_date, run.conf)
    _starts[str(ti_id)] = _Start(who, time.time_ns())


def around_heartbeat(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Wrap ``TaskInstanceOperations.heartbeat(id, pid)``: its refusal says that the try is over.

    It was marked by hand, cleared, or its run timed out; the supervisor kills the process next, which may tell its own
    ``execute`` on the way.
    """
    try:
        return wrapped(*args, **kwargs)
    except Exception as error:
        _refused(error, args[1] if len(args) > 1 else kwargs.get("pid"))
        raise


@guarded
def _refused(error: Exception, pid: Any) -> None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    child = _children.get(pid)
    if status in _REFUSALS:
        child.unwanted() if child is not None else runtimes.refuse(pid)


def around_final_state(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap ``update_task_state_if_needed``, called when the child is gone and before its failure is in the database."""
    _tell(instance, time.time_ns())
    return wrapped(*args, **kwargs)


@guarded
def _tell(process: Any, end_ns: int) -> None:
    child, ti = _children.pop(process.pid, None), process.ti
    start = _starts.pop(str(process.id), None)
    if ti is None or not options().traces(ti.dag_id):
        return
    who, start_ns = start or _Start(runs.identify(ti.dag_id, ti.run_id, None, None), end_ns)
    who = who.below(native.kept_of(ti))
    if child is None:
        runtimes.tell(process, who, start_ns, end_ns)
    else:
        # One that has reported how its task ended is killed only because callbacks or listeners took too long.
        reported = getattr(process, "_terminal_state", None) is not None
        tell_end(ti, who, child, End(process.pid, start_ns, end_ns, int(process._exit_code or 0), unwanted=reported))


def tell_end(ti: Any, run: RunIdentity, note: Handover, end: End) -> None:
    """Tell the execution of a child that ended as ``end`` says, unless it told its own."""
    left = note.read()
    if not end.code or left.delivered or not options().traces(ti.dag_id):
        return
    more: dict[str, Value] = {}
    if left.begun:
        end = end._replace(start_ns=left.start_ns)
        more[names.AIRFLOW_TASK_INSTANCE_OPERATOR] = left.operator
    end = end._replace(begun=left.begun, unwanted=left.unwanted or end.unwanted)
    job = None
    if left.job is not None:
        start_ns, attributes = left.job
        job = jobs.Job(start_ns, end.end_ns, dict(attributes))
        more.update(job.attributes)
    telemetry.describe("airflow", "worker")
    execution = ends.span(ti, run, end, left.operator, more)
    telemetry.tell(execution)
    if job is not None:
        telemetry.tell(job.span(execution))
    telemetry.measure(*points(ti.dag_id, end.attributes(), execution.context))
    telemetry.flush()
