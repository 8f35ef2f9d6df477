"""
The listener's life in a PySpark driver: loaded when a ``SparkContext`` has started, drained when it stops.

It is loaded from the wheel into the running JVM (``URLClassLoader``), so that no configuration, package or restart is
needed. Where a platform refuses that (Databricks' shared clusters: ``Py4JSecurityException``), one warning says so, and
:mod:`~dagtrace.spark.client` tells the application.
"""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError

from dagtrace import telemetry
from dagtrace.identity import SpanContext
from dagtrace.options import options
from dagtrace.patch import Patch
from dagtrace.spark import analysis, client, compat, parents
from dagtrace.spark.attachment import CLASS, JAR
from dagtrace.spark.drain import Drain
from dagtrace.telemetry.guard import guard, warn_once


if TYPE_CHECKING:
    from collections.abc import Callable

_classes: dict[int, Any] = {}
"""The listener's class, by the ``id`` of the gateway to the JVM it was loaded into: that lives as long as we do."""


def patches() -> list[Patch]:
    """Return the places to wrap."""
    context = compat.context_module()
    return [
        Patch(context, "SparkContext._initialize_context", initialize_context),
        Patch(context, "SparkContext._do_init", do_init),
        Patch(context, "SparkContext.stop", stop),
        Patch("pyspark.errors.exceptions.captured", "convert_exception", analysis.convert_exception),
        Patch("py4j.clientserver", "ClientServerConnection.send_command", parents.send_command),
    ]


def initialize_context(
    wrapped: Callable[..., Any],
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Put the application's parent into SparkConf, so that its event log knows it; the user's own value stays."""
    with guard("spark.conf"):
        conf: Any = args[0] if args else kwargs["jconf"]
        parent = parents.application_parent()
        if parent and not conf.contains(parents.TRACEPARENT):
            conf.set(parents.TRACEPARENT, parent)
    return wrapped(*args, **kwargs)


def do_init(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Attach to a context that has just started."""
    result = wrapped(*args, **kwargs)
    with guard("spark.attach"):
        attach(instance)
    return result


def stop(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let Spark empty its queues and end the application, then take what that has brought."""
    attached: Attached | None = instance.__dict__.pop("_dagtrace", None)
    if attached is not None:
        parents.follow(None)
    try:
        return wrapped(*args, **kwargs)
    finally:
        if attached is not None:
            with guard("spark.stop"):
                attached.stopped()


class Attached:
    """The listener of one ``SparkContext`` and the thread that drains it."""

    def __init__(self, jsc: Any, listener: Any) -> None:
        self._jsc = jsc
        self._listener = listener
        self._place: client.Place | None = None
        self._drain = Drain(listener)
        atexit.register(self._exit)

    def place(self) -> client.Place | None:
        """Return where those spans of this application belong that Python tells; the listener is asked once."""
        if self._place is None and (context := SpanContext.parse(self._listener.traceparent())) is not None:
            parent, spark = self._listener.parentId(), self._jsc.sc()
            self._place = client.Place(
                context, int(parent, 16) if parent else None, spark.applicationId(), spark.appName()
            )
        return self._place

    def stopped(self) -> None:
        """Take what is left: the context has stopped, and nothing comes after that."""
        atexit.unregister(self._exit)
        self._drain.finish()

    def _exit(self) -> None:
        with guard("spark.exit"):
            self._drain.abandon(self._jsc)


def attach(context: Any) -> None:
    """Load the listener into the context's JVM and start to drain it; refused, warn once and leave the job alone."""
    telemetry.describe(context.appName)
    try:
        listener = _listener(context)
    except (Py4JError, TypeError, OSError) as error:  # TypeError: py4j calls a class it may not see a package
        why = f"{type(error).__name__}: {' '.join(str(error).split(chr(10), 2)[:2])}"
        if client.own_listener(context, CLASS):  # it tells everything; only this process may not reach it
            parents.follow(parents.Properties(context._jsc))
            return
        warn_once(
            "spark.attach",
            "only the application is traced, its JVM refused the listener (%s); "
            "let Spark load it itself: `dagtrace spark-conf` says how",
            why,
        )
        context._dagtrace = client.refused(context, parents.application_parent())
        return
    context._dagtrace = Attached(context._jsc, listener)
    if compat.pins_threads():
        parents.follow(listener)
    else:
        warn_once(
            "spark.pin",
            "PYSPARK_PIN_THREAD=false: Spark's jobs belong to the application, not to active spans; unset it for those",
        )


def _listener(context: Any) -> Any:
    """Return the listener of this context: the one the JVM has attached itself, else a new one."""
    spark: Any = context._jsc.sc()
    for found in spark.listenerBus().listeners():
        if found.getClass().getName() == CLASS and found.takeOver(os.getpid()):
            return found
    listener: Any = _class(context).newInstance()
    parent: str = spark.conf().get(parents.TRACEPARENT, parents.application_parent())
    listener.attach(spark, parent, os.getpid(), options().spark_detail)
    return listener


def _class(context: Any) -> Any:
    """
    Return the listener's class, loaded once per JVM.

    py4j remembers methods by class *name*: with a second class of that name, "object is not an instance of declaring
    class" is all that comes of it. So the class is kept for the next context.
    """
    loaded: Any = _classes.get(id(context._gateway))
    if loaded is None:
        if not JAR.exists():
            raise FileNotFoundError(f"{JAR.name} is missing from the installed package")
        java: Any = context._jvm.java
        urls: Any = context._gateway.new_array(java.net.URL, 1)
        urls[0] = java.io.File(str(JAR)).toURI().toURL()
        parent: Any = context._jsc.sc().getClass().getClassLoader()
        loaded = java.net.URLClassLoader(urls, parent).loadClass(CLASS)
        _classes[id(context._gateway)] = loaded
    return loaded
