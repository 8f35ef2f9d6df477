"""Every difference between Spark versions that Python sees. What Java sees is in ``TraceListener.java``."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any


def _major() -> int:
    pyspark: Any = sys.modules["pyspark"]
    return int(str(pyspark.__version__).split(".", 1)[0])


def context_module() -> str:
    """Return the module that defines ``SparkContext``: it moved in Spark 4.0, and left a re-export behind."""
    return "pyspark.core.context" if _major() >= 4 else "pyspark.context"  # noqa: PLR2004


def has_py4j() -> bool:
    """Return whether this PySpark can have a JVM: ``pyspark-client`` comes without py4j."""
    return importlib.util.find_spec("py4j") is not None


def connect_builders() -> tuple[str, ...]:
    """Return the methods of Spark Connect's ``SparkSession.Builder`` that return a session: ``create`` came in 3.5."""
    pyspark: Any = sys.modules["pyspark"]
    return ("getOrCreate",) if str(pyspark.__version__).startswith("3.4.") else ("getOrCreate", "create")


def makes_execution(stack: str) -> bool:
    """
    Return whether a frame of this JVM's stack makes up a SQL execution for the error that passes through it.

    ``QueryExecution.assertAnalyzed`` does since 4.0 (``SQLExecution.withNewExecutionIdOnError``).
    """
    return "sql.execution.QueryExecution.assertAnalyzed(" in stack and _major() >= 4  # noqa: PLR2004


def jvm_stack(error: Any) -> str:
    """Return the JVM's stack trace of a captured exception; its name got an underscore in 4.0."""
    return str(getattr(error, "_stackTrace", None) or getattr(error, "stackTrace", None) or "")


def error_condition(error: Any) -> str | None:
    """Return Spark's error condition of a captured exception, "error class" before 4.0."""
    return error.getCondition() if hasattr(error, "getCondition") else error.getErrorClass()


def pins_threads() -> bool:
    """Return whether each Python thread has a JVM thread of its own (``PYSPARK_PIN_THREAD``, the default since 3.2)."""
    return os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "true"
