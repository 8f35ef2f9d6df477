"""OTLP/JSON: what is written is the file format of the specification, and reads back as what it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from dagtrace.record import Attributes, Event, Link, SpanRecord
from dagtrace.telemetry.otlp_json import attributes_from, span_from, to_line
from dagtrace.telemetry.spans import to_span


def _line(*records: SpanRecord) -> bytes:
    return to_line(encode_spans([to_span(record, Resource({"service.name": "s"})) for record in records]))


def _spans(line: bytes) -> list[dict[str, Any]]:
    return [s for r in json.loads(line)["resourceSpans"] for k in r["scopeSpans"] for s in k["spans"]]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
key = text.filter(bool)
integer = st.integers(-(2**63), 2**63 - 1)
value = st.one_of(
    text,
    st.booleans(),
    integer,
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(text, max_size=3),
    st.lists(integer, max_size=3),
)
attributes: st.SearchStrategy[Attributes] = st.dictionaries(key, value, max_size=4)
trace_ids = st.integers(1, 2**128 - 1)
span_ids = st.integers(1, 2**64 - 1)
times = st.integers(1, 2**63 - 1)
records = st.builds(
    SpanRecord,
    name=key,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_id=st.none() | span_ids,
    start_ns=times,
    end_ns=times,
    attributes=attributes,
    events=st.lists(st.builds(Event, text, times, attributes), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, trace_ids, span_ids, attributes), max_size=2).map(tuple),
    error=st.none() | text,
)


@given(st.lists(records, min_size=1, max_size=3))
def test_a_span_survives_the_file(written: list[SpanRecord]) -> None:
    """Whatever a record holds, encoding and decoding gives an equal one, types and order included."""
    line = _line(*written)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    read = [span_from(span) for span in _spans(line)]
    assert read == written
    for one, other in zip(read, written, strict=True):
        assert {k: type(v) for k, v in one.attributes.items()} == {k: type(v) for k, v in other.attributes.items()}


FULL = SpanRecord(
    name="spark.stage",
    trace_id=0xA1,
    span_id=0xB2,
    parent_id=0xC3,
    start_ns=1_767_225_600_000_000_001,
    end_ns=1_767_225_601_000_000_000,
    attributes={"rows": 2**53 + 1, "skew": 1.5, "name": "Flüge ✈", "last": True, "ids": [1, 2], "none": []},
    events=(Event("exception", 7, {"at": 1}),),
    links=(Link(0xD4, 0xE5, {"kind": "retry"}),),
    error="no space left",
)


def test_the_file_holds_what_the_specification_says() -> None:
    """Ids are hex, 64-bit integers strings, enums numbers, and text is UTF-8 as it stands."""
    line = _line(FULL)
    [span] = _spans(line)
    flags = [span.pop("flags", None), span["links"][0].pop("flags", None)]
    assert all(isinstance(number, int) or number is None for number in flags)
    assert span == {
        "traceId": "000000000000000000000000000000a1",
        "spanId": "00000000000000b2",
        "parentSpanId": "00000000000000c3",
        "name": "spark.stage",
        "kind": 1,
        "startTimeUnixNano": "1767225600000000001",
        "endTimeUnixNano": "1767225601000000000",
        "attributes": [
            {"key": "rows", "value": {"intValue": "9007199254740993"}},
            {"key": "skew", "value": {"doubleValue": 1.5}},
            {"key": "name", "value": {"stringValue": "Flüge ✈"}},
            {"key": "last", "value": {"boolValue": True}},
            {"key": "ids", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}}},
            {"key": "none", "value": {"arrayValue": {}}},
        ],
        "events": [
            {"timeUnixNano": "7", "name": "exception", "attributes": [{"key": "at", "value": {"intValue": "1"}}]}
        ],
        "links": [
            {
                "traceId": "000000000000000000000000000000d4",
                "spanId": "00000000000000e5",
                "attributes": [{"key": "kind", "value": {"stringValue": "retry"}}],
            }
        ],
        "status": {"message": "no space left", "code": 2},
    }
    assert "Flüge ✈".encode() in line
    assert b'"code":2' in line, "no blanks: files are read by the gigabyte"


def test_attributes_named_like_ids_stay_as_they_are() -> None:
    """Only OTLP's own fields are turned into hex, not what a user calls traceId."""
    record = SpanRecord("n", 1, 2, None, 1, 2, attributes={"traceId": "YWJj", "spanId": "YWJj"})
    assert span_from(_spans(_line(record))[0]).attributes == {"traceId": "YWJj", "spanId": "YWJj"}


