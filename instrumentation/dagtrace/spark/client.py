"""
What Python can tell of an application by itself, where no listener does: its span, and where other spans go below.

That is so where a JVM refuses the listener (Databricks' shared clusters) and where there is no JVM (Spark Connect).
"""

from __future__ import annotations

import atexit
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.identity import SpanContext, spark_application
from dagtrace.record import SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.spark.uncaught import failed, uncaught
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.record import Attributes, Value


@dataclass(frozen=True)
class Place:
    """Where a span of this application belongs: its own span, what that one is below, and what it is called."""

    context: SpanContext
    parent_id: int | None
    application_id: str
    name: str


class Application:
    """An application span that this process tells: from ``start_ms`` (since the epoch) until it is stopped or exits."""

    def __init__(
        self, name: str, parent: SpanContext | None, start_ms: int, attributes: Attributes, *, key: tuple[str, str, str]
    ) -> None:
        application_id, attempt, host = key
        self.name = name
        self._start_ms = start_ms
        self._attributes = attributes
        self._application_id = application_id
        self._context = spark_application(parent, application_id, attempt, start_ms, host)
        self._parent_id = None if parent is None else parent.span_id
        self._pid = os.getpid()
        self._ended = False
        atexit.register(self._exit)

    def place(self) -> Place:
        """Return where its queries belong."""
        return Place(self._context, self._parent_id, self._application_id, self.name)

    def stopped(self) -> None:
        """Tell it: its context or session has been stopped."""
        atexit.unregister(self._exit)
        if self._ends():
            telemetry.tell(self._record())

    def _exit(self) -> None:
        """Tell it at the interpreter's exit: nobody has stopped it."""
        with guard("spark.exit"):
            if self._ends():
                telemetry.tell(failed(self._record({names.DAGTRACE_ASYNC: True}), uncaught()))
                telemetry.flush()

    def _ends(self) -> bool:
        """Whether this is its end: the first, and in the process that began it."""
        first, self._ended = not self._ended, True
        return first and os.getpid() == self._pid

    def _record(self, more: Attributes | None = None) -> SpanRecord:
        telemetry.describe(self.name)
        start = self._start_ms * 1_000_000
        context = self._context
        return SpanRecord(
            name=f"spark.application {self.name}",
            trace_id=context.trace_id,
            span_id=context.span_id,
            parent_id=self._parent_id,
            start_ns=start,
            end_ns=max(start, time.time_ns()),
            attributes={**self._attributes, names.SPARK_APPLICATION_NAME: self.name, **(more or {})},
            sampled=context.sampled and (self._parent_id is not None or telemetry.sampled(context.trace_id)),
        )


def refused(context: Any, parent: str) -> Application:
    """
    Return the application of a SparkContext whose JVM takes no listener; ``parent`` stands where its conf names none.

    Each fact is asked for by itself: a JVM that refuses classes may refuse some of these calls as well. With all of
    them, the ids are those the listener would have derived.
    """
    from dagtrace.spark.parents import TRACEPARENT

    jsc: Any = context._jsc
    conf: Any = context._conf
    application_id = _text(lambda: context.applicationId)
    start = _known(lambda: context.startTime)
    found: dict[str, Value] = {
        names.SPARK_APPLICATION_ID: application_id,
        names.SPARK_VERSION: _text(lambda: context.version) or _own_version(),
        names.SPARK_MASTER: _text(lambda: context.master),
        names.SPARK_DEPLOY_MODE: _text(lambda: jsc.sc().deployMode()),
        names.SPARK_USER: _text(context.sparkUser),
    }
    attempt = _text(lambda: jsc.sc().applicationAttemptId().get())  # None.get: no attempts, an error like any other
    return Application(
        _text(lambda: context.appName) or "PySpark",
        SpanContext.parse(_text(lambda: conf.get(TRACEPARENT)) or parent),
        start if isinstance(start, int) else time.time_ns() // 1_000_000,
        {name: value for name, value in found.items() if value},
        key=(application_id, attempt, _text(lambda: conf.get("spark.driver.host"))),
    )


def own_listener(context: Any, name: str) -> bool:
    """Whether the application's conf attaches the listener ``name`` in the JVM: then that one tells it all."""
    return name in _text(lambda: context._conf.get("spark.extraListeners"))


def _own_version() -> str:
    import pyspark

    return pyspark.__version__


def _text(question: Callable[[], object]) -> str:
    found = _known(question)
    return found if isinstance(found, str) else ""


def _known(question: Callable[[], object]) -> object:
    from py4j.protocol import Py4JError

    try:
        return question()
    except (Py4JError, TypeError, AttributeError):  # TypeError: py4j calls a class it may not see a package
        return None
