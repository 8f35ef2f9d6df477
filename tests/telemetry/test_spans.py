"""Spans: a record becomes the SDK's span as it is, and the user's own spans go the same way."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from dagtrace import telemetry
from dagtrace.cli.traces import read
from dagtrace.record import Event, Link, SpanRecord
from dagtrace.telemetry import destination, spans
from dagtrace.telemetry.process import SCHEMA_URL
from dagtrace.telemetry.spans import UserTracerProvider, to_span


if TYPE_CHECKING:
    from pathlib import Path

    from conftest import InPython

pytestmark = pytest.mark.usefixtures("fresh")

RESOURCE = Resource({"service.name": "s"})


def test_a_record_becomes_a_span_as_it_is() -> None:
    """Ids, times, parent, events and links are the record's; nothing is drawn or measured anew."""
    record = SpanRecord(
        name="n",
        trace_id=1,
        span_id=2,
        parent_id=3,
        start_ns=10,
        end_ns=20,
        attributes={"a": 1, "list": ["x", "y"]},
        events=(Event("e", 15, {"b": 2}),),
        links=(Link(4, 5, {"c": 3}),),
        error="broken",
    )
    span = to_span(record, RESOURCE)
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    assert parent is not None
    assert (span.name, context.trace_id, context.span_id) == ("n", 1, 2)
    assert (parent.trace_id, parent.span_id, parent.is_remote) == (1, 3, False)
    assert context.trace_flags == TraceFlags.SAMPLED
    assert (span.start_time, span.end_time, span.kind) == (10, 20, SpanKind.INTERNAL)
    assert dict(span.attributes or {}) == {"a": 1, "list": ("x", "y")}
    assert [(e.name, e.timestamp, dict(e.attributes or {})) for e in span.events] == [("e", 15, {"b": 2})]
    assert [(k.context.trace_id, k.context.span_id, dict(k.attributes or {})) for k in span.links] == [(4, 5, {"c": 3})]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "broken")
    assert span.resource is RESOURCE
    scope = span.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.schema_url) == ("dagtrace", SCHEMA_URL)


def test_success_leaves_the_status_unset_and_a_root_has_no_parent() -> None:
    """OpenTelemetry asks instrumentations not to say OK."""
    span = to_span(SpanRecord("n", 1, 2, None, 1, 2), RESOURCE)
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None


def test_an_empty_message_is_an_error_all_the_same() -> None:
    """An exception without text failed, too."""
    assert to_span(SpanRecord("n", 1, 2, None, 1, 2, error=""), RESOURCE).status.status_code is StatusCode.ERROR


def test_the_limits_of_the_environment_hold(in_python: InPython) -> None:
    """``OTEL_SPAN_ATTRIBUTE_*`` cut our spans as they cut any other."""
    code = """
from dagtrace.record import SpanRecord
from dagtrace.telemetry.spans import to_span
from opentelemetry.sdk.resources import Resource
span = to_span(SpanRecord("n", 1, 2, None, 1, 2, {"a": "12345", "b": "1", "c": "1"}), Resource({}))
assert dict(span.attributes) == {"b": "1", "c": "1"}, dict(span.attributes)
assert to_span(SpanRecord("n", 1, 2, None, 1, 2, {"a": "12345"}), Resource({})).attributes["a"] == "123"
"""
    in_python(code, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="2", OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="3")


@pytest.fixture
def provider() -> UserTracerProvider:
    """Return a provider as it would be the global one."""
    made = UserTracerProvider(resource=telemetry.current().resource, shutdown_on_exit=False)
    made.add_span_processor(spans._Into())
    return made


def _under(trace_id: int, span_id: int, flags: int) -> trace.Span:
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(flags)))


def test_a_users_span_arrives_under_its_parent(provider: UserTracerProvider, fresh: Path) -> None:
    """What the task's own code traces hangs below the span that was current: ours."""
    tracer = provider.get_tracer("my.job", "1.0")
    telemetry.tell(SpanRecord("execute", 7, 8, None, 1, 2))
    with trace.use_span(_under(7, 8, 1)), tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    assert provider.force_flush()
    [one] = read(fresh)
    assert [node.span.name for node in one.walk()] == ["execute", "outer", "inner"]
    assert one.trace_id == 7
    assert one.orphans == []
    scopes = [s["scope"]["name"] for line in _lines(fresh) for r in line["resourceSpans"] for s in r["scopeSpans"]]
    assert sorted(scopes) == ["dagtrace", "my.job"]


