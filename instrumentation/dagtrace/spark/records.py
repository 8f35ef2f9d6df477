"""The listener's lines: OTLP/JSON spans into records, and records into measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dagtrace.masking import redact
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from dagtrace.telemetry.otlp_json import span_from


if TYPE_CHECKING:
    from dagtrace.record import Attributes, Value

_LEVELS = ("spark.application", "spark.sql", "spark.job", "spark.stage", "spark.task")
_DETAIL = {"application": 1, "job": 3, "stage": 4, "task": 5}
_TEXTS = frozenset(
    {
        *(names.SPARK_STAGE_TASK_ERROR, names.EXCEPTION_MESSAGE, names.EXCEPTION_STACKTRACE),
        *(names.DATA_DATASET_NAME, names.DATA_INPUTS, names.DATA_OUTPUTS),  # a path is whatever somebody made it
    }
)


def read(line: str) -> SpanRecord:
    """Return the span of one line; what failed says so without the secrets it may have held."""
    span = json.loads(line)
    record = span_from(span)
    return replace(
        record,
        attributes=_masked(record.attributes),
        events=tuple(replace(event, attributes=_masked(event.attributes)) for event in record.events),
        error=None if record.error is None else redact(record.error),
        sampled=bool(span["flags"] & 1),
    )


def _masked(attributes: Attributes) -> Attributes:
    """Mask what was said of failures and paths, once more: the listener does not know Airflow's connections."""
    if _TEXTS.isdisjoint(attributes):
        return attributes
    return {key: _redacted(value) if key in _TEXTS else value for key, value in attributes.items()}


def _redacted(value: Value) -> Value:
    return redact(value) if isinstance(value, str) else [redact(str(item)) for item in cast("list[str]", value)]


def measured(line: str) -> bool:
    """Whether the listener has counted this span in the metrics it posted itself, before Python took it over."""
    return line.startswith('{"measured":true,')


def lost(losses: str, application: str) -> list[Point]:
    """Return what the listener lost, ``queue_full 3, error 1``, as points."""
    found = (loss.rpartition(" ") for loss in losses.split(", ") if loss)
    return [
        Point(
            metrics.DAGTRACE_SPARK_RECORDS_LOST,
            int(count),
            {names.SPARK_APPLICATION_NAME: application, names.DAGTRACE_LOSS_REASON: reason},
        )
        for reason, _, count in found
    ]


def unsampled(record: SpanRecord) -> SpanRecord:
    """Return the record as one of a trace nobody wants."""
    return replace(record, sampled=False)


def wanted(record: SpanRecord, detail: str) -> bool:
    """Return whether ``DAGTRACE_SPARK_DETAIL`` asks for spans of this level."""
    return _level(record) in _LEVELS[: _DETAIL[detail]]


def _level(record: SpanRecord) -> str:
    return record.name.split(" ", 1)[0]


def points(record: SpanRecord) -> list[Point]:
    """Return what a span adds to the metrics: sampled or not, so that they add up to Spark's own totals."""
    made = _points(record, _level(record), record.attributes)
    for event in record.events:
        made += _points(record, event.name, event.attributes)
    return made


def _points(record: SpanRecord, kind: str, found: Attributes) -> list[Point]:
    """Return what a span, or one of its events, adds by the model's annotations."""
    made: list[Point] = []
    for metric, source, name, more in metrics.SOURCES:
        if source != kind:
            continue
        value = cast("float | None", found.get(name)) if name else (record.end_ns - record.start_ns) / 1e9
        if value is not None:  # nothing was counted where it is not there; a count of 0 is one
            application = {names.SPARK_APPLICATION_NAME: record.attributes.get(names.SPARK_APPLICATION_NAME, "")}
            outcome = {names.SPARK_OUTCOME: _outcome(record)} if names.SPARK_OUTCOME in metric.attributes else {}
            own = _bounded({key: found[key] for key in metric.attributes if key in found})
            made.append(Point(metric, value, {**own, **application, **outcome, **dict(more)}, record.context))
    return made


_MOST_DATASETS = 500  # with series of their own in one process: somebody may write a folder per customer
_counted: set[tuple[Value, Value]] = set()


def _bounded(attributes: dict[str, Value]) -> dict[str, Value]:
    """Return the attributes of a point with datasets beyond the bound called ``other``."""
    if names.DATA_DATASET_NAME not in attributes:
        return attributes
    dataset = (attributes[names.DATA_DATASET_NAMESPACE], attributes[names.DATA_DATASET_NAME])
    if dataset in _counted or len(_counted) < _MOST_DATASETS:
        _counted.add(dataset)
        return attributes
    return {**attributes, names.DATA_DATASET_NAMESPACE: "other", names.DATA_DATASET_NAME: "other"}


def _outcome(record: SpanRecord) -> str:
    if record.error is not None:
        return "failure"
    results = (record.attributes.get(name) for name in (names.SPARK_SQL_RESULT, names.SPARK_JOB_RESULT))
    return "cancelled" if "cancelled" in results else "success"
