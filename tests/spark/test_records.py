"""The listener's lines, read; and what a stage adds to the metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dagtrace.identity import SpanContext
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events, metrics
from dagtrace.spark import records


def line(name: str = "spark.stage", **more: Any) -> str:
    """Return a line as the listener writes it."""
    attributes = {
        names.SPARK_APPLICATION_NAME: {"stringValue": "app"},
        names.SPARK_STAGE_TASKS_SUCCEEDED: {"intValue": "4"},
        names.SPARK_STAGE_TASKS_FAILED: {"intValue": "0"},
        names.SPARK_STAGE_INPUT_BYTES: {"intValue": "9007199254740993"},
        names.SPARK_STAGE_SKEW: {"doubleValue": 1.5},
        names.SPARK_STAGE_PARENT_IDS: {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}},
        names.DAGTRACE_ASYNC: {"boolValue": True},
        names.SPARK_STAGE_TASK_ERROR: {"stringValue": "ValueError: token=abc"},
        names.SPARK_STAGE_SPILL_DISK_BYTES: {"intValue": "5"},
        names.SPARK_STAGE_GC_TIME: {"doubleValue": 0.25},
    }
    span = {
        "traceId": f"{7:032x}",
        "spanId": f"{8:016x}",
        "parentSpanId": f"{9:016x}",
        "flags": 1,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": "1000000000",
        "endTimeUnixNano": "3500000000",
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }
    return json.dumps(span | more)


def test_a_line_is_a_record() -> None:
    """Ids, times and every kind of attribute come through exactly; a task's error is masked."""
    record = records.read(line())
    assert (record.trace_id, record.span_id, record.parent_id) == (7, 8, 9)
    assert (record.start_ns, record.end_ns) == (1_000_000_000, 3_500_000_000)
    assert record.sampled
    assert record.error is None
    assert record.attributes == {
        names.SPARK_APPLICATION_NAME: "app",
        names.SPARK_STAGE_TASKS_SUCCEEDED: 4,
        names.SPARK_STAGE_TASKS_FAILED: 0,
        names.SPARK_STAGE_INPUT_BYTES: 9007199254740993,
        names.SPARK_STAGE_SKEW: 1.5,
        names.SPARK_STAGE_PARENT_IDS: [1, 2],
        names.DAGTRACE_ASYNC: True,
        names.SPARK_STAGE_TASK_ERROR: "ValueError: token=***",
        names.SPARK_STAGE_SPILL_DISK_BYTES: 5,
        names.SPARK_STAGE_GC_TIME: 0.25,
    }


def test_a_failure_is_masked() -> None:
    """A status makes an error, without the password it may have named; flags 0 make it unsampled."""
    record = records.read(line(status={"code": 2, "message": "jdbc:postgresql://u:pw@h/db"}, flags=0))
    assert record.error == "jdbc:postgresql://u:***@h/db"
    assert not record.sampled


def test_an_exception_is_masked() -> None:
    """The event that a failed span has says the message and the first lines of the stack without the secret."""
    said = [
        {"key": key, "value": {"stringValue": "token=abc"}} for key in (names.EXCEPTION_MESSAGE, names.EXCEPTION_TYPE)
    ]
    record = records.read(line(events=[{"timeUnixNano": "5", "name": "exception", "attributes": said}]))
    (event,) = record.events
    assert event.attributes == {names.EXCEPTION_MESSAGE: "token=***", names.EXCEPTION_TYPE: "token=abc"}


def test_a_stage_counts() -> None:
    """A stage gives its duration in seconds and what was counted, 0 too, under the application's name: of its span."""
    made = {
        (p.metric.name, p.attributes.get(names.SPARK_TASK_OUTCOME) or p.attributes.get(names.SPARK_SPILL_MEDIUM)): p
        for p in records.points(records.read(line()))
    }
    assert {key: point.value for key, point in made.items()} == {
        ("spark.stage.duration", None): 2.5,
        ("spark.stage.tasks", "succeeded"): 4,
        ("spark.stage.tasks", "failed"): 0,
        ("spark.stage.input", None): 9007199254740993,
        ("spark.stage.spill", "disk"): 5,
        ("spark.stage.gc_time", None): 0.25,
        ("spark.stage.skew", None): 1.5,
    }
    duration = made["spark.stage.duration", None]
    assert duration.metric is metrics.SPARK_STAGE_DURATION
    assert duration.attributes == {names.SPARK_APPLICATION_NAME: "app", names.SPARK_OUTCOME: "success"}
    assert records.points(records.read(line("spark.job"))) == []
    assert {point.span for point in made.values()} == {SpanContext(7, 8)}
    unsampled = records.points(records.unsampled(records.read(line())))
    assert {point.span for point in unsampled} == {SpanContext(7, 8, sampled=False)}


@pytest.mark.parametrize(
    ("more", "outcome"),
    [({}, "success"), ({"status": {"code": 2, "message": "no"}}, "failure"), ({"result": "cancelled"}, "cancelled")],
)
def test_the_outcome_of_a_query(more: dict[str, Any], outcome: str) -> None:
    """A cancelled query is neither a success nor a failure."""
    result = more.pop("result", None)
    pairs = {names.SPARK_APPLICATION_NAME: "app", **({names.SPARK_SQL_RESULT: result} if result else {})}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in pairs.items()]
    (point,) = records.points(records.read(line("spark.sql", attributes=attributes, **more)))
    assert (point.metric, point.value) == (metrics.SPARK_SQL_DURATION, 2.5)
    assert point.attributes[names.SPARK_OUTCOME] == outcome