def test_other_writers_are_read_too() -> None:
    """The collector omits what is empty, writes enums by name and integers as numbers: the same span comes out."""
    document: dict[str, Any] = {
        "traceId": "A1",
        "spanId": "b2",
        "parentSpanId": "",
        "name": "n",
        "startTimeUnixNano": 1,
        "endTimeUnixNano": "2",
        "attributes": [{"key": "n", "value": {"intValue": 3}}, {"key": "empty", "value": {}}, {"key": "missing"}],
        "status": {"code": "STATUS_CODE_ERROR"},
    }
    read = span_from(document)
    assert read == SpanRecord("n", 0xA1, 0xB2, None, 1, 2, {"n": 3, "empty": "", "missing": ""}, error="")


@pytest.mark.parametrize("status", [None, {}, {"code": 0}, {"code": 1, "message": "fine"}, {"code": "STATUS_CODE_OK"}])
def test_only_a_status_of_error_is_one(status: dict[str, Any] | None) -> None:
    """Success leaves no message behind."""
    document = {"traceId": "1", "spanId": "2", "name": "n", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    assert span_from(document | {"status": status}).error is None


@pytest.mark.parametrize("lacks", ["traceId", "spanId"])
def test_what_is_no_span_is_said(lacks: str) -> None:
    """An object without ids raises KeyError, so that the reader can name the line."""
    document = {"traceId": "1", "spanId": "2", "name": "n", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    del document[lacks]
    with pytest.raises(KeyError, match=lacks):
        span_from(document)


def test_nested_arrays_are_read() -> None:
    """An array comes back as a list of its values, each of its own type."""
    pairs = [{"key": "k", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "5"}]}}}]
    assert attributes_from(pairs) == {"k": ["a", 5]}


@pytest.mark.parametrize(
    "record", [SpanRecord("n", 1, 2, None, 0, 2), SpanRecord("", 1, 2, None, 1, 2)], ids=["start 0", "no name"]
)
def test_zeros_survive_the_file(record: SpanRecord) -> None:
    """A span of a run without any date (``Run.start_ns`` is 0 then) must not make the whole file unreadable."""
    assert span_from(_spans(_line(record))[0]) == record


@pytest.mark.parametrize(
    ("field", "odd"),
    [
        ("name", 5),
        ("traceId", "f" * 33),
        ("spanId", "-1"),
        ("startTimeUnixNano", str(2**64)),
        ("endTimeUnixNano", -1),
        ("status", {"code": 2, "message": 0}),
        ("attributes", [{"key": 0}]),
        ("events", [{"timeUnixNano": "soon"}]),
    ],
)
def test_a_field_of_another_kind_is_said(field: str, odd: Any) -> None:
    """What could not be shown later on is refused here, where the line is known."""
    with pytest.raises((ValueError, TypeError)):
        span_from({"traceId": "1", "spanId": "2", field: odd})


def test_null_is_the_same_as_missing() -> None:
    """So says protobuf's JSON; a number that JSON has no sign for is text."""
    fields = ("name", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "attributes", "events", "links", "status")
    assert span_from({"traceId": "1", "spanId": "2"} | dict.fromkeys(fields)) == SpanRecord("", 1, 2, None, 0, 0)
    assert attributes_from([{"key": "k", "value": {"doubleValue": "Infinity"}}]) == {"k": float("inf")}
