"""
The supervisor: tells the ``execute`` of a child that could not tell its own.

SIGKILL, OOM, ``os._exit`` in user code and the end of a process whose task was marked by hand run no hook in the child.
Its supervisor sees the exit code, and knows from the shared note (`handover`) what the child had got to. Where the
supervisor dies itself, its child goes on and tells its own.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dagtrace import identity, telemetry
from dagtrace.airflow import handover, native, runs, runtimes
from dagtrace.airflow.failures import how_it_ended
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.airflow.handover import Handover
    from dagtrace.airflow.runs import RunIdentity

K = TypeVar("K")
V = TypeVar("V")


@dataclass
class _Child:
    """What the supervisor knows of a child from the moment it forks it."""

    note: Handover
    started_ns: int


_MOST = 1_000
"""
Children and starts remembered, the oldest go first: a supervisor that raises while it waits never says that its child
is gone, and the process it runs in (a LocalExecutor's or Celery's worker) may live for weeks.
"""

_children: OrderedDict[int, _Child] = OrderedDict()
"""By pid."""

_runs: OrderedDict[str, RunIdentity] = OrderedDict()
"""By task instance id: who its run is, as the API server said when the task started."""

_REFUSALS = (404, 409, 410)
"""HTTP status of a heartbeat by which the API server says that the task should not be running any more."""


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > _MOST:
        known.popitem(last=False)


def around_fork(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``ActivitySubprocess.start``: leave a note for the child to find."""
    note = _offer()
    forked_ns = time.time_ns()
    try:
        process = wrapped(*args, **kwargs)
    finally:
        handover.withdraw()
    if note is not None:
        _remember(_children, process.pid, _Child(note, forked_ns))
    return process


@guarded
def _offer() -> Handover:
    return handover.offer()


def around_started(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``TaskInstanceOperations.start``: its answer has what the run's ids are made from."""
    context = wrapped(*args, **kwargs)
    _started(args[0] if args else kwargs.get("id"), context)
    return context


@guarded
def _started(ti_id: Any, context: Any) -> None:
    run = context.dag_run
    who = runs.identify(run.dag_id, run.run_id, run.start_date, run.conf)
    _remember(_runs, str(ti_id), who)
    runtimes.began(str(ti_id))


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
        child.note.unwanted() if child is not None else runtimes.refuse(pid)


def around_final_state(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap ``update_task_state_if_needed``, called when the child is gone and before its failure is in the database."""
    _tell(instance, time.time_ns())
    return wrapped(*args, **kwargs)


@guarded
def _tell(process: Any, end_ns: int) -> None:
    child, ti = _children.pop(process.pid, None), process.ti
    run = _runs.pop(str(process.id), None)
    if ti is None or not options().traces(ti.dag_id):
        return
    run = run or runs.identify(ti.dag_id, ti.run_id, None, None)
    run = run.below(native.kept_of(ti))
    if child is None:
        runtimes.tell(process, run, end_ns)
    else:
        tell_end(ti, run, child.note, End(process.pid, int(process._exit_code or 0), child.started_ns, end_ns))


def tell_end(ti: Any, run: RunIdentity, note: Handover, end: End) -> None:
    """Tell the execution of a child that ended as ``end`` says, unless it told its own."""
    left = note.read()
    if not end.code or left.delivered or not options().traces(ti.dag_id):
        return
    if left.begun:
        end = replace(end, start_ns=left.start_ns, operator=left.operator)
    telemetry.describe("airflow", "worker")
    telemetry.tell(_span(ti, run, replace(end, unwanted=left.unwanted)))
    telemetry.flush()


@dataclass(frozen=True)
class End:
    """How a child ended; ``operator`` is None where it never got to it, ``unwanted`` where its try was over before."""

    pid: int
    code: int
    start_ns: int
    end_ns: int
    operator: str | None = None
    unwanted: bool = False

    def attributes(self) -> dict[str, Value]:
        """Return what is known of the process and its end."""
        how = how_it_ended(self.code)
        found: dict[str, Value] = {}
        if self.unwanted:  # cancelled, which is no error; what was wrong, if anything, the try says
            found[names.DAGTRACE_ASYNC] = True
        else:
            found[names.ERROR_TYPE] = how
        if self.code < 0:
            found[names.PROCESS_EXIT_SIGNAL] = how
        else:
            found[names.PROCESS_EXIT_CODE] = self.code
        if self.operator:
            found[names.AIRFLOW_TASK_INSTANCE_OPERATOR] = self.operator
        return found

    def error(self) -> str | None:
        """Return the status message."""
        where = "" if self.operator else " before its operator began"
        how = f"{'killed by' if self.code < 0 else 'ended with'} {how_it_ended(self.code)}{where}"
        return None if self.unwanted else how


def _span(ti: Any, run: RunIdentity, end: End) -> SpanRecord:
    """Return the span the child would have told, with how it ended in place of what it would have said."""
    from dagtrace.telemetry.process import host_name

    map_index = -1 if ti.map_index is None else ti.map_index
    parent_id = run.try_id(ti.task_id, map_index, ti.try_number)
    return SpanRecord(
        name=f"execute {end.operator}" if end.operator else "execute",
        trace_id=run.trace_id,
        span_id=identity.execution_span_id(parent_id, host_name(), end.pid, end.start_ns),
        parent_id=parent_id,
        start_ns=end.start_ns,
        end_ns=max(end.start_ns, end.end_ns),
        attributes={
            names.AIRFLOW_DAG_ID: ti.dag_id,
            names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
            names.AIRFLOW_TASK_ID: ti.task_id,
            names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
            names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: map_index,
            **end.attributes(),
        },
        error=end.error(),
        sampled=run.sampled,
    )
