"""
Spark drivers as their users run them: by whatever is installed, with the listener attached to their JVM or not.

With ``DAGTRACE_SPARK_CELL`` they run in that cell (:mod:`support.cells`).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

from dagtrace.spark.attachment import CLASS, JAR
from dagtrace.spark.records import read
from support.cells import PRODUCTS


if TYPE_CHECKING:
    from pathlib import Path

    from dagtrace.record import SpanRecord
    from support.sink import Sink


PYTHON = str(PRODUCTS["spark"].bin / "python")


def submit_args(*conf: str, listeners: str = CLASS) -> str:
    """Return what makes any PySpark driver's JVM attach the listener."""
    settings = " ".join(f"--conf {pair}" for pair in (f"spark.extraListeners={listeners}", *conf))
    return f"--jars {JAR} {settings} pyspark-shell"


def run(folder: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a driver as a user would: by whatever is installed, with these variables."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "DAGTRACE_", "TRACEPARENT"))}
    own |= {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": PYTHON,
        "DAGTRACE_HOME": str(folder / "home"),
        "DAGTRACE_FLUSH_TIMEOUT": "20",
        **env,
    }
    return subprocess.run(
        [PYTHON, "-c", code], cwd=folder, env=own, capture_output=True, text=True, timeout=600, check=False
    )


def spans_in(requests: list[dict[str, Any]]) -> list[SpanRecord]:
    """Return the spans of export requests."""
    return [
        read(json.dumps({"flags": 1} | span))
        for request in requests
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def spans_of(sink: Sink, *, until: str | None = None, within: float = 30) -> list[SpanRecord]:
    """Return the spans a collector took; ``until`` is the kind of one that has to be waited for."""
    deadline = time.monotonic() + within
    while True:
        found = spans_in(list(sink.requests["/v1/traces"]))
        if until is None or any(span.name.startswith(until) for span in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
