"""
The triggerer: tells ``trigger``, what a deferred task waited for.

Triggers run in a child process that has no database, so the parent hands our traceparent over with each trigger, in the
task instance's own ``context_carrier``, under a key Airflow does not read. All triggers share one event loop: nothing
here waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import identity, telemetry
from dagtrace.airflow import compat
from dagtrace.airflow.failures import failure_of
from dagtrace.masking import also
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_KEY = "dagtrace"


def around_workload(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``TriggerRunnerSupervisor._create_workload``: send the try's traceparent along."""
    workload = wrapped(*args, **kwargs)
    if workload is not None:
        _address(workload, kwargs.get("trigger", args[0] if args else None))
    return workload


@guarded
def _address(workload: Any, trigger: Any) -> None:
    ti = getattr(trigger, "task_instance", None)
    if ti is None or workload.ti is None or not options().traces(ti.dag_id):
        return
    run_start = ti.dag_run.start_date
    trace_id = identity.run_trace_id(ti.dag_id, ti.run_id, identity.microseconds(run_start) if run_start else 0)
    parent = identity.SpanContext(
        trace_id,
        identity.try_span_id(trace_id, ti.task_id, ti.map_index, ti.try_number),
        telemetry.sampled(trace_id),
    )
    workload.ti.context_carrier = {**(workload.ti.context_carrier or {}), _KEY: parent.traceparent}


def around_run(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap the coroutine function ``TriggerRunner.run_trigger(trigger_id, trigger, …)``."""
    coroutine = wrapped(*args, **kwargs)
    waiting = _begin(kwargs.get("trigger", args[1] if len(args) > 1 else None))
    return coroutine if waiting is None else waiting.run(coroutine)


@guarded
def _begin(trigger: Any) -> _Waiting | None:
    ti = getattr(trigger, "task_instance", None)
    carrier: dict[str, str] = getattr(ti, "context_carrier", None) or {}
    parent = identity.SpanContext.parse(carrier.get(_KEY))
    if parent is None:
        return None
    telemetry.describe("airflow", "triggerer", lasting=True)
    also(compat.mask_as_airflow)
    return _Waiting(parent, ti, type(trigger).__name__)


class _Waiting:
    """One trigger's life in this process."""

    def __init__(self, parent: identity.SpanContext, ti: Any, trigger_class: str) -> None:
        from dagtrace.telemetry.process import host_name

        self._parent = parent
        self._name = trigger_class
        self._start_ns = time.time_ns()
        self._span_id = identity.execution_span_id(parent.span_id, host_name(), os.getpid(), self._start_ns)
        self._attributes: dict[str, Value] = {
            names.AIRFLOW_DAG_ID: ti.dag_id,
            names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
            names.AIRFLOW_TASK_ID: ti.task_id,
            names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
            names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: -1 if ti.map_index is None else ti.map_index,
            names.AIRFLOW_TRIGGER_NAME: trigger_class,
        }

    async def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await the trigger with its span as the current one; its exception passes as it is."""
        flags = trace.TraceFlags(int(self._parent.sampled))
        context = trace.SpanContext(self._parent.trace_id, self._span_id, is_remote=False, trace_flags=flags)
        # Each trigger is an asyncio task with a context of its own, so nothing has to be detached.
        otel_context.attach(trace.set_span_in_context(trace.NonRecordingSpan(context), otel_context.Context()))
        try:
            result = await coroutine
        except BaseException as error:
            self._tell(error)
            raise
        self._tell(None)
        return result

    @guarded
    def _tell(self, error: BaseException | None) -> None:
        end_ns = time.time_ns()
        # Cancelled: the triggerer stops, or somebody acted on the task; nothing went wrong.
        failed = None if isinstance(error, asyncio.CancelledError) else error
        failure = failure_of(failed, end_ns)
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
