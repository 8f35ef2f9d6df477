"""
The task process: tells ``execute``, and makes it the current span while the operator runs.

One function is wrapped that every normal, mapped, resumed and sensor task goes through; it sees the real exception. The
span is told when Airflow's own work around it is done, too: what goes wrong there (templates, hooks, XComs) fails the
task as well, and nobody else would say why.
"""

from __future__ import annotations

import atexit
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import identity, submit, telemetry
from dagtrace.airflow import compat, dag_test, handover, native, pulls, runs
from dagtrace.airflow.compat import states
from dagtrace.airflow.current import CurrentSpan, attach
from dagtrace.airflow.failures import (
    Failure,
    failed,
    failure_of,
    is_control_flow,
    is_termination,
    points,
    triggers_dag_run,
)
from dagtrace.masking import also
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.submit import carrier
from dagtrace.submit.environment import Environment
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Execution:
    """One process's work on one try, from before the operator's ``execute`` to after it."""

    def __init__(self, ti: Any, task: Any, start_ns: int | None = None, note: handover.Handover | None = None) -> None:
        self._start_ns = start_ns or time.time_ns()
        self._end_ns: int | None = None
        run = runs.identify(ti.dag_id, ti.run_id, *compat.start_and_conf(ti), dag_test.nonce(ti.dag_id))
        run = run.below(native.kept_of(ti))
        self._run = ti.dag_id, ti.run_id
        self._trace_id, self._sampled = run.trace_id, run.sampled
        self._parent_id = run.try_id(ti.task_id, ti.map_index, ti.try_number)
        dag_test.remember(ti, identity.SpanContext(self._trace_id, self._parent_id, self._sampled), self._start_ns)
        self._operator: str = getattr(task, "task_type", None) or type(task).__name__
        self._attributes: dict[str, Value] = {
            **runs.attributes_of(ti),
            names.AIRFLOW_TASK_INSTANCE_OPERATOR: self._operator,
        }
        started = compat.started_at(ti)
        if started is not None:
            started_ns = (note.started_ns() if note is not None else 0) or identity.nanoseconds(started)
            self._attributes[names.AIRFLOW_TASK_INSTANCE_STARTUP_DURATION] = max(0, self._start_ns - started_ns) / 1e9
        self._note = note
        if self._note is not None:
            self._note.begin(self._start_ns, self._operator)
        from dagtrace.telemetry.process import host_name

        self._span_id = identity.execution_span_id(self._parent_id, host_name(), os.getpid(), self._start_ns)
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if self._sampled else trace.TraceFlags.DEFAULT)
        context = trace.SpanContext(
            self._trace_id, self._span_id, is_remote=False, trace_flags=flags, trace_state=native.state()
        )
        self._span = CurrentSpan(context, note)
        self._token = attach(self._span)
        self._environment = Environment(carrier.of(self._span))
        self._logs = compat.bind_to_logs(trace_id=f"{self._trace_id:032x}", span_id=f"{self._span_id:016x}")

    def end(self, error: BaseException | None, state: object = None, end_date: datetime | None = None) -> None:
        """
        Take note that ``execute`` is over, which happens once; ``error`` is what it raised, control flow included.

        ``state`` is what became of the task where no exception says so, ``end_date`` the end that its try was given.
        """
        if self._end_ns is not None:
            return
        self._end_ns = time.time_ns() if end_date is None else identity.nanoseconds(end_date)
        otel_context.detach(self._token)
        self._environment.restore()
        self._failure = failure_of(error, self._end_ns)
        self._terminated = is_termination(error)
        if getattr(state, "value", state) in states.FAILED_STATES:
            self._failure = Failure("the run could not be triggered, or failed", (), failed("failed"))

    def tell(self, error: BaseException | None) -> None:
        """Tell the span; ``error`` is what failed the task, in ``execute`` or outside of it."""
        self.end(None)  # an Airflow that did not do what an exception asked for
        compat.unbind_from_logs(self._logs)
        end_ns, failure = self._end_ns or 0, self._failure
        outlives = self._note is not None and self._note.outlives()
        if failure.message is None and not outlives:  # with nobody left to report to, its report fails, and no task
            failure = failure_of(error, end_ns)
        if self._note is not None and outlives:
            self._attributes[names.DAGTRACE_ASYNC] = True
            if self._note.is_over() and (self._terminated or is_termination(error)):  # cancelled, which is no error
                failure = Failure(None, (), {names.PROCESS_EXIT_SIGNAL: "SIGTERM"})
        record = SpanRecord(
            name=f"execute {self._operator}",
            trace_id=self._trace_id,
            span_id=self._span_id,
            parent_id=self._parent_id,
            start_ns=self._start_ns,
            end_ns=end_ns,
            attributes={**self._span.attributes, **self._attributes, **failure.attributes},
            events=(*(pulls.events(*self._run) or ()), *self._span.events, *failure.events),
            links=tuple(self._span.links),
            error=failure.message or self._span.error,
            sampled=self._sampled,
        )
        for job in self._span.jobs:
            telemetry.tell(job.span(record))
        telemetry.tell(record)
        telemetry.measure(*points(self._run[0], failure.attributes, record.context))
        if self._note is not None:
            # Runs before telemetry's own handler, which was registered earlier; Airflow 3 runs both in a task process.
            atexit.register(_hand_over, self._note, os.getpid())


