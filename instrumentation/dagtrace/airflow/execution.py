"""
The task process: tells ``execute``, and makes it the current span while the operator runs.

One function is wrapped, the one every normal, mapped, resumed and sensor task goes through; it sees the real exception.
"""

from __future__ import annotations

import atexit
import os
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import identity, telemetry
from dagtrace.airflow import compat, dag_test, handover
from dagtrace.airflow.current import CurrentSpan
from dagtrace.airflow.failures import failure_of
from dagtrace.masking import also
from dagtrace.options import options
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable


class Execution:
    """One process's work on one try, from before the operator's ``execute`` to after it."""

    def __init__(self, ti: Any, task: Any) -> None:
        self._start_ns = time.time_ns()
        run_start = compat.run_start(ti)
        self._trace_id = identity.run_trace_id(
            ti.dag_id,
            ti.run_id,
            identity.microseconds(run_start) if run_start else 0,
            dag_test.nonce(ti.dag_id),
        )
        self._sampled = telemetry.sampled(self._trace_id)
        map_index = -1 if ti.map_index is None else ti.map_index
        self._parent_id = identity.try_span_id(self._trace_id, ti.task_id, map_index, ti.try_number)
        self._operator: str = getattr(task, "task_type", None) or type(task).__name__
        self._attributes: dict[str, Value] = {
            names.AIRFLOW_DAG_ID: ti.dag_id,
            names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
            names.AIRFLOW_TASK_ID: ti.task_id,
            names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
            names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: map_index,
            names.AIRFLOW_TASK_INSTANCE_OPERATOR: self._operator,
        }
        self._note = handover.take()
        if self._note is not None:
            self._note.begin(self._start_ns, self._operator)
        from dagtrace.telemetry.process import host_name

        self._span_id = identity.execution_span_id(self._parent_id, host_name(), os.getpid(), self._start_ns)
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if self._sampled else trace.TraceFlags.DEFAULT)
        self._span = CurrentSpan(trace.SpanContext(self._trace_id, self._span_id, is_remote=False, trace_flags=flags))
        # An empty context below: what the executor's process had current when it forked is not this task's parent.
        self._token = otel_context.attach(trace.set_span_in_context(self._span, otel_context.Context()))
        self._logs = compat.bind_to_logs(trace_id=f"{self._trace_id:032x}", span_id=f"{self._span_id:016x}")

    def end(self, error: BaseException | None) -> None:
        """Tell the span; ``error`` is what ``execute`` raised, also where that is control flow."""
        end_ns = time.time_ns()
        otel_context.detach(self._token)
        compat.unbind_from_logs(self._logs)
        failure = failure_of(error, end_ns)
        telemetry.tell(
            SpanRecord(
                name=f"execute {self._operator}",
                trace_id=self._trace_id,
                span_id=self._span_id,
                parent_id=self._parent_id,
                start_ns=self._start_ns,
                end_ns=end_ns,
                attributes={**self._span.attributes, **self._attributes, **failure.attributes},
                events=(*self._span.events, *failure.events),
                links=tuple(self._span.links),
                error=failure.message or self._span.error,
                sampled=self._sampled,
            )
        )
        if self._note is not None:
            # Runs before telemetry's own handler, which was registered earlier; Airflow 3 runs both in a task process.
            atexit.register(_hand_over, self._note, os.getpid())


@guarded
def _hand_over(note: handover.Handover, pid: int) -> None:
    if os.getpid() == pid and telemetry.flush():
        note.delivered()


def around_execute(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``task_runner._run_execute_callable(context, execute, task)``; the user's exception passes as it is."""
    execution = _begin(args, kwargs)
    if execution is None:
        return wrapped(*args, **kwargs)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _end(execution, error)
        raise
    _end(execution, None)
    return result


@guarded
def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution | None:
    ti, task = compat.task_of(args, kwargs)
    if not options().traces(ti.dag_id):
        return None
    telemetry.describe("airflow", "worker")
    also(compat.mask_as_airflow)
    telemetry.offer_user_provider()
    return Execution(ti, task)


@guarded
def _end(execution: Execution, error: BaseException | None) -> None:
    execution.end(error)
