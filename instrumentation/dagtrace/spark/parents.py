"""
Which span a Spark job belongs to: the one active in the Python thread that ran the action. Its log lines say so, too.

Spark copies a thread's *local properties* into each job it starts. In PySpark's pinned mode (the default) a Python
thread has a py4j connection and a JVM thread of its own, so before a command goes out on a connection whose property is
out of date, one extra command lets the listener set it, with the log context of the driver's thread and of the jobs'
tasks (``mdc.trace_id``, ``mdc.span_id``). That is one py4j call (0.3 ms) per thread and per change of the active span,
and 1 to 2 µs for any other command. Inherited properties (``pyspark.InheritableThread``) stay, as long as the thread
has no span itself.
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


class _Followed:
    """The listener of one SparkContext; a new context starts without properties."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener


class Properties:
    """Stands for a listener that this process may not call: sets the thread's property past it."""

    def __init__(self, jsc: Any) -> None:
        self._jsc = jsc

    def begin(self) -> None:
        """Leave the thread what it may have inherited."""

    def follow(self, traceparent: str | None) -> None:
        """Name the span that the calling thread's jobs belong to."""
        self._jsc.setLocalProperty(LOCAL, traceparent)


_followed: _Followed | None = None


def follow(listener: Any) -> None:
    """Keep the properties of every thread up to date, by this context's listener; None to stop."""
    global _followed  # noqa: PLW0603 - PySpark allows one context per process, too
    _followed = None if listener is None else _Followed(listener)


def send_command(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``py4j.clientserver.ClientServerConnection.send_command``."""
    followed = _followed
    if followed is not None and args and args[0].startswith(_CALL):
        span = get_current_span()
        known = instance.__dict__.get("_dagtrace")
        if known is None or known[1] is not span or known[0] is not followed:
            with guard("spark.parents"):
                _set(instance, followed, span, known)
    _sent.ns = time.time_ns()
    return wrapped(*args, **kwargs)


class _Sent(threading.local):
    """When this thread has sent its last command."""

    ns = 0


_sent = _Sent()


def sent() -> int:
    """Return when this thread sent its last command, in ns since the epoch; 0 for never."""
    return _sent.ns


def _set(connection: Any, followed: _Followed, span: Span, known: tuple[_Followed, Span] | None) -> None:
    # First: setting the properties is itself a command on this connection.
    connection._dagtrace = (followed, span)
    new = known is None or known[0] is not followed
    if new and span is INVALID_SPAN:
        followed.listener.begin()
    elif new or known is None or span is not known[1]:
        followed.listener.follow(traceparent_of(span))
