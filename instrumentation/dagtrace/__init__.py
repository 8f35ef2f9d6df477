"""
dagtrace: OpenTelemetry for data pipelines.

One trace from the Airflow DAG run through every task try down to the Spark stage, switched on by
``DAGTRACE_ENABLED=true``. This package imports nothing by itself: while the switch is off, it and the stdlib-only
``dagtrace._startup`` are all that a process ever sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


__version__ = "0.1.0"
__all__ = ["AirflowInstrumentor", "PySparkInstrumentor", "__version__"]

if TYPE_CHECKING:
    from dagtrace.instrumentor import AirflowInstrumentor, PySparkInstrumentor


def __getattr__(name: str) -> Any:
    """Load the instrumentors on first use (PEP 562): ``opentelemetry-instrument`` finds them by entry point."""
    if name in {"AirflowInstrumentor", "PySparkInstrumentor"}:
        from dagtrace import instrumentor

        return getattr(instrumentor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
