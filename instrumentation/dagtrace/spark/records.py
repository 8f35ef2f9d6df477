"""The listener's lines: OTLP/JSON spans into records, and a stage's record into measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from dagtrace.masking import mask
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.record import Attributes, Value
    from dagtrace.semconv.metrics import Metric

_READ: dict[str, Callable[[Any], Value]] = {
    "stringValue": str,
    "intValue": int,
    "doubleValue": float,
    "boolValue": bool,
    "arrayValue": lambda array: [int(item["intValue"]) for item in array["values"]],
}

_LEVELS = ("spark.application", "spark.sql", "spark.job", "spark.stage")
_DETAIL = {"application": 1, "job": 3, "stage": 4, "task": 4}  # tasks have no spans of their own yet


def read(line: str) -> SpanRecord:
    """Return the span of one line; what failed says so without the secrets it may have held."""
    span = json.loads(line)
    found = {item["key"]: _value(item["value"]) for item in span["attributes"]}
    if names.SPARK_STAGE_TASK_ERROR in found:
        found[names.SPARK_STAGE_TASK_ERROR] = mask(cast("str", found[names.SPARK_STAGE_TASK_ERROR]))
    status = span.get("status")
    return SpanRecord(
        name=span["name"],
        trace_id=int(span["traceId"], 16),
        span_id=int(span["spanId"], 16),
        parent_id=int(span["parentSpanId"], 16) if "parentSpanId" in span else None,
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        attributes=found,
        error=mask(status["message"]) if status else None,
        sampled=bool(span["flags"] & 1),
    )


def _value(value: dict[str, Any]) -> Value:
    kind, content = next(iter(value.items()))
    return _READ[kind](content)


def unsampled(record: SpanRecord) -> SpanRecord:
    """Return the record as one of a trace nobody wants."""
    return replace(record, sampled=False)


def wanted(record: SpanRecord, detail: str) -> bool:
    """Return whether ``DAGTRACE_SPARK_DETAIL`` asks for spans of this level."""
    return record.name.split(" ", 1)[0] in _LEVELS[: _DETAIL[detail]]


def points(record: SpanRecord) -> list[Point]:
    """Return what a stage attempt adds to the metrics: sampled or not, so that they add up to Spark's own totals."""
    if record.name != "spark.stage":
        return []
    found = record.attributes
    application = {names.SPARK_APPLICATION_NAME: found[names.SPARK_APPLICATION_NAME]}
    outcome = {names.SPARK_OUTCOME: "failure" if record.error is not None else "success"}
    seconds = (record.end_ns - record.start_ns) / 1e9
    made = [Point(metrics.SPARK_STAGE_DURATION, seconds, {**application, **outcome})]
    for metric, name, more in _COUNTED:
        value = cast("int", found.get(name, 0))
        if value:
            made.append(Point(metric, value, {**application, **more}))
    return made


_COUNTED: list[tuple[Metric, str, Attributes]] = [
    (metrics.SPARK_STAGE_TASKS, names.SPARK_STAGE_TASKS_SUCCEEDED, {names.SPARK_TASK_OUTCOME: "succeeded"}),
    (metrics.SPARK_STAGE_TASKS, names.SPARK_STAGE_TASKS_FAILED, {names.SPARK_TASK_OUTCOME: "failed"}),
    (metrics.SPARK_STAGE_TASKS, names.SPARK_STAGE_TASKS_KILLED, {names.SPARK_TASK_OUTCOME: "killed"}),
    (metrics.SPARK_STAGE_INPUT, names.SPARK_STAGE_INPUT_BYTES, {}),
    (metrics.SPARK_STAGE_INPUT_RECORDS, names.SPARK_STAGE_INPUT_RECORDS, {}),
    (metrics.SPARK_STAGE_OUTPUT, names.SPARK_STAGE_OUTPUT_BYTES, {}),
    (metrics.SPARK_STAGE_OUTPUT_RECORDS, names.SPARK_STAGE_OUTPUT_RECORDS, {}),
    (metrics.SPARK_STAGE_SHUFFLE, names.SPARK_STAGE_SHUFFLE_READ_BYTES, {names.SPARK_IO_DIRECTION: "read"}),
    (metrics.SPARK_STAGE_SHUFFLE, names.SPARK_STAGE_SHUFFLE_WRITE_BYTES, {names.SPARK_IO_DIRECTION: "write"}),
    (metrics.SPARK_STAGE_SHUFFLE_RECORDS, names.SPARK_STAGE_SHUFFLE_READ_RECORDS, {names.SPARK_IO_DIRECTION: "read"}),
    (metrics.SPARK_STAGE_SHUFFLE_RECORDS, names.SPARK_STAGE_SHUFFLE_WRITE_RECORDS, {names.SPARK_IO_DIRECTION: "write"}),
]
