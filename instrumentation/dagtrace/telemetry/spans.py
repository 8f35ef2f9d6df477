"""SpanRecord to the SDK's span, and the global TracerProvider for spans that the user's own code makes."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from dagtrace import telemetry
from dagtrace.masking import redact
from dagtrace.telemetry import plain
from dagtrace.telemetry.guard import guarded
from dagtrace.telemetry.process import SCOPE


if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from dagtrace import identity
    from dagtrace.record import Attributes, SpanRecord

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)
_NOWHERE = trace.set_span_in_context(trace.INVALID_SPAN, Context())
_LIMITS = SpanLimits()


def to_span(record: SpanRecord, resource: Resource) -> ReadableSpan:
    """Return the SDK's form of a record, within the limits of ``OTEL_SPAN_*_LIMIT`` and of what can be encoded."""
    parent = None
    if record.parent_id is not None:
        parent = SpanContext(record.trace_id, record.parent_id, is_remote=record.remote_parent, trace_flags=_SAMPLED)
    return ReadableSpan(
        name=plain.text(record.name),
        context=SpanContext(record.trace_id, record.span_id, is_remote=False, trace_flags=_SAMPLED),
        parent=parent,
        resource=resource,
        kind=SpanKind.CLIENT if record.client else SpanKind.INTERNAL,
        attributes=_bounded(record.attributes),
        events=[Event(plain.text(e.name), _bounded(e.attributes), e.time_ns) for e in record.events],
        links=[
            Link(SpanContext(k.trace_id, k.span_id, is_remote=True, trace_flags=_SAMPLED), _bounded(k.attributes))
            for k in record.links
        ],
        status=Status(StatusCode.UNSET) if record.error is None else Status(StatusCode.ERROR, plain.text(record.error)),
        start_time=record.start_ns,
        end_time=record.end_ns,
        instrumentation_scope=SCOPE,
    )


def within(span: identity.SpanContext | None) -> Context:
    """
    Return the context of what happens in this span, or in none.

    Never an empty one, which the SDK takes for the current one, where Airflow's own span or the user's may be.
    """
    if span is None:
        return _NOWHERE
    known = SpanContext(
        span.trace_id, span.span_id, is_remote=True, trace_flags=_SAMPLED if span.sampled else _UNSAMPLED
    )
    return trace.set_span_in_context(NonRecordingSpan(known), Context())


def _bounded(attributes: Attributes) -> Any:
    return BoundedAttributes(
        _LIMITS.max_span_attributes, plain.attributes(attributes), max_value_len=_LIMITS.max_span_attribute_length
    )


def _masked(event: Event) -> Event:
    """Return an exception's event with its texts masked, as those of our own spans are; any other as it is."""
    if event.name != "exception":
        return event
    found = {key: redact(value) if isinstance(value, str) else value for key, value in (event.attributes or {}).items()}
    return Event(event.name, _bounded(cast("Any", found)), event.timestamp)


class _Into(SpanProcessor):
    """Sends the user's own spans the way ours go; looks the pipeline up each time, because a fork makes a new one."""

    @guarded
    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        pipeline = telemetry.current()
        resource = pipeline.resource
        told: Any = copy.copy(span)  # there is no public way to change a span that has ended
        if resource is not None:  # after a fork the provider still has its parent's
            told._resource = resource  # noqa: SLF001
        if span.status.description:
            told._status = Status(span.status.status_code, redact(span.status.description))  # noqa: SLF001
        told._events = [_masked(event) for event in span.events]  # noqa: SLF001
        pipeline.queue([told])

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return telemetry.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        telemetry.flush()


class UserTracerProvider(TracerProvider):
    """
    The global provider where nobody else owns it, for what the user's code and other instrumentations trace.

    Airflow 3.2 and later make their own spans through whatever provider is global, orphans all of them where it is not
    Airflow's own: their scopes get a tracer that does nothing. Flushing goes through the one bounded flush, because
    Airflow calls ``force_flush(30000)`` in every task and the SDK would not keep to any bound.
    """

    def get_tracer(self, instrumenting_module_name: str, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return a tracer, one that does nothing for Airflow's own scopes."""
        if instrumenting_module_name.partition(".")[0] == "airflow":
            return trace.NoOpTracer()
        return super().get_tracer(instrumenting_module_name, *args, **kwargs)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush within the budget, however long the caller would wait."""
        return telemetry.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Flush within the budget; the pipeline stays, it is not this provider's."""
        telemetry.flush()

    def _handle_fork(self) -> None:
        """
        Do in a forked child what is needed there: a lock that nobody holds.

        The SDK (1.45) would also detect resources anew, in threads of its own: in every child that user code forks, and
        without end where ``concurrent.futures.thread`` was imported after this provider was made, whose lock is held
        until its own turn comes after the fork. The pipeline knows in which process it is.
        """
        self._tracers_lock = threading.Lock()


def offer_user_provider(resource: Resource) -> None:
    """Set the global TracerProvider unless somebody else has."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        provider = UserTracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(_Into())
        trace.set_tracer_provider(provider)
