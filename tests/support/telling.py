"""What Jaeger and Prometheus answer, by the APIs that their own pages and Grafana use."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast


if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Stack

Json = dict[str, Any]


def get(url: str, **query: str) -> Any:
    """Return the JSON of a page; None where there is nothing (404)."""
    try:
        with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        if refused.code == 404:
            return None
        raise AssertionError(f"{url} {query}: {refused.code} {refused.read()[:2000]!r}") from refused


def until(holds: Callable[[], bool], what: str, timeout: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.5)


def drained(stack: Stack) -> None:
    """Wait until nothing waits in the collector: its queues are empty, and were for longer than its batches last."""
    quiet = 0

    def empty() -> bool:
        nonlocal quiet
        with urllib.request.urlopen(stack.own_metrics, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        sizes = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("otelcol_exporter_queue_size{")]
        assert sizes, "the collector has no queues"
        quiet = 0 if any(sizes) else quiet + 1
        return quiet > 6

    until(empty, "the collector's queues are empty")


class Jaeger:
    """Jaeger's query API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def services(self) -> list[str]:
        """Return the services it knows."""
        return get(f"{self._url}/api/v3/services")["services"]

    def found(self, service: str, operation: str) -> set[str]:
        """Return the ids of the traces with such a span in the last day, by the search that its page does."""
        now = datetime.now(timezone.utc)
        answer = get(
            f"{self._url}/api/v3/traces",
            **{
                "query.service_name": service,
                "query.operation_name": operation,
                "query.start_time_min": _time(now - timedelta(days=1)),
                "query.start_time_max": _time(now + timedelta(minutes=1)),
                "query.num_traces": "100",
            },
        )
        if answer is None:
            return set()
        return {
            span["traceId"]
            for resource in answer["result"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        }

    def search(self, service: str, operation: str, tags: str, start: float) -> list[Json]:
        """Return the traces that Grafana's data source finds: by its API, which asks in microseconds, tags as JSON."""
        wanted = dict(pair.split("=", 1) for pair in tags.split())
        given = {"service": service, "operation": operation, "tags": json.dumps(wanted) if wanted else ""}
        times = {"start": str(int(start * 1e6)), "end": str(int(time.time() * 1e6)), "limit": "20"}
        answer = get(f"{self._url}/api/traces", **{key: value for key, value in given.items() if value}, **times)
        return answer["data"] if answer else []

    def asked(self, query: dict[str, str]) -> list[Json]:
        """Return the traces that its page shows for a link's query: ``lookback`` is how far back from now."""
        hours = {"h": 1, "d": 24}
        back = int(query["lookback"][:-1]) * hours[query["lookback"][-1]] * 3600
        now = time.time()
        kept = {key: value for key, value in query.items() if key in ("service", "operation", "tags", "limit")}
        times = {"start": str(int((now - back) * 1e6)), "end": str(int(now * 1e6))}
        answer = get(f"{self._url}/api/traces", **kept, **times)
        return answer["data"] if answer else []

    def trace(self, trace_id: str) -> list[Json]:
        """Return a trace's spans as Jaeger's page gets them, each with its warnings; tags as a dictionary."""
        answer = get(f"{self._url}/api/traces/{trace_id}")
        if answer is None:
            return []
        (trace,) = answer["data"]
        for span in trace["spans"]:
            span["tags"] = {tag["key"]: tag["value"] for tag in span["tags"]}
            span["service"] = trace["processes"][span["processID"]]["serviceName"]
        return trace["spans"]


class Prometheus:
    """Prometheus' query API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str, at: float | None = None) -> list[Json]:
        """Return what an expression gives at a time, or now."""
        when = {} if at is None else {"time": str(at)}
        return get(f"{self._url}/api/v1/query", query=expression, **when)["data"]["result"]

    def graph(self, expression: str, start: float, end: float, step: int) -> list[Json]:
        """Return what an expression gives over time, at multiples of the step, as Grafana asks."""
        first, last = (str(when // step * step) for when in (start, end + step))
        answer = get(f"{self._url}/api/v1/query_range", query=expression, start=first, end=last, step=str(step))
        return answer["data"]["result"]

    def series(self, selector: str, start: float, end: float) -> list[dict[str, str]]:
        """Return the labels of the series that had samples in a time."""
        answer = get(f"{self._url}/api/v1/series", **{"match[]": selector, "start": str(start), "end": str(end)})
        return answer["data"]

    def exemplars(self, selector: str, start: float, end: float) -> list[Json]:
        """Return the exemplars of series, each with its labels."""
        answer = get(f"{self._url}/api/v1/query_exemplars", query=selector, start=str(start), end=str(end))
        return [exemplar for series in answer["data"] for exemplar in series["exemplars"]]

    def alerts(self) -> list[Json]:
        """Return the alerts that are pending or firing."""
        return get(f"{self._url}/api/v1/alerts")["data"]["alerts"]

    def selectors(self, expression: str) -> set[str]:
        """Return the series that an expression names, as selectors, by Prometheus' own parser."""
        found: set[str] = set()

        def walk(node: Any) -> None:
            if isinstance(node, list):
                for one in cast("list[Any]", node):
                    walk(one)
            elif isinstance(node, dict):
                known = cast("Json", node)
                if known.get("type") in ("vectorSelector", "matrixSelector"):
                    found.add(_selector(known))
                for one in known.values():
                    walk(one)

        walk(get(f"{self._url}/api/v1/parse_query", query=expression)["data"])
        return found

    def rules(self) -> list[Json]:
        """Return all rules, with what they evaluated to last."""
        return [rule for group in get(f"{self._url}/api/v1/rules")["data"]["groups"] for rule in group["rules"]]

    def added(self, metric: str, *by: str, where: str = "") -> dict[tuple[str, ...], float]:
        """Return how much was told in increments in the last day, by labels: each sample is one, so it is exact."""
        found: dict[tuple[str, ...], float] = {}
        for series in self.query(f"sum_over_time({metric}{{{where}}}[1d])"):
            key = tuple(series["metric"].get(label, "") for label in by)
            found[key] = found.get(key, 0) + float(series["value"][1])
        return found

    def counted(self, metric: str, *by: str, where: str = "") -> dict[tuple[str, ...], float]:
        """
        Return how much was counted in the last day, by labels, exactly: each series' raw samples, added up.

        A sample below the one before it is a reset, as ``increase()`` takes it, which would extrapolate.
        """
        found: dict[tuple[str, ...], float] = {}
        for series in self.query(f"{metric}{{{where}}}[1d]"):
            values = [float(value) for _, value in series["values"]]
            steps = zip([0.0, *values], values, strict=False)
            total = sum(value - before if value >= before else value for before, value in steps)
            key = tuple(series["metric"].get(label, "") for label in by)
            found[key] = found.get(key, 0) + total
        return found


def _selector(node: Json) -> str:
    """Return the selector of a series in Prometheus' parsed expression."""
    matchers = [f"{one['name']}{one['type']}{json.dumps(one['value'])}" for one in node["matchers"]]
    return f"{node['name']}{{{','.join(one for one in matchers if not (node['name'] and one.startswith('__name__')))}}}"


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
