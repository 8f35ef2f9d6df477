"""How the applications start, and whose span is the active one."""

# pyright: basic
from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from pyspark.sql import SparkSession


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = 0xABC0000000000000000000000000000F
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def settings(name: str, folder: Path, **conf: str) -> dict[str, str]:
    """Return a small Spark's configuration; of ``conf``, a double underscore stands for a dot."""
    return {
        "spark.master": "local[2,2]",
        "spark.app.name": name,
        "spark.ui.enabled": "true",
        "spark.ui.port": "0",
        "spark.ui.liveUpdate.period": "0",  # what the REST API and the store say is then never an old value
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.shuffle.io.maxRetries": "0",
        **{key.replace("__", "."): value for key, value in conf.items()},
    }


def start(name: str, folder: Path, **conf: str) -> SparkSession:
    """Start a small Spark."""
    builder = SparkSession.builder
    for key, value in settings(name, folder, **conf).items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


@contextlib.contextmanager
def conf(spark: SparkSession, **values: str) -> Iterator[None]:
    """Set options of the session for a while; a double underscore stands for a dot."""
    changed = {f"spark.sql.{key.replace('__', '.')}": value for key, value in values.items()}
    before = {key: spark.conf.get(key, None) for key in changed}
    for key, value in changed.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, value in before.items():
            spark.conf.unset(key) if value is None else spark.conf.set(key, value)


@contextlib.contextmanager
def active_span(span_id: int, *, sampled: bool = True) -> Iterator[None]:
    """Make a span of somebody else's the active one of this thread."""
    flags = trace.TraceFlags(int(sampled))
    span = trace.NonRecordingSpan(trace.SpanContext(TRACE, span_id, is_remote=False, trace_flags=flags))
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        context.detach(token)


def plan(frame: Any) -> str:
    """Return the plan by which this very frame was executed, as AQE left it."""
    return frame._jdf.queryExecution().executedPlan().toString()


def listener_of(sc: Any) -> Any:
    """Return our listener on the context's bus, None where it has none."""
    of_ours = (x for x in sc._jsc.sc().listenerBus().listeners() if "TraceListener" in x.getClass().getName())
    return next(of_ours, None)
