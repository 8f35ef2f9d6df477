"""The names that Prometheus' OTLP receiver gives to our metrics' series, as it does by default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Iterator

_UNITS = {"s": "seconds", "By": "bytes"}


def series(metric: metrics.Metric) -> tuple[str, ...]:
    """Return the names of a metric's series: one, or of a histogram its three."""
    words = [word for word in re.split(r"[^a-zA-Z0-9]+", metric.name) if word]
    unit = _UNITS.get(metric.unit, "ratio" if metric.unit == "1" and metric.instrument == "gauge" else "")
    if unit and unit not in words:
        words.append(unit)
    if metric.instrument == "counter":
        words = [*(word for word in words if word != "total"), "total"]
    name = "_".join(words)
    return (
        tuple(f"{name}_{part}" for part in ("bucket", "count", "sum")) if metric.instrument == "histogram" else (name,)
    )


def ours() -> Iterator[metrics.Metric]:
    """Yield all metrics that dagtrace emits."""
    return (value for value in vars(metrics).values() if isinstance(value, metrics.Metric))
