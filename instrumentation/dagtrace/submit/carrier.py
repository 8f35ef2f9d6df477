"""What is carried: the W3C trace context of the span that starts something, and nothing else, never a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import trace

from dagtrace.identity import SpanContext


if TYPE_CHECKING:
    from opentelemetry.trace import Span

TRACEPARENT = "TRACEPARENT"
TRACESTATE = "TRACESTATE"
"""Names of environment variables, as OpenTelemetry's specification has them (context/env-carriers)."""

CONF = "spark.dagtrace.traceparent"
"""In a Spark configuration: the parent of the application."""


class Carrier(NamedTuple):
    """One span's ids, as its children in other processes are told them."""

    traceparent: str
    tracestate: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables to set."""
        state = {TRACESTATE: self.tracestate} if self.tracestate else {}
        return {TRACEPARENT: self.traceparent, **state}


def of(span: Span) -> Carrier | None:
    """Return what to carry of a span, None for the invalid one."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    header = SpanContext(context.trace_id, context.span_id, context.trace_flags.sampled).traceparent
    return Carrier(header, context.trace_state.to_header())


def current() -> Carrier | None:
    """Return the active span's, inside a task that is traced; None elsewhere: an excluded DAG carries nothing."""
    from dagtrace.airflow.current import execution

    return of(trace.get_current_span()) if execution() is not None else None
