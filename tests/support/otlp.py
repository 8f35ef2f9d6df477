"""Export requests by hand, as a process would send that is not dagtrace's."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from typing import Any


def span(trace_id: str, name: str, attributes: dict[str, str]) -> dict[str, Any]:
    """Return a request with one root span, of the last millisecond."""
    now = time.time_ns()
    only = {
        "traceId": trace_id,
        "spanId": "eee19b7ec3c1b174",
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        "attributes": _attributes(attributes),
    }
    scope = {"scope": {"name": "user"}, "spans": [only]}
    resource = {"attributes": _attributes({"service.name": "user"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def delta(value: float, points: int = 1) -> dict[str, Any]:
    """Return a request of a process: what it counted in the ten seconds of its life; several points are by number."""
    now = time.time_ns()
    number = {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    point = {"startTimeUnixNano": str(now - 10_000_000_000), "timeUnixNano": str(now), **number}
    made = [{**point, "attributes": _attributes({"number": str(at)}) if at else []} for at in range(points)]
    data = {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": made}
    scope = {"scope": {"name": "user"}, "metrics": [{"name": "driver.work", "sum": data}]}
    own = {"service.instance.id": str(uuid.uuid4()), "k8s.pod.name": f"driver-{uuid.uuid4()}"}
    resource = {"attributes": _attributes({"service.name": "driver", **own})}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def total(name: str, value: int, hours_ago: float = 0) -> dict[str, Any]:
    """Return a request with a growing counter's only point, as a process that lives long would send."""
    at = time.time_ns() - int(hours_ago * 3600e9)
    point = {"startTimeUnixNano": str(at - 10_000_000_000), "timeUnixNano": str(at), "asInt": str(value)}
    data = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [point]}
    scope = {"scope": {"name": "user"}, "metrics": [{"name": name, "sum": data}]}
    resource = {"attributes": _attributes({"service.name": "lasting", "service.instance.id": str(uuid.uuid4())})}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def _attributes(pairs: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs.items()]


def post(url: str, signal: str, request: dict[str, Any], timeout: float = 30) -> None:
    """Send a request as OTLP/JSON; raise where it is refused."""
    posted = urllib.request.Request(
        f"{url}/v1/{signal}", json.dumps(request).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(posted, timeout=timeout) as answer:
        assert answer.status == 200
