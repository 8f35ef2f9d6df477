"""Instruments and their collection: a private MeterProvider, because Airflow replaces the global one by force."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation

from dagtrace.semconv import attributes as names
from dagtrace.telemetry import plain
from dagtrace.telemetry.process import SCOPE
from dagtrace.telemetry.spans import within


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData
    from opentelemetry.sdk.resources import Resource

    from dagtrace.identity import SpanContext
    from dagtrace.record import Point
    from dagtrace.semconv.metrics import Metric

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
"""Histogram bounds from a tenth of a second to a day; OTel's own end at 10 s. ``OTEL_…_DEFAULT_HISTOGRAM_AGGREGATION``
goes over them."""

MOST_SERIES = 10_000
"""
Series of one metric in one process; OpenTelemetry's specification asks for such a limit, Python's SDK has none. As many
take 0.1 s of CPU to collect, and 0.5 s and 5 MB to be written to a local file, at each export.
"""


def takes_context(measure: Callable[..., None]) -> bool:
    """Return whether an instrument's method can be told where something was measured: older SDKs' (1.27) cannot."""
    return "context" in inspect.signature(measure).parameters


_EXEMPLARS = takes_context(Counter.add)

_OVERFLOW = {names.OTEL_METRIC_OVERFLOW: True}
"""What all beyond is counted under, by that specification; the sum over all series stays right."""


class _Provider(MeterProvider):
    def _handle_fork(self) -> None:
        """Do nothing: a forked child makes its own; see ``spans.UserTracerProvider``, which has the reason."""


class Meter:
    """
    One process's instruments.

    ``lasting`` is true in processes that live as long as their series should (the scheduler): they count cumulatively.
    Short ones (a task, a Spark driver) send deltas, because a cumulative counter that lives a second is a new series
    at 1 each time, which no backend can add up.
    """

    def __init__(self, resource: Resource, exporter: MetricExporter | None, *, lasting: bool) -> None:
        delta = dict.fromkeys((Counter, ObservableCounter, Histogram), AggregationTemporality.DELTA)
        # The exporter has read OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE and ..._HISTOGRAM_AGGREGATION.
        temporality: dict[type, Any] = dict(_preferred(exporter, "_preferred_temporality"))
        if not lasting:
            temporality.update(delta)
        aggregation: dict[type, Any] = {Histogram: ExplicitBucketHistogramAggregation(SECONDS)}
        wanted = _preferred(exporter, "_preferred_aggregation").get(Histogram)
        if wanted is not None and not isinstance(wanted, ExplicitBucketHistogramAggregation):
            aggregation[Histogram] = wanted
        self._reader = InMemoryMetricReader(cast("Any", temporality), cast("Any", aggregation))
        self._provider = _Provider([self._reader], resource, shutdown_on_exit=False)
        self._meter = self._provider.get_meter(SCOPE.name, SCOPE.version, SCOPE.schema_url)
        self._instruments: dict[str, Any] = {}
        self._series: dict[str, set[frozenset[tuple[str, Any]]]] = {}
        self._levels: dict[str, list[Observation]] = {}
        self._lock = threading.Lock()

    def record(self, points: Iterable[Point]) -> None:
        """Add each point to its instrument; the SDK makes exemplars of those that know a span (trace_based filter)."""
        for point in points:
            attributes = plain.attributes(point.attributes)  # one odd value would spoil every collection from then on
            instrument = self._instrument(point.metric)
            attributes = self._bounded(point.metric.name, attributes)
            if point.metric.instrument == "histogram":
                instrument.record(point.value, attributes, **_where(point.span))
            elif point.metric.instrument == "counter":
                instrument.add(point.value, attributes, **_where(point.span))
            else:
                instrument.set(point.value, attributes)

    def show(self, points: Iterable[Point]) -> None:
        """
        Replace all levels by these gauges, which are told until the next call; a series that is not among them ends.

        A gauge that is ``record``-ed goes on saying its last value as long as the process lives, which is wrong of a
        process that does not know any more.
        """
        levels: dict[str, list[Observation]] = {}
        for point in points:
            found = levels.setdefault(point.metric.name, [])
            if not found:
                self._level(point.metric)
            if len(found) < MOST_SERIES:  # the level of many things is nobody's: those beyond are left out
                found.append(Observation(point.value, plain.attributes(point.attributes)))
        self._levels = levels

    def collect(self) -> MetricsData | None:
        """Return what was measured since the start or the last call, by temporality; None where there is nothing."""
        return self._reader.get_metrics_data() if self._instruments else None

    def _bounded(self, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return attributes, or those of the overflow where the metric has all the series that it may have."""
        series = self._series.setdefault(name, set())
        key = frozenset(attributes.items())
        if key in series:
            return attributes
        if len(series) >= MOST_SERIES:
            return _OVERFLOW
        series.add(key)
        return attributes

    def _level(self, metric: Metric) -> None:
        with self._lock:
            if metric.name not in self._instruments:
                self._instruments[metric.name] = self._meter.create_observable_gauge(
                    metric.name, [self._saying(metric.name)], metric.unit, metric.brief
                )

    def _saying(self, name: str) -> Callable[[CallbackOptions], list[Observation]]:
        return lambda _: self._levels.get(name, [])

    def _instrument(self, metric: Metric) -> Any:
        with self._lock:
            instrument = self._instruments.get(metric.name)
            if instrument is None:
                create = getattr(self._meter, f"create_{metric.instrument}")
                instrument = self._instruments[metric.name] = create(metric.name, metric.unit, metric.brief)
            return instrument


def _where(span: SpanContext | None) -> dict[str, Any]:
    """Return the context of a measurement, as far as the SDK takes one; that of a span that nobody can find is none."""
    if not _EXEMPLARS:
        return {}
    return {"context": within(span if span is not None and span.sampled and span.span_id else None)}


def _preferred(exporter: Any, what: str) -> dict[type, Any]:
    """Return one of an exporter's preferences; the SDK's own periodic reader reads the same underscored names."""
    return getattr(exporter, what, None) or {}
