"""
Spark Connect: there is no JVM here, so the client tells one application span for each session it connects.

The application itself is the server's, and many clients share it; what a client has for itself, from connecting to
``stop()`` or its exit, is a session. ``newSession()`` and ``cloneSession()`` go over the same connection and are part
of the session they came from. ``remote("local[*]")`` starts a server in this very process: a SparkContext like any
other, whose listener tells everything, so that its session adds nothing. What happens on a server elsewhere is for a
listener there. Errors of analysis, too: the client cannot see whether the server was executing a query by then, and
one that was has an execution of its own.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.identity import SpanContext
from dagtrace.patch import Patch
from dagtrace.semconv import attributes as names
from dagtrace.spark import compat, parents
from dagtrace.spark.client import Application
from dagtrace.telemetry.guard import guard, warn_once


if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE = "pyspark.sql.connect.session"
_NAMELESS = "Spark Connect"


def patches() -> list[Patch]:
    """Return the places to wrap; none is imported before the user's program does."""
    return [
        Patch(_MODULE, "SparkSession.__init__", created),
        Patch(_MODULE, "SparkSession.stop", stop),
        *(Patch(_MODULE, f"SparkSession.Builder.{method}", built) for method in compat.connect_builders()),
    ]


def created(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Begin the application of a session that has just been made."""
    began = time.time_ns() // 1_000_000
    result = wrapped(*args, **kwargs)
    with guard("spark.connect"):
        connect(instance, began)
    return result


def built(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Name the application: only the builder knows what it is called. One that it found has its name already."""
    result = wrapped(*args, **kwargs)
    with guard("spark.connect"):
        application: Application | None = result.__dict__.get("_dagtrace")
        name = str(instance._options.get("spark.app.name") or "")
        if application is not None and name and application.name == _NAMELESS:
            application.name = name
        telemetry.describe(name or _NAMELESS)
    return result


def stop(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """End the application with its session."""
    application: Application | None = instance.__dict__.pop("_dagtrace", None)
    try:
        return wrapped(*args, **kwargs)
    finally:
        if application is not None:
            with guard("spark.connect"):
                application.stopped()


def connect(session: Any, start_ms: int) -> None:
    """Say once what is missing, and begin the application of this session unless a listener here tells it."""
    if "SPARK_LOCAL_REMOTE" in os.environ:
        warn_once(
            "spark.connect",
            "Spark Connect with a server in this process: its jobs belong to the application, not to active spans; "
            "use master(…) instead of remote(…) for those",
        )
        return
    warn_once(
        "spark.connect",
        "Spark Connect has no JVM in this process: only the application is traced here; for its queries, jobs and "
        "stages, attach dagtrace's listener to the server (`dagtrace spark-conf` says how)",
    )
    client: Any = session._client
    remote = f"sc://{_endpoint(client)}"
    session_id = str(client._session_id)
    import pyspark

    attributes = {
        names.SPARK_CONNECT_REMOTE: remote,
        names.SPARK_CONNECT_SESSION_ID: session_id,
        names.SPARK_CONNECT_CLIENT_VERSION: pyspark.__version__,
    }
    parent = SpanContext.parse(parents.application_parent())
    session._dagtrace = Application(_NAMELESS, parent, start_ms, attributes, key=(session_id, "", remote))


def _endpoint(client: Any) -> str:
    """Return host and port. The connection string has the token, too, in parameters that the channel's builder took."""
    builder: Any = client._builder
    endpoint: object = getattr(builder, "endpoint", None) or getattr(builder, "_host", None)
    text = endpoint if isinstance(endpoint, str) else ""
    return text.split(";", 1)[0].split("/", 1)[0].rpartition("@")[2]
