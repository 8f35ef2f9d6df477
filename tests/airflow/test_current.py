"""The current span of user code keeps what the user adds, within bounds, and its ids and end are ours."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from dagtrace import masking
from dagtrace.airflow.current import CurrentSpan


def span(*, sampled: bool = True) -> CurrentSpan:
    """Return a current span."""
    return CurrentSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(int(sampled))))


def test_attributes_events_and_links_are_kept() -> None:
    """What user code adds through OpenTelemetry's API is there to be told."""
    one = span()
    with trace.use_span(one):
        trace.get_current_span().set_attribute("rows", 3)
        trace.get_current_span().add_event("half way", {"at": 2}, timestamp=7)
        one.add_link(SpanContext(5, 6, is_remote=True))
    assert one.attributes == {"rows": 3}
    assert [(e.name, e.time_ns, e.attributes) for e in one.events] == [("half way", 7, {"at": 2})]
    assert [(k.trace_id, k.span_id) for k in one.links] == [(5, 6)]


def test_a_user_cannot_fill_the_memory() -> None:
    """Beyond OpenTelemetry's limit nothing more is kept, but what is there can be changed."""
    one = span()
    for number in range(1000):
        one.set_attribute(f"key {number}", number)
        one.add_event("again")
    one.set_attribute("key 0", "new")
    assert len(one.attributes) == len(one.events) == 128
    assert one.attributes["key 0"] == "new"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((Status(StatusCode.ERROR, "password=hunter2"),), "password=***"),
        ((StatusCode.ERROR, "no rows"), "no rows"),
        ((StatusCode.ERROR,), ""),
        ((StatusCode.OK,), None),
    ],
)
def test_a_status_set_by_the_user(arguments: tuple[object, ...], expected: str | None) -> None:
    """ERROR is a failure with its masked description; OK takes it back."""
    one = span()
    one.set_status(*arguments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert one.error == expected


def test_a_handled_exception_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """record_exception keeps the exception, masked, and does not fail the span."""

    def redact(text: str) -> str:
        return text.replace("blue", "***")

    monkeypatch.setattr(masking, "_platforms", [redact])
    one = span()
    one.record_exception(ValueError("password=hunter2, and the connection's is blue"))
    (event,) = one.events
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "password=***, and the connection's is ***"
    assert one.error is None


def test_unsampled_says_so() -> None:
    """Where nothing is recorded, user code can see it and save its work."""
    assert span().is_recording() is True
    assert span(sampled=False).is_recording() is False
