"""
Which span a Spark job belongs to: the one active in the Python thread that ran the action.

Spark copies a thread's *local properties* into each job it starts. In PySpark's pinned mode (the default) a Python
thread has a py4j connection and a JVM thread of its own, so before a command goes out on a connection whose property is
out of date, one extra command sets it. That is one py4j call (0.3 ms) per change of the active span and 1 to 2 µs for
any other command. Inherited properties (``pyspark.InheritableThread``) stay, as long as the thread has no span itself.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN, get_current_span

from dagtrace.identity import SpanContext
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

TRACEPARENT = "spark.dagtrace.traceparent"
"""In SparkConf: the parent of the application."""

LOCAL = "dagtrace.traceparent"
"""
As a local property: the parent of this thread's jobs.

Its name must not begin with ``spark``: SQL executions copy every ``spark*`` entry of the session's conf, SparkConf's
included, over the local properties of their jobs (``SQLExecution.withSQLConfPropagated``).
"""

_CALL = "c\n"  # py4j.protocol.CALL_COMMAND_NAME: only a call can start a job; the rest is bookkeeping


def traceparent_of(span: Span) -> str | None:
    """Return the W3C header of an OpenTelemetry span, None for the invalid one."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return SpanContext(context.trace_id, context.span_id, context.trace_flags.sampled).traceparent


def application_parent() -> str:
    """Return the parent of an application that starts now: the active span, else the environment's, else ""."""
    inherited = SpanContext.parse(os.environ.get("TRACEPARENT"))
    return traceparent_of(get_current_span()) or (inherited.traceparent if inherited else "")


class _Properties:
    """The local properties of one SparkContext; a new context starts with none."""

    def __init__(self, jsc: Any) -> None:
        self.jsc = jsc


_properties: _Properties | None = None


def follow(jsc: Any) -> None:
    """Keep the property of every thread up to date in this JavaSparkContext; None to stop."""
    global _properties  # noqa: PLW0603 - PySpark allows one context per process, too
    _properties = None if jsc is None else _Properties(jsc)


def send_command(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``py4j.clientserver.ClientServerConnection.send_command``."""
    properties = _properties
    if properties is not None and args and args[0].startswith(_CALL):
        span = get_current_span()
        known = instance.__dict__.get("_dagtrace")
        if known is None or known[1] is not span or known[0] is not properties:
            with guard("spark.parents"):
                _set(instance, properties, span, known)
    _sent.ns = time.time_ns()
    return wrapped(*args, **kwargs)


class _Sent(threading.local):
    """When this thread has sent its last command."""

    ns = 0


_sent = _Sent()


def sent() -> int:
    """Return when this thread sent its last command, in ns since the epoch; 0 for never."""
    return _sent.ns


def _set(connection: Any, properties: _Properties, span: Span, known: tuple[_Properties, Span] | None) -> None:
    # First: setting the property is itself a command on this connection.
    connection._dagtrace = (properties, span)
    before = known[1] if known is not None and known[0] is properties else INVALID_SPAN
    if span is not before:
        properties.jsc.setLocalProperty(LOCAL, traceparent_of(span))