def query(*events_: dict[str, Any]) -> str:
    """Return the line of a query with events as the listener writes them."""
    return line(
        "spark.sql",
        events=[
            {
                "name": event.pop("event"),
                "timeUnixNano": "3500000000",
                "attributes": [
                    {
                        "key": key,
                        "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
                    }
                    for key, value in event.items()
                ],
            }
            for event in events_
        ],
    )


READ: dict[str, Any] = {
    "event": events.DATA_READ,
    names.DATA_DATASET_NAMESPACE: "file",
    names.DATA_DATASET_NAME: "/data/flights",
    names.DATA_OPERATION: "read",
}


def test_a_query_counts_its_datasets() -> None:
    """What a query read and wrote is counted by application, dataset and operation, 0 too; what is unknown is not."""
    wrote = READ | {"event": events.DATA_WRITE, names.DATA_OPERATION: "append", names.DATA_ROWS: 0, names.DATA_FILES: 3}
    read = READ | {names.DATA_ROWS: 10, names.DATA_BYTES: 9007199254740993}
    record = records.read(query(read.copy(), wrote, READ.copy(), {"event": "something else", names.DATA_ROWS: 1}))
    made = [point for point in records.points(record) if point.metric is not metrics.SPARK_SQL_DURATION]
    assert {(p.metric, p.attributes[names.DATA_OPERATION], p.value) for p in made} == {
        (metrics.DATA_DATASET_ROWS, "read", 10),
        (metrics.DATA_DATASET_BYTES, "read", 9007199254740993),
        (metrics.DATA_DATASET_ROWS, "append", 0),
        (metrics.DATA_DATASET_FILES, "append", 3),
    }
    assert all(set(p.attributes) == set(p.metric.attributes) for p in made)
    assert made[0].attributes[names.DATA_DATASET_NAME] == "/data/flights"
    assert made[0].attributes[names.SPARK_APPLICATION_NAME] == "app"


def test_datasets_without_end_share_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes a folder per customer does not get a series per customer; what has a series keeps it."""
    monkeypatch.setattr(records, "_counted", set[Any]())
    monkeypatch.setattr(records, "_MOST_DATASETS", 2)
    many = [READ | {names.DATA_DATASET_NAME: name, names.DATA_ROWS: 1} for name in ("/a", "/b", "/c", "/a", "/d")]
    made = [p for p in records.points(records.read(query(*many))) if p.metric is metrics.DATA_DATASET_ROWS]
    assert [p.attributes[names.DATA_DATASET_NAME] for p in made] == ["/a", "/b", "other", "/a", "other"]


def test_a_path_is_masked() -> None:
    """A secret that somebody has put into a path is in no event; its numbers are as they were."""
    told = json.loads(query(READ | {names.DATA_DATASET_NAME: "/token=abc/x", names.DATA_ROWS: 7}))
    uris = {"arrayValue": {"values": [{"stringValue": "file:/token=abc/x"}, {"stringValue": "file:/y"}]}}
    told["attributes"] += [{"key": names.DATA_INPUTS, "value": uris}]
    record = records.read(json.dumps(told))
    assert record.attributes[names.DATA_INPUTS] == ["file:/token=***", "file:/y"]
    (event,) = record.events
    assert event.time_ns == 3_500_000_000
    assert event.attributes[names.DATA_DATASET_NAME] == "/token=***"
    assert event.attributes[names.DATA_ROWS] == 7


@pytest.mark.parametrize(("detail", "levels"), [("application", 1), ("job", 3), ("stage", 4), ("task", 5)])
def test_detail(detail: str, levels: int) -> None:
    """``DAGTRACE_SPARK_DETAIL`` leaves out the levels below."""
    spans = ["spark.application of mine", "spark.sql", "spark.job", "spark.stage", "spark.task"]
    assert [n for n in spans if records.wanted(records.read(line(n)), detail)] == spans[:levels]


def test_what_the_jvm_has_counted_says_so() -> None:
    """A span of a listener that was taken over carries a mark that is no part of it; its facts are the same."""
    marked = '{"measured":true,' + line()[1:]
    assert (records.measured(marked), records.measured(line())) == (True, False)
    assert records.read(marked) == records.read(line())


def test_losses_are_points() -> None:
    """What a listener lost is counted by its reason, nothing where it lost nothing."""
    made = records.lost("queue_full 3, error 1", "app")
    assert {(p.metric, p.value, p.attributes[names.DAGTRACE_LOSS_REASON]) for p in made} == {
        (metrics.DAGTRACE_SPARK_RECORDS_LOST, 3, "queue_full"),
        (metrics.DAGTRACE_SPARK_RECORDS_LOST, 1, "error"),
    }
    assert all(p.attributes[names.SPARK_APPLICATION_NAME] == "app" for p in made)
    assert all(set(p.attributes) == set(p.metric.attributes) for p in made)
    assert records.lost("", "app") == []
