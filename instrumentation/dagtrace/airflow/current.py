"""
The span that is current in user code: it takes what the user adds, and its end is ours to tell.

A real SDK span would draw its own ids; a non-recording one would throw away ``get_current_span().set_attribute(…)``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace.airflow.failures import failure_of
from dagtrace.masking import redact
from dagtrace.record import Event, Link, Value


if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token

    from dagtrace.airflow.handover import Handover
    from dagtrace.submit.jobs import Job

_EXECUTION = otel_context.create_key("dagtrace.execution")

_MOST = 128
"""Attributes, events and links each: OpenTelemetry's own default limit."""


class CurrentSpan(trace.Span):
    """What user code sees as the current span while its operator runs."""

    def __init__(self, context: trace.SpanContext, note: Handover | None = None) -> None:
        self._context = context
        self._note = note
        self.jobs: list[Job] = []
        """Remote jobs seen from here, in their order."""
        self.attributes: dict[str, Value] = {}
        self.events: list[Event] = []
        self.links: list[Link] = []
        self.error: str | None = None

    def get_span_context(self) -> trace.SpanContext:
        """Return the ids that children take as their parent's."""
        return self._context

    def is_recording(self) -> bool:
        """Whether it is worth while to add anything."""
        return self._context.trace_flags.sampled

    def end(self, end_time: int | None = None) -> None:
        """Nothing: it ends when the operator does."""

    def update_name(self, name: str) -> None:
        """Nothing: names are of low cardinality, and ours."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Keep the user's attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        """Keep one of the user's attributes; names that ``execute`` has itself go under when it is told."""
        if len(self.attributes) < _MOST or key in self.attributes:
            self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Keep one of the user's events."""
        if len(self.events) < _MOST:
            self.events.append(Event(name, timestamp or time.time_ns(), dict(attributes or {})))

    def add_link(self, context: trace.SpanContext, attributes: Any = None) -> None:
        """Keep one of the user's links."""
        if context.is_valid and len(self.links) < _MOST:
            self.links.append(Link(context.trace_id, context.span_id, dict(attributes or {})))

    def saw(self, job: Job) -> None:
        """Let the supervisor know of a remote job, should it have to tell what this process cannot."""
        if self._note is not None:
            self._note.job(job.start_ns, job.attributes)

    def set_status(self, status: Any, description: str | None = None) -> None:
        """Remember that the user calls it a failure, or no longer."""
        code = cast("trace.StatusCode", getattr(status, "status_code", status))
        text = description or getattr(status, "description", None) or ""
        self.error = redact(text) if code is trace.StatusCode.ERROR else None

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - OpenTelemetry's signature
    ) -> None:
        """Keep an exception that the user handled, masked."""
        for event in failure_of(exception, timestamp or time.time_ns()).events:
            self.add_event(event.name, {**event.attributes, **dict(attributes or {})}, event.time_ns)


def attach(span: CurrentSpan) -> Token[otel_context.Context]:
    """
    Make an execution the current span, and what ``execution()`` returns while user code opens spans below it.

    An empty context lies below: what the executor's process had current when it forked is not this task's parent.
    """
    context = trace.set_span_in_context(span, otel_context.Context())
    return otel_context.attach(otel_context.set_value(_EXECUTION, span, context))


def execution() -> CurrentSpan | None:
    """Return the execution this code is a part of; None outside of one, and in a task that is not traced."""
    found = otel_context.get_value(_EXECUTION)
    return found if isinstance(found, CurrentSpan) else None
