"""The listener's lines: OTLP/JSON spans into records, and what stages and queries did into measurements."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from dagtrace.masking import mask
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events, metrics
from dagtrace.telemetry.otlp_json import span_from


if TYPE_CHECKING:
    from dagtrace.record import Attributes, Event, Value
    from dagtrace.semconv.metrics import Metric

_LEVELS = ("spark.application", "spark.sql", "spark.job", "spark.stage")
_DETAIL = {"application": 1, "job": 3, "stage": 4, "task": 4}  # tasks have no spans of their own yet


def read(line: str) -> SpanRecord:
    """Return the span of one line; what failed says so without the secrets it may have held."""
    span = json.loads(line)
    record = span_from(span)
    attributes = dict(record.attributes)
    if names.SPARK_STAGE_TASK_ERROR in attributes:
        attributes[names.SPARK_STAGE_TASK_ERROR] = mask(str(attributes[names.SPARK_STAGE_TASK_ERROR]))
    for name in (names.DATA_INPUTS, names.DATA_OUTPUTS):
        if name in attributes:
            attributes[name] = [mask(uri) for uri in cast("list[str]", attributes[name])]
    error = None if record.error is None else mask(record.error)
    return replace(
        record,
        attributes=attributes,
        events=[replace(event, attributes=_masked(event.attributes)) for event in record.events],
        error=error,
        sampled=bool(span["flags"] & 1),
    )


def _masked(attributes: Attributes) -> Attributes:
    """Return an event's attributes with its texts masked: a path is whatever somebody made it."""
    return {name: mask(value) if isinstance(value, str) else value for name, value in attributes.items()}


def unsampled(record: SpanRecord) -> SpanRecord:
    """Return the record as one of a trace nobody wants."""
    return replace(record, sampled=False)


def wanted(record: SpanRecord, detail: str) -> bool:
    """Return whether ``DAGTRACE_SPARK_DETAIL`` asks for spans of this level."""
    return record.name.split(" ", 1)[0] in _LEVELS[: _DETAIL[detail]]


def points(record: SpanRecord) -> list[Point]:
    """Return what a stage attempt or a query adds to the metrics: sampled or not, so that they add up to Spark's."""
    if record.name == "spark.sql":
        return [point for event in record.events for point in _dataset(record, event)]
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


def _dataset(record: SpanRecord, event: Event) -> list[Point]:
    """Return what was read or written of one dataset."""
    if event.name not in {events.DATA_READ, events.DATA_WRITE}:
        return []
    found = event.attributes
    which = {name: found[name] for name in _DATASET}
    dataset = (which[names.DATA_DATASET_NAMESPACE], which[names.DATA_DATASET_NAME])
    if dataset not in _counted and len(_counted) >= _MOST_DATASETS:
        which[names.DATA_DATASET_NAMESPACE] = which[names.DATA_DATASET_NAME] = "other"
    else:
        _counted.add(dataset)
    which[names.SPARK_APPLICATION_NAME] = record.attributes[names.SPARK_APPLICATION_NAME]
    return [Point(metric, value, which) for metric, name in _AMOUNTS if (value := cast("int", found.get(name, 0)))]


_MOST_DATASETS = 500  # with series of their own in one process: somebody may write a folder per customer
_counted: set[tuple[Value, Value]] = set()
_DATASET = (names.DATA_DATASET_NAMESPACE, names.DATA_DATASET_NAME, names.DATA_OPERATION)
_AMOUNTS = [
    (metrics.DATA_DATASET_ROWS, names.DATA_ROWS),
    (metrics.DATA_DATASET_BYTES, names.DATA_BYTES),
    (metrics.DATA_DATASET_FILES, names.DATA_FILES),
]
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
