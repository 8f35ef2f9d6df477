"""Metrics: each point lands in its instrument; short processes send deltas, lasting ones sums since their start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.resources import Resource

from dagtrace.identity import SpanContext
from dagtrace.options import options
from dagtrace.record import Point
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT, AIRFLOW_DAG_RUN_DURATION, Metric
from dagtrace.telemetry.destination import metric_exporter
from dagtrace.telemetry.metrics import SECONDS, Meter, takes_context
from dagtrace.telemetry.otlp_json import to_line
from dagtrace.telemetry.process import SCHEMA_URL


if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import MetricsData

pytestmark = pytest.mark.usefixtures("fresh")

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
GAUGE = Metric("test.level", "gauge", "By", "A level.", ())
DAY = 86_400


def _meter(*, lasting: bool) -> Meter:
    return Meter(Resource({"service.name": "s"}), metric_exporter(options()), lasting=lasting)


def _found(data: MetricsData | None) -> dict[str, Any]:
    """Return the SDK's metrics by name."""
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
    return {metric.name: metric for scope in scopes for metric in scope.metrics}


def _values(data: MetricsData | None, name: str) -> dict[str, float]:
    """Return a counter's values by their one attribute ``k``; nothing where nothing was counted."""
    metric = _found(data).get(name)
    return {point.attributes["k"]: point.value for point in metric.data.data_points} if metric else {}


def _count(key: str, value: float) -> Point:
    return Point(AIRFLOW_DAG_RUN_COUNT, value, {"k": key})


def test_a_short_process_sends_what_came_since_the_last_time() -> None:
    """Deltas: a counter that lives one second would otherwise be a new series at 1 each time."""
    meter = _meter(lasting=False)
    meter.record([_count("a", 1), _count("a", 2), _count("b", 5)])
    first = meter.collect()
    meter.record([_count("a", 7)])
    assert _values(first, "airflow.dag_run.count") == {"a": 3, "b": 5}
    assert _values(meter.collect(), "airflow.dag_run.count") == {"a": 7}
    assert _values(meter.collect(), "airflow.dag_run.count") == {}
    data = _found(first)["airflow.dag_run.count"].data
    assert (data.aggregation_temporality, data.is_monotonic) == (DELTA, True)


def test_a_lasting_process_sends_what_came_since_its_start() -> None:
    """Cumulative: the scheduler's last value is the count, and a missed collection loses nothing."""
    meter = _meter(lasting=True)
    meter.record([_count("a", 1)])
    meter.collect()
    meter.record([_count("a", 2), _count("b", 0)])
    data = meter.collect()
    assert _values(data, "airflow.dag_run.count") == {"a": 3, "b": 0}
    assert _found(data)["airflow.dag_run.count"].data.aggregation_temporality is CUMULATIVE


@pytest.mark.parametrize(("lasting", "temporality"), [(False, DELTA), (True, CUMULATIVE)])
def test_durations_have_buckets_from_a_tenth_of_a_second_to_a_day(
    lasting: bool,  # noqa: FBT001
    temporality: AggregationTemporality,
) -> None:
    """A histogram of pipelines: OTel's own bounds end at 10 s."""
    meter = _meter(lasting=lasting)
    meter.record(Point(AIRFLOW_DAG_RUN_DURATION, seconds, {}) for seconds in (0.05, 0.1, 0.2, 100, DAY, DAY + 1))
    histogram = _found(meter.collect())["airflow.dag_run.duration"]
    [point] = histogram.data.data_points
    assert histogram.data.aggregation_temporality is temporality
    assert point.explicit_bounds == SECONDS
    assert (SECONDS[0], SECONDS[-1], sorted(SECONDS)) == (0.1, DAY, list(SECONDS))
    assert len(point.bucket_counts) == len(SECONDS) + 1
    counts = {bound: n for bound, n in zip((*SECONDS, None), point.bucket_counts, strict=True) if n}
    assert counts == {0.1: 2, 0.25: 1, 120: 1, DAY: 1, None: 1}
    assert (point.count, point.max) == (6, DAY + 1)


def test_a_metric_is_what_the_model_says_and_comes_from_our_scope() -> None:
    """Name, unit and meaning are the model's; resource, scope and schema say who speaks."""
    meter = _meter(lasting=True)
    meter.record([_count("a", 1)])
    data = meter.collect()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    [metric] = scope.metrics
    assert (metric.name, metric.unit, metric.description) == (
        AIRFLOW_DAG_RUN_COUNT.name,
        AIRFLOW_DAG_RUN_COUNT.unit,
        AIRFLOW_DAG_RUN_COUNT.brief,
    )
    assert dict(resource.resource.attributes) == {"service.name": "s"}
    assert (scope.scope.name, scope.scope.schema_url) == ("dagtrace", SCHEMA_URL)


def test_a_gauge_keeps_its_last_value() -> None:
    """A level is not added up."""
    meter = _meter(lasting=False)
    meter.record([Point(GAUGE, 3, {"k": "a"}), Point(GAUGE, 2, {"k": "a"})])
    assert _values(meter.collect(), "test.level") == {"a": 2}


def test_where_nothing_was_measured_nothing_is_sent() -> None:
    """A process that counts nothing writes no line."""
    assert _meter(lasting=True).collect() is None


def test_the_users_temporality_goes_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta`` holds for a lasting process, too."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    meter = _meter(lasting=True)
    meter.record([_count("a", 1)])
    meter.collect()
    meter.record([_count("a", 2)])
    assert _values(meter.collect(), "airflow.dag_run.count") == {"a": 2}


