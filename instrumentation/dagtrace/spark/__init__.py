"""
Facts out of Spark: one span per application, SQL execution, job and stage attempt; a stage with all its numbers.

A small Java listener (``listener/``) runs on a bus queue of its own in the driver's JVM and turns scheduler events into
finished spans; a Python thread takes them over py4j, many per call, and hands them to :mod:`dagtrace.telemetry`. Python
is never called by Spark: a py4j ``SparkListener`` costs 180 µs per task, drops events silently and blocks ``stop()``.

The pieces, in the order they act:

* :mod:`~dagtrace.spark.driver` wraps ``SparkContext``: it names the application's parent before the JVM's context
  starts, loads the listener right after, and drains it when the context stops or the interpreter exits;
* :mod:`~dagtrace.spark.parents` tells Spark which OpenTelemetry span is active in the thread that runs an action,
  so that two threads with two queries each get their own parent;
* :mod:`~dagtrace.spark.drain` is the thread, and its end within the flush budget;
* :mod:`~dagtrace.spark.records` reads the listener's OTLP/JSON lines and derives the metrics of a stage;
* :mod:`~dagtrace.spark.analysis` tells the queries that Spark refuses before it executes them;
* :mod:`~dagtrace.spark.client` tells the application where no listener can: the JVM refuses it, or
  :mod:`~dagtrace.spark.connect` finds no JVM at all;
* :mod:`~dagtrace.spark.uncaught` says what a driver dies of;
* :mod:`~dagtrace.spark.compat` holds every difference between Spark versions.

Only the OpenTelemetry API is used here, to read the active span; the SDK stays in ``dagtrace.telemetry``.
"""

from __future__ import annotations

import os


def watch() -> None:
    """Wrap PySpark's driver; called when ``pyspark`` has been imported. A second call changes nothing."""
    # Executors' Python workers import pyspark, too, and inherit the environment. Nothing here is for them.
    if any(name.startswith("PYTHON_WORKER_FACTORY_") for name in os.environ):
        return
    from dagtrace.patch import apply
    from dagtrace.spark import compat, connect

    apply(connect.patches())
    if compat.has_py4j():
        from dagtrace.spark.driver import patches

        apply(patches())


__all__ = ["watch"]
