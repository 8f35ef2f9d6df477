"""Every difference between Spark versions that Python sees. What Java sees is in ``TraceListener.java``."""

from __future__ import annotations

import os
import sys
from typing import Any


def context_module() -> str:
    """Return the module that defines ``SparkContext``: it moved in Spark 4.0, and left a re-export behind."""
    pyspark: Any = sys.modules["pyspark"]
    major = int(str(pyspark.__version__).split(".", 1)[0])
    return "pyspark.core.context" if major >= 4 else "pyspark.context"  # noqa: PLR2004


def pins_threads() -> bool:
    """Return whether each Python thread has a JVM thread of its own (``PYSPARK_PIN_THREAD``, the default since 3.2)."""
    return os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "true"