def test_the_users_histograms_go_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for exponential histograms gets them; who does not gets our bounds also over OTLP."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    ours = _meter(lasting=True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")
    theirs = _meter(lasting=True)
    for meter in (ours, theirs):
        meter.record([Point(AIRFLOW_DAG_RUN_DURATION, 1, {})])
    [point] = _found(ours.collect())["airflow.dag_run.duration"].data.data_points
    assert point.explicit_bounds == SECONDS
    [point] = _found(theirs.collect())["airflow.dag_run.duration"].data.data_points
    assert not hasattr(point, "explicit_bounds")
    assert point.scale is not None


def test_a_metric_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its most series, all is one series that OpenTelemetry names; the sum stays what was counted."""
    monkeypatch.setattr("dagtrace.telemetry.metrics.MOST_SERIES", 3)
    meter = _meter(lasting=True)
    for _ in range(2):
        meter.record(_count(key, 1) for key in "abcde")
        meter.record(Point(AIRFLOW_DAG_RUN_DURATION, 5, {"k": key}) for key in "abcde")
    data = meter.collect()
    for name, what in (("airflow.dag_run.count", "value"), ("airflow.dag_run.duration", "sum")):
        points = _found(data)[name].data.data_points
        found: dict[Any, float] = {tuple(point.attributes.items()): getattr(point, what) for point in points}
        times = 1 if what == "value" else 5
        assert found == {
            (("k", "a"),): 2 * times,
            (("k", "b"),): 2 * times,
            (("k", "c"),): 2 * times,
            (("otel.metric.overflow", True),): 4 * times,
        }


def test_levels_are_replaced_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever no longer knows how things stand says nothing: neither the series nor, in the end, the metric."""
    monkeypatch.setattr("dagtrace.telemetry.metrics.MOST_SERIES", 2)
    meter = _meter(lasting=True)
    meter.show([Point(GAUGE, 3, {"k": "a"}), Point(GAUGE, 2, {"k": "b"}), Point(GAUGE, 1, {"k": "beyond"})])
    for _ in range(2):
        assert _values(meter.collect(), "test.level") == {"a": 3, "b": 2}
    meter.show([Point(GAUGE, 4, {"k": "b"})])
    assert _values(meter.collect(), "test.level") == {"b": 4}
    meter.show([])
    assert _values(meter.collect(), "test.level") == {}


TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
AT = SpanContext(TRACE, SPAN)


@pytest.fixture
def _elsewhere() -> Iterator[None]:
    """Be within a span of somebody else's, which is sampled."""
    there = trace.SpanContext(1, 2, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(there)))
    yield
    context.detach(token)


def _exemplars(data: MetricsData | None) -> dict[str, list[tuple[Any, Any]]]:
    """Return the trace and span ids of every exemplar by metric, as they are in a local file."""
    assert data is not None
    document = json.loads(to_line(encode_metrics(data)))
    found: dict[str, list[tuple[Any, Any]]] = {}
    for metric in (m for r in document["resourceMetrics"] for k in r["scopeMetrics"] for m in k["metrics"]):
        [point] = (metric.get("sum") or metric["histogram"])["dataPoints"]
        found[metric["name"]] = [(e.get("traceId"), e.get("spanId")) for e in point.get("exemplars", ())]
    return found


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("lasting", [False, True])
def test_what_was_measured_at_a_span_leads_to_it(lasting: bool) -> None:  # noqa: FBT001
    """A counter and a histogram have the point's span, and no other, as exemplar: once, its ids in hex in the file."""
    meter = _meter(lasting=lasting)
    meter.record([Point(AIRFLOW_DAG_RUN_COUNT, 1, {}, AT), Point(AIRFLOW_DAG_RUN_DURATION, 5.0, {}, AT)])
    ids = [(f"{TRACE:032x}", f"{SPAN:016x}")]
    assert _exemplars(meter.collect()) == {"airflow.dag_run.count": ids, "airflow.dag_run.duration": ids}
    meter.record([Point(AIRFLOW_DAG_RUN_COUNT, 1, {}), Point(AIRFLOW_DAG_RUN_DURATION, 5.0, {})])
    assert _exemplars(meter.collect()) == {"airflow.dag_run.count": [], "airflow.dag_run.duration": []}


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    "span",
    [None, SpanContext(TRACE, SPAN, sampled=False), SpanContext(TRACE, 0)],
    ids=["none", "unsampled", "known to Airflow alone"],
)
def test_an_exemplar_leads_somewhere(span: SpanContext | None) -> None:
    """What belongs to no span, or to one that nobody can find, has no exemplar, whatever span is current; it counts."""
    meter = _meter(lasting=False)
    meter.record([Point(AIRFLOW_DAG_RUN_COUNT, 3, {"k": "a"}, span)])
    data = meter.collect()
    assert _exemplars(data) == {"airflow.dag_run.count": []}
    assert _values(data, "airflow.dag_run.count") == {"a": 3}


def test_an_sdk_without_exemplars(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose instruments take no context (1.27) counts as it always did."""

    def add(self: Any, amount: float, attributes: Any = None) -> None:
        plain_add(self, amount, attributes)

    plain_add: Any = Counter.add
    monkeypatch.setattr("dagtrace.telemetry.metrics._EXEMPLARS", takes_context(add))
    meter = _meter(lasting=False)
    monkeypatch.setattr("opentelemetry.sdk.metrics._internal.instrument.Counter.add", add)
    meter.record([Point(AIRFLOW_DAG_RUN_COUNT, 3, {"k": "a"}, AT)])
    data = meter.collect()
    assert _values(data, "airflow.dag_run.count") == {"a": 3}
    assert _exemplars(data) == {"airflow.dag_run.count": []}
