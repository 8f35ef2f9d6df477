"""
OTLP/JSON both ways: the local files' format, and what ``dagtrace view`` reads.

The OTLP exporter's own protobuf encoder does the encoding, protobuf's own JSON mapping the text. Only where OTLP
departs from that mapping is there code here: ids are hex, not base64, and enums are numbers
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, cast

from dagtrace.record import Event, Link, SpanRecord, Value


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def to_line(request: Any) -> bytes:
    """Return one export request (a protobuf message) as one line of OTLP/JSON."""
    from google.protobuf.json_format import MessageToDict

    document = MessageToDict(request, use_integers_for_enums=True)
    _hex_ids(document)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _hex_ids(node: Any) -> None:
    """Turn every id in the document from base64 into hex; attributes are left alone, whatever their keys are."""
    if isinstance(node, list):
        for item in cast("list[Any]", node):
            _hex_ids(item)
    elif isinstance(node, dict):
        document = cast("dict[str, Any]", node)
        for key, value in document.items():
            if key in _IDS and isinstance(value, str):
                document[key] = base64.b64decode(value).hex()
            elif key != "attributes":
                _hex_ids(value)


def span_from(document: Mapping[str, Any]) -> SpanRecord:
    """Return the span that an OTLP/JSON ``Span`` object describes; raise KeyError or ValueError where it is none."""
    status: Mapping[str, Any] = document.get("status") or {}
    failed = status.get("code") in (2, "STATUS_CODE_ERROR")
    parent: str = document.get("parentSpanId") or ""
    return SpanRecord(
        name=document["name"],
        trace_id=int(document["traceId"], 16),
        span_id=int(document["spanId"], 16),
        parent_id=int(parent, 16) if parent else None,
        start_ns=int(document["startTimeUnixNano"]),
        end_ns=int(document["endTimeUnixNano"]),
        attributes=attributes_from(document.get("attributes", ())),
        events=tuple(
            Event(e.get("name", ""), int(e.get("timeUnixNano", 0)), attributes_from(e.get("attributes", ())))
            for e in document.get("events", ())
        ),
        links=tuple(
            Link(int(k["traceId"], 16), int(k["spanId"], 16), attributes_from(k.get("attributes", ())))
            for k in document.get("links", ())
        ),
        error=status.get("message", "") if failed else None,
    )


def attributes_from(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Value]:
    """Return OTLP/JSON key-value pairs as a plain dict."""
    return {pair["key"]: _value(pair.get("value", {})) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    for kind, item in value.items():
        if kind == "intValue":
            return int(item)
        if kind == "arrayValue":
            return [_value(v) for v in item.get("values", ())]
        return item
    return ""
