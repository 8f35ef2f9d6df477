"""Metrics out of local files, summed the way the truth is compared with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A process (its service.instance.id) and the attributes of a point."""


def totals(folder: Path, name: str, *by: str, where: Mapping[str, str] | None = None) -> dict[tuple[str, ...], float]:
    """
    Return a metric's total by attributes: the sum, over process lifetimes, of each series' last raw value.

    Deltas are added up. A histogram counts by its sum. ``where`` keeps the points that have these attributes.
    """
    last: dict[Series, float] = {}
    for file in sorted(folder.glob("metrics*.jsonl")):
        for line in file.read_text().splitlines():
            document: dict[str, Any] = json.loads(line)
            for resource in document["resourceMetrics"]:
                process = _labels(resource["resource"]["attributes"])
                metrics: list[dict[str, Any]] = [m for scope in resource["scopeMetrics"] for m in scope["metrics"]]
                for metric in metrics:
                    if metric["name"] != name:
                        continue
                    data: dict[str, Any] = metric.get("sum") or metric.get("histogram") or {}
                    for point in data.get("dataPoints", ()):
                        labels = _labels(point.get("attributes", ()))
                        if any(labels.get(key) != value for key, value in (where or {}).items()):
                            continue
                        value = float(point.get("sum", point.get("asInt", point.get("asDouble", 0))))
                        series = (process["service.instance.id"], tuple(sorted(labels.items())))
                        delta = data.get("aggregationTemporality") == 1
                        last[series] = last.get(series, 0) + value if delta else value
    found: dict[tuple[str, ...], float] = {}
    for (_, labels), value in last.items():
        key = tuple(dict(labels).get(attribute, "") for attribute in by)
        found[key] = found.get(key, 0) + value
    return found


def _labels(pairs: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {pair["key"]: str(next(iter(pair["value"].values()))) for pair in pairs}


@dataclass(frozen=True)
class Reading:
    """One value of a gauge or a counter, as it was exported."""

    process: str
    """Its service.instance.id."""
    at: float
    """When it was collected, seconds since 1970."""
    labels: Mapping[str, str]
    value: float


def readings(folder: Path, name: str, **where: str) -> list[Reading]:
    """Return every value of a gauge or counter that was exported, oldest first; ``where``: by last part of a name."""
    found: list[Reading] = []
    for file in sorted(folder.glob("metrics*.jsonl")):
        for line in file.read_text().splitlines():
            document: dict[str, Any] = json.loads(line)
            for resource in document["resourceMetrics"]:
                process = _labels(resource["resource"]["attributes"])["service.instance.id"]
                metrics: list[dict[str, Any]] = [m for scope in resource["scopeMetrics"] for m in scope["metrics"]]
                for metric in metrics:
                    data: dict[str, Any] = metric.get("gauge") or metric.get("sum") or {}
                    for point in data.get("dataPoints", ()) if metric["name"] == name else ():
                        labels = _labels(point.get("attributes", ()))
                        short = {key.rpartition(".")[2]: value for key, value in labels.items()}
                        if where.items() <= short.items():
                            value = float(point.get("asInt", point.get("asDouble", 0)))
                            found.append(Reading(process, int(point["timeUnixNano"]) / 1e9, short, value))
    return sorted(found, key=lambda reading: reading.at)


def exemplars(folder: Path, name: str) -> list[tuple[Mapping[str, str], tuple[int, int]]]:
    """Return the attributes of each point that has an exemplar, and the trace and span id of that."""
    found: list[tuple[Mapping[str, str], tuple[int, int]]] = []
    for file in sorted(folder.glob("metrics*.jsonl")):
        for line in file.read_text().splitlines():
            for resource in json.loads(line)["resourceMetrics"]:
                for metric in (m for scope in resource["scopeMetrics"] for m in scope["metrics"] if m["name"] == name):
                    data: dict[str, Any] = metric.get("sum") or metric["histogram"]
                    for point in data["dataPoints"]:
                        labels = _labels(point.get("attributes", ()))
                        ids = ((e["traceId"], e["spanId"]) for e in point.get("exemplars", ()))
                        found += [(labels, (int(trace, 16), int(span, 16))) for trace, span in ids]
    return found
