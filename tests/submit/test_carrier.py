"""What is carried of a span, and that a trace nobody wants is carried as such."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from opentelemetry import trace

from dagtrace import telemetry
from dagtrace.submit import carrier
from submit.conftest import returning


if TYPE_CHECKING:
    import pytest

    from submit.conftest import Task

IDS = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331


def span(**more: Any) -> trace.Span:
    """Return a span with these ids."""
    return trace.NonRecordingSpan(trace.SpanContext(*IDS, is_remote=False, **more))


def test_traceparent_and_tracestate() -> None:
    """Both headers of W3C's, the flags as they are, and no variable for a state that is empty."""
    state = trace.TraceState([("vendor", "1"), ("other", "2")])
    assert carrier.of(span(trace_flags=trace.TraceFlags(1), trace_state=state)) == (
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "vendor=1,other=2",
    )
    found = carrier.of(span())
    assert found is not None
    assert found.environment == {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
    assert carrier.of(trace.INVALID_SPAN) is None


def test_a_trace_that_is_not_sampled_is_carried_as_such(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags 00: nothing below is recorded, anywhere."""
    monkeypatch.setattr(telemetry, "sampled", returning(value=False))
    seen = task.run(PythonOperator(task_id="t", python_callable=lambda: os.environ["TRACEPARENT"]))
    assert seen == task.traceparent.removesuffix("01") + "00"


def test_a_span_that_the_user_has_open_is_the_parent(task: Task) -> None:
    """What is submitted within a span of the user's own hangs below that one."""
    tracer = trace.get_tracer("theirs")

    def work() -> Any:
        with trace.use_span(span(trace_flags=trace.TraceFlags(1))), tracer.start_as_current_span("inner"):
            return carrier.current()

    assert task.run(PythonOperator(task_id="t", python_callable=work)) == carrier.of(
        span(trace_flags=trace.TraceFlags(1))
    )
