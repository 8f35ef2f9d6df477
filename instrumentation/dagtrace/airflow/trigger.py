"""
The triggerer: tells ``trigger``, what a deferred task waited for.

Triggers run where nobody may wait for a database (in 3.x in a child process that has none), so the triggerer hands our
traceparent over with each trigger's task instance. All triggers share one event loop: nothing here waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timezone
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import identity, telemetry
from dagtrace.airflow import compat, dag_test, runs
from dagtrace.airflow.failures import Failure, failure_of
from dagtrace.masking import also
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import datetime


def around_fetch(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``Trigger.bulk_fetch``, by which the triggerer loads the triggers it will run: send each try's id along."""
    found = wrapped(*args, **kwargs)
    _address(found)
    return found


@guarded
def _address(triggers: Mapping[int, Any]) -> None:
    deferred = (trigger.task_instance for trigger in triggers.values())
    instances = [ti for ti in deferred if ti is not None and options().traces(ti.dag_id)]
    if not instances:
        return
    from dagtrace.airflow.database import connect

    database = connect()
    if database is None:
        return
    telemetry.describe("airflow", "triggerer", lasting=True)
    found = {(run.dag_id, run.run_id): run for _, run in database.runs({(ti.dag_id, ti.run_id) for ti in instances})}
    for ti in instances:
        run = found.get((ti.dag_id, ti.run_id))
        if run is not None and run.native is None:  # else Airflow tells its triggers itself
            span_id = run.who.try_id(ti.task_id, ti.map_index, ti.try_number)
            parent = identity.SpanContext(run.trace_id, span_id, run.who.sampled)
            compat.give_traceparent(ti, parent.traceparent)


def around_run(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap the coroutine function ``TriggerRunner.run_trigger(trigger_id, trigger, …)``."""
    coroutine = wrapped(*args, **kwargs)
    waiting = _begin(kwargs.get("trigger", args[1] if len(args) > 1 else None))
    return coroutine if waiting is None else waiting.run(coroutine)


def around_inline(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``_run_inline_trigger(trigger, …)``, by which ``dag.test()`` runs a trigger itself."""
    waiting = _begin_inline(kwargs.get("trigger", args[0] if args else None))
    if waiting is None:
        return wrapped(*args, **kwargs)
    return waiting.call(wrapped, args, kwargs)


@guarded
def _begin(trigger: Any) -> _Waiting | None:
    ti = getattr(trigger, "task_instance", None)
    parent = identity.SpanContext.parse(compat.given_traceparent(ti))
    if parent is None:
        return None
    telemetry.describe("airflow", "triggerer", lasting=True)
    also(compat.mask_as_airflow)
    return _Waiting(parent, ti, type(trigger).__name__, compat.trigger_timeout(trigger))


@guarded
def _begin_inline(trigger: Any) -> _Waiting | None:
    deferred = dag_test.at_work()
    return None if deferred is None else _Waiting(deferred[1], deferred[0], type(trigger).__name__)


class _Waiting:
    """One trigger's life in this process."""

    def __init__(
        self, parent: identity.SpanContext, ti: Any, trigger_class: str, timeout_after: datetime | None = None
    ) -> None:
        from dagtrace.telemetry.process import host_name

        self._parent = parent
        self._name = trigger_class
        self._timeout_after = timeout_after
        self._start_ns = time.time_ns()
        self._span_id = identity.execution_span_id(parent.span_id, host_name(), os.getpid(), self._start_ns)
        self._attributes: dict[str, Value] = {**runs.attributes_of(ti), names.AIRFLOW_TRIGGER_NAME: trigger_class}

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await the trigger with its span as the current one; its exception passes as it is."""
        # Each trigger is an asyncio task with a context of its own, so nothing has to be detached.
        otel_context.attach(self._context())
        try:
            result = await coroutine
        except BaseException as error:
            self._tell(error)
            raise
        self._tell(None)
        return result

    def call(self, wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the trigger in this thread, with its span as the current one; its exception passes as it is."""
        token = otel_context.attach(self._context())
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._tell(error)
            raise
        finally:
            otel_context.detach(token)
        self._tell(None)
        return result

    def _context(self) -> otel_context.Context:
        flags = trace.TraceFlags(int(self._parent.sampled))
        context = trace.SpanContext(self._parent.trace_id, self._span_id, is_remote=False, trace_flags=flags)
        return trace.set_span_in_context(trace.NonRecordingSpan(context), otel_context.Context())

    def _failure(self, error: BaseException | None, time_ns: int) -> Failure:
        """
        Return what went wrong.

        A trigger that was cancelled was stopped by somebody, unless its time was up. Either way the scheduler, which
        says so, goes on with the task at once, while the triggerer hears of it when it looks next: the try may be over.
        """
        if not isinstance(error, asyncio.CancelledError):
            return failure_of(error, time_ns)
        late: dict[str, Value] = {names.DAGTRACE_ASYNC: True}
        limit = self._timeout_after
        if limit is None or identity.nanoseconds(limit.replace(tzinfo=limit.tzinfo or timezone.utc)) > time_ns:
            return Failure(None, (), late)
        return Failure("Trigger timeout", (), {**late, names.ERROR_TYPE: "timeout"})  # Airflow's own words for it

    @guarded
    def _tell(self, error: BaseException | None) -> None:
        end_ns = time.time_ns()
        failure = self._failure(error, end_ns)
        telemetry.tell(
            SpanRecord(
                name=f"trigger {self._name}",
                trace_id=self._parent.trace_id,
                span_id=self._span_id,
                parent_id=self._parent.span_id,
                start_ns=self._start_ns,
                end_ns=end_ns,
                attributes={**self._attributes, **failure.attributes},
                events=failure.events,
                error=failure.message,
                sampled=self._parent.sampled,
            )
        )
