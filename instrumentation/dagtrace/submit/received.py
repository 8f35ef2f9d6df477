"""
The other end, in a plain Python process: one that was started with ``TRACEPARENT`` becomes that span's child.

What its code traces with OpenTelemetry's API hangs below the task that started it, whoever owns the TracerProvider.
Where nobody has set one by the time of the first span, ours takes it; a program that sets its own does so before that.
The parent is current in the main thread; other threads begin without one, as with any context of OpenTelemetry's.
A Spark driver's application has the same parent by itself (`dagtrace.spark.parents`).
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import telemetry
from dagtrace.identity import SpanContext
from dagtrace.submit.carrier import TRACEPARENT, TRACESTATE
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable


@guarded
def receive() -> None:
    """Make the carried span current; called once ``opentelemetry.trace`` is imported."""
    parent = SpanContext.parse(os.environ.get(TRACEPARENT))
    if parent is None or trace.get_current_span() is not trace.INVALID_SPAN:
        return
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if parent.sampled else trace.TraceFlags.DEFAULT)
    state = trace.TraceState.from_header([os.environ.get(TRACESTATE, "")])
    carried = trace.SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags, trace_state=state)
    otel_context.attach(trace.set_span_in_context(trace.NonRecordingSpan(carried)))
    for method in ("start_span", "start_as_current_span"):
        setattr(trace.ProxyTracer, method, _offering(getattr(trace.ProxyTracer, method)))


def _offering(start: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(start)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        _offer()
        return start(*args, **kwargs)

    return wrapper


@guarded
def _offer() -> None:
    """Take the spans of a process in which nobody else does; Airflow's own processes are `dagtrace.airflow`'s."""
    if "airflow" in sys.modules or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    telemetry.describe(Path(sys.argv[0]).stem.strip("-") or "python")
    telemetry.offer_user_provider()
