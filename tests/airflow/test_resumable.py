"""What a resumable job decides is said to Airflow's span and kept on ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext

from dagtrace.airflow.current import CurrentSpan
from dagtrace.airflow.resumable import around_decision


if TYPE_CHECKING:
    from collections.abc import Generator


class Theirs:
    """Airflow's span: remembers, or has nothing but what the mixin uses."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def set_attribute(self, key: str, value: Any) -> None:
        """Remember."""
        self.attributes[key] = value

    def get_span_context(self) -> str:
        """Return something of theirs."""
        return "theirs"


@contextmanager
def start(span: Theirs) -> Generator[Theirs]:
    """Start a span as a tracer does."""
    yield span


def test_both_get_the_decision() -> None:
    """Attributes of the decision land on the execution, masked; all land on Airflow's own span as before."""
    ours, theirs = CurrentSpan(SpanContext(1, 2, is_remote=False)), Theirs()
    with trace.use_span(ours), around_decision(start, None, (theirs,), {}) as span:
        span.set_attribute("operator", "RunsJob")
        span.set_attribute("resumable.decision", "reconnect")
        span.set_attribute("resumable.external_id", "s3://key:hunter2@host/job")
        assert span.get_span_context() == "theirs"
    assert ours.attributes == {"resumable.decision": "reconnect", "resumable.external_id": "s3://key:***@host/job"}
    assert theirs.attributes["operator"] == "RunsJob"


def test_without_an_execution_nothing_changes() -> None:
    """In a task that is not traced Airflow's span is the one that Airflow gets."""
    theirs = Theirs()
    with around_decision(start, None, (theirs,), {}) as span:
        assert span is theirs


def test_an_exception_passes() -> None:
    """What the external system answers with is the user's to see."""
    ours = CurrentSpan(SpanContext(1, 2, is_remote=False))
    with pytest.raises(ConnectionError), trace.use_span(ours), around_decision(start, None, (Theirs(),), {}):
        raise ConnectionError
