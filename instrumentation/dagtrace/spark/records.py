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
    from dagtrace.record import Attributes

_LEVELS = ("spark.application", "spark.sql", "spark.job", "spark.stage", "spark.task")
_DETAIL = {"application": 1, "job": 3, "stage": 4, "task": 5}
_TEXTS = (names.SPARK_STAGE_TASK_ERROR, names.EXCEPTION_MESSAGE, names.EXCEPTION_STACKTRACE)


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
    """Mask what was said of failures once more: the listener has, but it does not know Airflow's connections."""
    if not any(name in attributes for name in _TEXTS):
        return attributes
    return {key: redact(str(value)) if key in _TEXTS else value for key, value in attributes.items()}


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
    found = record.attributes
    application = {names.SPARK_APPLICATION_NAME: found.get(names.SPARK_APPLICATION_NAME, "")}
    made: list[Point] = []
    for metric, span, name, more in metrics.SOURCES:
        if span != _level(record):
            continue
        value = cast("float | None", found.get(name)) if name else (record.end_ns - record.start_ns) / 1e9
        if value or (value is not None and metric.instrument == "histogram"):
            outcome = {names.SPARK_OUTCOME: _outcome(record)} if names.SPARK_OUTCOME in metric.attributes else {}
            made.append(Point(metric, value, {**application, **outcome, **dict(more)}))
    return made


def _outcome(record: SpanRecord) -> str:
    if record.error is not None:
        return "failure"
    results = (record.attributes.get(name) for name in (names.SPARK_SQL_RESULT, names.SPARK_JOB_RESULT))
    return "cancelled" if "cancelled" in results else "success"
