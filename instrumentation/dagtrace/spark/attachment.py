"""
What any Spark driver needs to attach the listener: the jar, the class, and an endpoint that may be seen.

SparkConf is on command lines, in Spark's UI and in event logs: no header, key or password goes there. Nothing here
needs PySpark.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


JAR = Path(__file__).parent / "listener" / "dagtrace-spark.jar"
CLASS = "io.dagtrace.spark.TraceListener"


def public_endpoint() -> str:
    """
    Return the base URL that spans are posted to (``OTEL_EXPORTER_OTLP_ENDPOINT``, or the traces' own), "" for none.

    Scheme, host, port and path only: no user, no password, no query. A traces' endpoint loses its ``/v1/traces``.
    """
    own = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip().removesuffix("/v1/traces")
    url = urlsplit(own or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip())
    try:
        port = f":{url.port}" if url.port else ""
    except ValueError:  # http://collector:nonsense
        return ""
    if url.scheme not in ("http", "https") or not url.hostname:
        return ""
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return urlunsplit((url.scheme, host + port, url.path.rstrip("/"), "", ""))