def _lines(home: Path) -> list[dict[str, list[dict[str, list[dict[str, dict[str, str]]]]]]]:
    return [json.loads(line) for file in home.glob("traces*.jsonl") for line in file.read_bytes().splitlines()]


def test_a_users_span_in_a_trace_nobody_wants_is_not_sent(provider: UserTracerProvider, fresh: Path) -> None:
    """Below an unsampled run the user's spans are left out, too."""
    with trace.use_span(_under(7, 8, 0)), provider.get_tracer("my.job").start_as_current_span("outer"):
        pass
    assert provider.force_flush()
    assert not list(fresh.glob("traces*"))


@pytest.mark.parametrize(
    ("name", "silent"), [("airflow", True), ("airflow.task", True), ("airflowish", False), ("my.airflow", False)]
)
def test_airflows_own_scopes_get_a_tracer_that_does_nothing(
    provider: UserTracerProvider,
    name: str,
    silent: bool,  # noqa: FBT001
    fresh: Path,
) -> None:
    """Its native spans would all be orphans; a user's span below one keeps the parent from around it."""
    with (
        trace.use_span(_under(7, 8, 1)),
        provider.get_tracer(name).start_as_current_span("native"),
        provider.get_tracer("my.job").start_as_current_span("mine"),
    ):
        pass
    assert telemetry.flush()
    [one] = read(fresh)
    assert [node.span.name for node in one.walk()] == (["mine"] if silent else ["native", "mine"])
    assert one.orphans[0].span.parent_id == 8


