"""
dagtrace: OpenTelemetry for data pipelines.

One trace from the Airflow DAG run through every task try down to the Spark stage, switched on by
``DAGTRACE_ENABLED=true``. This package imports nothing by itself: while the switch is off, it and the stdlib-only
``dagtrace._startup`` are all that a process ever sees.
"""

from __future__ import annotations


__version__ = "0.1.0"
__all__ = ["__version__"]
