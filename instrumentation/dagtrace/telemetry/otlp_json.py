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

_PARENT_IS_REMOTE = 0x200
"""In ``Span.flags``: https://github.com/open-telemetry/opentelemetry-proto, ``SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK``."""

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
    """
    Return the span that an OTLP/JSON ``Span`` object describes; what is zero or empty may be missing.

    Raise KeyError, ValueError, TypeError or AttributeError where it is none.
    """
    status: Mapping[str, Any] = document.get("status") or {}
    failed = status.get("code") in (2, "STATUS_CODE_ERROR")
    parent = document.get("parentSpanId")
    return SpanRecord(
        name=_text(document, "name"),
        trace_id=_id(document, "traceId"),
        span_id=_id(document, "spanId"),
        parent_id=_id(document, "parentSpanId") if parent else None,
        start_ns=_time(document, "startTimeUnixNano"),
        end_ns=_time(document, "endTimeUnixNano"),
        attributes=attributes_from(document.get("attributes")),
        events=tuple(
            Event(_text(event, "name"), _time(event, "timeUnixNano"), attributes_from(event.get("attributes")))
            for event in document.get("events") or ()
        ),
        links=tuple(
            Link(_id(link, "traceId"), _id(link, "spanId"), attributes_from(link.get("attributes")))
            for link in document.get("links") or ()
        ),
        error=_text(status, "message") if failed else None,
        remote_parent=bool(int(document.get("flags") or 0) & _PARENT_IS_REMOTE),
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def _id(document: Mapping[str, Any], key: str) -> int:
    value = int(document[key], 16)
    if not 0 <= value < 256 ** _IDS[key]:
        raise ValueError(f"{key} is no id")
    return value


def _time(document: Mapping[str, Any], key: str) -> int:
    """Return nanoseconds since the epoch; beyond 64 bits is no time that anybody could have written or could show."""
    value = int(document.get(key) or 0)
    if not 0 <= value < 2**64:
        raise ValueError(f"{key} is no time")
    return value


def attributes_from(pairs: Iterable[Mapping[str, Any]] | None) -> dict[str, Value]:
    """Return OTLP/JSON key-value pairs as a plain dict."""
    return {_text(pair, "key"): _value(pair.get("value", {})) for pair in pairs or ()}


def _value(value: Mapping[str, Any]) -> Any:
    for kind, item in value.items():
        if kind == "intValue":
            return int(item)
        if kind == "doubleValue":
            return float(item)  # NaN and Infinity are text
        if kind == "arrayValue":
            return [_value(v) for v in item.get("values") or ()]
        return item
    return ""
