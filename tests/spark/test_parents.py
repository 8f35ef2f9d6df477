"""Which span a thread's Spark jobs belong to, on a connection that only remembers what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from opentelemetry import context, trace

from dagtrace.spark import parents


if TYPE_CHECKING:
    from collections.abc import Iterator

CALL = "c\no1\ncount\ne\n"


class Connection:
    """Stands for py4j's ``ClientServerConnection``; the context's own commands come through it, too."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_command(self, command: str) -> str:
        """Remember a command."""
        self.sent.append(command)
        return "!yv"


class Listener:
    """Stands for the listener: a call of it is itself a command."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def begin(self) -> None:
        """Send what py4j would send."""
        self.connection.send_command("c\nbegin")

    def follow(self, traceparent: str | None) -> None:
        """Send what py4j would send."""
        self.connection.send_command(f"c\nfollow {traceparent}")


wrapt.wrap_function_wrapper(Connection, "send_command", parents.send_command)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Return a connection to a context that is being followed."""
    made = Connection()
    parents.follow(Listener(made))
    yield made
    parents.follow(None)


def span(span_id: int, *, sampled: bool = True) -> trace.Span:
    """Return a span of somebody else's."""
    flags = trace.TraceFlags(int(sampled))
    return trace.NonRecordingSpan(trace.SpanContext(0xAB, span_id, is_remote=False, trace_flags=flags))


def expected(span_id: int, flags: str = "01") -> str:
    """Return the command that names this span."""
    return f"c\nfollow 00-{0xAB:032x}-{span_id:016x}-{flags}"


def test_a_thread_without_a_span_begins_once(connection: Connection) -> None:
    """A thread without a span costs one extra command in all, and keeps what it may have inherited."""
    assert connection.send_command(CALL) == "!yv"
    connection.send_command(CALL)
    assert connection.sent == ["c\nbegin", CALL, CALL]


def test_a_span_is_named_once_and_taken_back(connection: Connection) -> None:
    """One extra command when the active span changes, none while it stays, and one that clears it after its end."""
    token = context.attach(trace.set_span_in_context(span(1)))
    connection.send_command(CALL)
    connection.send_command(CALL)
    context.detach(token)
    connection.send_command(CALL)
    assert connection.sent == [expected(1), CALL, CALL, "c\nfollow None", CALL]


def test_an_unsampled_span_says_so(connection: Connection) -> None:
    """The decision of whoever sampled travels along."""
    token = context.attach(trace.set_span_in_context(span(2, sampled=False)))
    connection.send_command(CALL)
    context.detach(token)
    assert connection.sent[0] == expected(2, "00")


def test_only_calls_are_looked_at(connection: Connection) -> None:
    """Commands that cannot start a job (memory, reflection, constructors) pass as they are."""
    token = context.attach(trace.set_span_in_context(span(3)))
    connection.send_command("m\nd\no1\ne\n")
    context.detach(token)
    assert connection.sent == ["m\nd\no1\ne\n"]


def test_a_new_context_is_told_again(connection: Connection) -> None:
    """Local properties end with their SparkContext; the next one hears of the same span."""
    token = context.attach(trace.set_span_in_context(span(4)))
    connection.send_command(CALL)
    parents.follow(Listener(connection))
    connection.send_command(CALL)
    parents.follow(None)
    connection.send_command(CALL)
    context.detach(token)
    assert connection.sent == [expected(4), CALL, expected(4), CALL, CALL]


def test_the_application_prefers_the_active_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """The active span, else a valid ``TRACEPARENT``, else nothing."""
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    monkeypatch.delenv("TRACEPARENT", raising=False)
    assert parents.application_parent() == ""
    monkeypatch.setenv("TRACEPARENT", "nonsense")
    assert parents.application_parent() == ""
    monkeypatch.setenv("TRACEPARENT", header)
    assert parents.application_parent() == header
    token = context.attach(trace.set_span_in_context(span(5)))
    assert parents.application_parent() == f"00-{0xAB:032x}-{5:016x}-01"
    context.detach(token)