def test_flush_and_shutdown_keep_to_the_budget_and_the_pipeline_lives_on(
    provider: UserTracerProvider, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow calls ``force_flush(30000)`` in every task: it is our one flush, and a shutdown is not the end of us."""
    asked: list[float | None] = []
    flush = telemetry.flush

    def watch(timeout: float | None = None) -> bool:
        asked.append(timeout)
        return flush(timeout)

    monkeypatch.setattr(telemetry, "flush", watch)
    assert provider.force_flush(30_000) is True
    assert provider.force_flush(500) is True
    provider.shutdown()
    assert asked == [30.0, 0.5, None]
    telemetry.tell(SpanRecord("after", 7, 8, None, 1, 2))
    assert flush()
    assert [node.span.name for one in read(fresh) for node in one.walk()] == ["after"]


OFFER = """
import logging
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from dagtrace import telemetry
from dagtrace.telemetry.spans import UserTracerProvider
"""


def test_the_global_provider_is_ours_where_nobody_owns_it(in_python: InPython, tmp_path: Path) -> None:
    """A tracer that the user got before counts too, and a second offer changes nothing."""
    code = f"""{OFFER}
early = trace.get_tracer("early")
telemetry.describe("airflow", "worker")
telemetry.offer_user_provider()
provider = trace.get_tracer_provider()
telemetry.offer_user_provider()
assert type(provider) is UserTracerProvider and trace.get_tracer_provider() is provider
with early.start_as_current_span("mine"):
    pass
"""
    in_python(code)
    [one] = read(tmp_path / "home")
    [node] = one.walk()
    assert (node.span.name, node.resource["service.name"], node.resource["airflow.component"]) == (
        "mine",
        "airflow",
        "worker",
    )


def test_a_provider_of_somebody_elses_stays(in_python: InPython, tmp_path: Path) -> None:
    """Who set a provider keeps it, untouched and without a warning."""
    code = f"""{OFFER}
theirs = TracerProvider()
trace.set_tracer_provider(theirs)
telemetry.offer_user_provider()
assert trace.get_tracer_provider() is theirs
trace.get_tracer("x").start_span("theirs").end()
"""
    assert in_python(code).stderr == ""
    assert not (tmp_path / "home").exists()


def test_a_users_span_says_which_process_made_it(in_python: InPython, tmp_path: Path) -> None:
    """User code that forks (multiprocessing) makes spans in the child: their resource is the child's."""
    code = f"""{OFFER}
import os
telemetry.offer_user_provider()
child = os.fork()
if not child:
    trace.get_tracer("x").start_span("child's").end()
    telemetry.flush()
    os._exit(0)
os.waitpid(child, 0)
trace.get_tracer("x").start_span("parent's").end()
print(os.getpid(), child)
"""
    parent, child = map(int, in_python(code).stdout.split())
    told = {node.span.name: node.resource for one in read(tmp_path / "home") for node in one.walk()}
    assert {name: resource["process.pid"] for name, resource in told.items()} == {"child's": child, "parent's": parent}
    assert told["child's"]["service.instance.id"] != told["parent's"]["service.instance.id"]


def test_a_child_of_a_user_of_threads_is_not_stuck(in_python: InPython) -> None:
    """The SDK's own providers start threads in a forked child, which waits for ever if thread pools came after them."""
    code = f"""{OFFER}
import os, signal
from dagtrace.record import Point
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
telemetry.offer_user_provider()
telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {{}}))
provider = telemetry.current().meter._provider  # alive in the child
import concurrent.futures.thread
child = os.fork()
if not child:
    os._exit(0)
signal.alarm(20)
print(os.waitpid(child, 0)[1])
"""
    assert in_python(code).stdout.split() == ["0"]


ODD, CLEAN = "caf\udce9", "caf?"


def test_what_cannot_be_encoded_is_replaced() -> None:
    """A lone surrogate anywhere and a number beyond 64 bits would each take the whole batch with them."""
    record = SpanRecord(
        name=ODD,
        trace_id=1,
        span_id=2,
        parent_id=None,
        start_ns=1,
        end_ns=2,
        attributes={
            ODD: ODD,
            "ö": "é",
            "list": [ODD, "x"],
            "big": 2**63,
            "low": -(2**63),
            "bigs": [1, 2**64],
            "b": True,
        },
        events=(Event(ODD, 1, {"e": ODD}),),
        links=(Link(4, 5, {"k": ODD}),),
        error=ODD,
    )
    span = to_span(record, RESOURCE)
    assert destination.encodes(span)
    assert dict(span.attributes or {}) == {
        CLEAN: CLEAN,
        "ö": "é",
        "list": (CLEAN, "x"),
        "big": str(2**63),
        "low": -(2**63),
        "bigs": ("1", str(2**64)),
        "b": True,
    }
    assert (span.name, span.status.description) == (CLEAN, CLEAN)
    assert [(e.name, dict(e.attributes or {})) for e in span.events] == [(CLEAN, {"e": CLEAN})]
    assert [dict(k.attributes or {}) for k in span.links] == [{"k": CLEAN}]


def test_an_environment_that_is_no_utf8_spoils_nothing(in_python: InPython, tmp_path: Path) -> None:
    """The resource is part of every batch."""
    code = f"""{OFFER}
from dagtrace.record import SpanRecord
telemetry.tell(SpanRecord("n", 1, 2, None, 3, 4))
"""
    assert in_python(code, OTEL_SERVICE_NAME=ODD).stderr == ""
    [one] = read(tmp_path / "home")
    assert [node.resource["service.name"] for node in one.walk()] == [CLEAN]


def test_a_users_exception_is_masked_like_ours(provider: UserTracerProvider, fresh: Path) -> None:
    """What a user's span says of an exception, in its status and its event, has no password in it."""
    with (
        pytest.raises(ValueError, match="hunter2"),
        provider.get_tracer("user").start_as_current_span("login", attributes={"rows": 1}),
    ):
        raise ValueError("postgres://bob:hunter2@db/x password=hunter2")
    assert telemetry.flush()
    (node,) = (node for one in read(fresh) for node in one.walk())
    assert node.span.error == "ValueError: postgres://bob:***@db/x password=***"
    (event,) = node.span.events
    assert event.attributes["exception.message"] == "postgres://bob:***@db/x password=***"
    assert not any("hunter2" in text for text in (file.read_text() for file in fresh.glob("traces*")))
    assert node.span.attributes == {"rows": 1}