@guarded
def _hand_over(note: handover.Handover, pid: int) -> None:
    if os.getpid() == pid and telemetry.flush():
        note.delivered()


_at_work: list[Execution | None] = []
"""What this process executes, None before it begins; the innermost last, where a task runs a DAG by ``dag.test()``."""


def around_task(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap what Airflow does with one task, from its templates to the last XCom: ``run(ti, …)``."""
    entered = _enter(args, kwargs)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _leave(entered, error)
        raise
    _leave(entered, None, result)
    return result


class _Entered(NamedTuple):
    ti: Any
    start_ns: int
    pulls: pulls.Pulls
    """Of the outer task."""


@guarded
def _enter(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Entered:
    entered = _Entered(kwargs.get("ti", args[0] if args else None), time.time_ns(), pulls.swap())
    _at_work.append(None)
    return entered


@guarded
def _leave(entered: _Entered | None, error: BaseException | None, result: Any = None) -> None:
    if entered is None:
        return
    execution = _at_work[-1]
    try:
        error = compat.what_failed(entered.ti, error, result)
        if execution is None and error is not None and not is_control_flow(error):
            execution = _begin(entered.ti, entered.ti.task, entered.start_ns)
            if execution is not None:
                execution.end(None, end_date=entered.ti.end_date)  # callbacks may have taken long since then
        if execution is not None:
            execution.tell(error)
    finally:
        _at_work.pop()
        pulls.swap(entered.pulls)


def around_execute(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``task_runner._run_execute_callable(context, execute, task)``; the user's exception passes as it is."""
    _begin_execute(args, kwargs)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _end(error)
        raise
    _end(None)
    return result


@guarded
def _begin_execute(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if _at_work:
        _at_work[-1] = _begin(*compat.task_of(args, kwargs))


def _begin(ti: Any, task: Any, start_ns: int | None = None) -> Execution | None:
    if not options().traces(ti.dag_id):
        return None
    telemetry.describe("airflow", "worker")
    also(compat.mask_as_airflow)
    telemetry.offer_user_provider()
    submit.ready()
    return Execution(ti, task, start_ns, handover.take() if len(_at_work) == 1 else None)


@guarded
def _end(error: BaseException | None) -> None:
    # A run that is to be triggered is: by Airflow, now, which is this task's work (`around_trigger_dag_run`).
    if (execution := _executing()) is not None and not triggers_dag_run(error):
        execution.end(error)


def _executing() -> Execution | None:
    return _at_work[-1] if _at_work else None


def around_process(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 2's ``_run_raw_task``, the task process's whole work: what follows it ends in ``os._exit``."""
    try:
        return wrapped(*args, **kwargs)
    finally:
        _deliver()


@guarded
def _deliver() -> None:
    note = handover.take()
    if telemetry.flush() and note is not None:
        note.delivered()


def around_trigger_dag_run(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """
    Wrap ``_handle_trigger_dag_run``, which returns (message, state): what ``TriggerDagRunOperator`` leaves to Airflow.

    The run is triggered there, and waited for unless that is deferred; without it an operator that waits an hour would
    have worked for a millisecond.
    """
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _end_triggering(error)
        raise
    _end_triggering(None, result)
    return result


@guarded
def _end_triggering(error: BaseException | None, result: Any = (None, None)) -> None:
    if (execution := _executing()) is not None:
        message, state = result
        execution.end(error, state, getattr(message, "end_date", None))
