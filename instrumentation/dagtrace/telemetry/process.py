"""Who speaks: the OTel resource and scope of this process."""

from __future__ import annotations

import os
import socket
import uuid
from functools import lru_cache
from typing import Any

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version

from dagtrace import __version__
from dagtrace.semconv import attributes as names
from dagtrace.telemetry import plain


SCHEMA_URL = f"https://dagtrace.dev/schemas/{__version__}"
"""Identifies the version of the names in ``semconv/``; it need not resolve."""

SCOPE = InstrumentationScope("dagtrace", __version__, SCHEMA_URL)


def make_resource(service: str, component: str | None) -> Resource:
    """
    Return the resource of this process; the user's ``OTEL_*`` variables go over our values.

    Not ``Resource.create``: it searches all installed distributions for detectors, 35 ms in every task.
    """
    found: dict[str, Any] = {
        names.TELEMETRY_SDK_LANGUAGE: "python",
        names.TELEMETRY_SDK_NAME: "opentelemetry",
        names.TELEMETRY_SDK_VERSION: sdk_version,
        names.SERVICE_NAME: service,
        names.SERVICE_INSTANCE_ID: str(uuid.uuid4()),
        names.HOST_NAME: host_name(),
        names.PROCESS_PID: os.getpid(),
    }
    if component:
        found[names.AIRFLOW_COMPONENT] = component
    merged = Resource(found, SCHEMA_URL).merge(OTELResourceDetector().detect())
    # An environment that is no UTF-8 must not make every batch of this process one that cannot be encoded.
    return Resource(plain.attributes(merged.attributes), merged.schema_url)


@lru_cache(maxsize=1)
def host_name() -> str:
    """Return this host's name, as it also stands in the names of local files."""
    return socket.gethostname() or "localhost"
