"""Airflow's own spans: silenced, or kept with ours below them, whoever owns the global provider."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from dagtrace.airflow import compat, facts, native, runs
from dagtrace.airflow.carriers import Carriers
from dagtrace.airflow.facts import Run, Try
from dagtrace.identity import SpanContext
from dagtrace.options import options


if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
FIRST, SECOND = SpanContext(0xA1, 0xB1), SpanContext(0xA2, 0xB2, sampled=False)
KEY = ("d", "r")


class Provider:
    """Somebody's TracerProvider."""

    id_generator: Any = "theirs"

    def get_tracer(self, name: str) -> str:
        """Return a tracer that is no NoOpTracer."""
        return name


class Slotted:
    """A provider that takes nothing from anybody."""

    __slots__ = ()

    def get_tracer(self, name: str) -> str:
        """Return a tracer that is no NoOpTracer."""
        return name


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> Provider:
    """Return the global provider, under an Airflow that traces itself and is to go on."""
    made = Provider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made)
    monkeypatch.setattr(native, "_kept", False)
    monkeypatch.setattr(native, "_readers_turn", False)
    monkeypatch.setattr(compat, "traces_itself", lambda: True)
    monkeypatch.setattr(compat, "id_generator", lambda: "Airflow's")
    monkeypatch.setenv("DAGTRACE_NATIVE", "keep")
    options.cache_clear()
    return made


def silent(provider: Any) -> bool:
    """Whether Airflow's scopes get a tracer that does nothing; the user's never do."""
    assert provider.get_tracer("user") == "user"
    return isinstance(provider.get_tracer("airflow.models.dagrun"), trace.NoOpTracer)


def test_kept_spans_get_airflows_ids_from_any_provider(provider: Provider) -> None:
    """A provider that is not Airflow's own is given its generator, and its scopes go on."""
    native.begin()
    assert (provider.id_generator, silent(provider)) == ("Airflow's", False)
    assert native.kept({"traceparent": FIRST.traceparent}) == FIRST
    assert native.kept({"traceparent": SECOND.traceparent}) == SECOND


@pytest.mark.parametrize("carrier", [None, {}, {"tracestate": "a=b"}, {"traceparent": "nonsense"}])
def test_a_run_without_a_carrier_has_a_trace_of_its_own(provider: Provider, carrier: Any) -> None:
    """Runs made before Airflow traced itself have none."""
    native.begin()
    assert native.kept(carrier) is None


@pytest.mark.parametrize(("mode", "on"), [("keep", ""), ("replace", "on"), ("replace", "")])
def test_what_nobody_asked_for_is_silenced(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, mode: str, on: str
) -> None:
    """With ``replace``, and with ``keep`` where Airflow's tracing is off but a foreign provider would turn it on."""
    monkeypatch.setenv("DAGTRACE_NATIVE", mode)
    options.cache_clear()
    monkeypatch.setattr(compat, "traces_itself", lambda: bool(on))
    native.begin()
    native.begin()
    assert (provider.id_generator, silent(provider)) == ("theirs", True)
    assert native.kept({"traceparent": FIRST.traceparent}) is None


def test_a_provider_that_takes_no_ids_is_one_warning(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what becomes of Airflow's spans."""
    monkeypatch.setattr(trace, "get_tracer_provider", Slotted)
    native.begin()
    native.begin()
    assert [record.getMessage() for record in caplog.records] == [
        "Slotted takes no ids from Airflow: its own spans are orphans"
    ]


class DagRun:
    """What the wrapper sees of Airflow's row."""

    def __init__(self, carrier: dict[str, str] | None) -> None:
        self.dag_id = "d"
        self.context_carrier = carrier


CARRIER = {"traceparent": FIRST.traceparent}


def emits(run: DagRun) -> bool:
    """Whether Airflow tells the run's span by itself."""
    called: list[str] = []

    def emit(state: str) -> None:
        called.append(state)

    native.around_run_span(emit, run, (), {"state": "success"})
    return called == ["success"]


def test_the_reader_tells_airflows_run_span_while_it_is_at_work(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Airflow does as ever: where nothing reads, of a run without a carrier, of a DAG that is excluded."""
    told: list[tuple[str, ...]] = []

    def tell(*key: str) -> None:
        told.append(key)

    monkeypatch.setattr(compat, "tell_native_run", tell)
    native.begin()
    assert emits(DagRun(CARRIER))
    native.tell_run(*KEY)
    assert told == []
    native.leave_runs_to_the_reader(turn=True)
    assert not emits(DagRun(CARRIER))
    native.tell_run(*KEY)
    assert told == [KEY]
    assert emits(DagRun(None))
    monkeypatch.setenv("DAGTRACE_EXCLUDE", "d")
    options.cache_clear()
    assert emits(DagRun(CARRIER))


def a_run(**changes: Any) -> Run:
    """Return a run that goes on, in Airflow's first trace."""
    nothing: dict[str, Any] = dict.fromkeys(("queued_at", "end_date", "created_at", "logical_date", "run_after"))
    known: dict[str, Any] = {"dag_id": "d", "run_id": "r", "run_type": "manual", "state": "running", "clear_number": 0}
    known.update(start_date=NOW, native=FIRST)
    return Run(**{**nothing, **known, **changes})


def a_try(in_trace: SpanContext | None) -> Try:
    """Return a try whose task instance was made in a trace of Airflow's."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("max_tries", "scheduled_at", "queued_at", "operator", "pool", "queue", "executor", "hostname", "pid")
    )
    known: dict[str, Any] = {"id": "i", "task_id": "t", "map_index": -1, "try_number": 1, "state": "success"}
    known.update(start_date=NOW, end_date=NOW, native=in_trace)
    return Try(**{**nothing, **known})


def test_a_run_below_airflows_span() -> None:
    """Trace, root and verdict are Airflow's; tries keep the ids of their names; a parent outside is no longer ours."""
    own = runs.with_parent("d", "r", NOW, SpanContext(5, 6))
    run = own.below(SECOND)
    assert (run.trace_id, run.span_id, run.sampled, run.parent) == (SECOND.trace_id, SECOND.span_id, False, None)
    assert run.try_id("t", -1, 1) == own.try_id("t", -1, 1)
    assert own.below(None) is own


def test_a_run_that_is_cleared_while_it_runs() -> None:
    """The trace it leaves gets a root with the id its tries know; each try is told where its own carrier says."""
    carriers = Carriers()
    assert carriers.follow(KEY, a_run()) is None
    assert carriers.follow(KEY, a_run()) is None
    now = a_run(native=SECOND)
    left = carriers.follow(KEY, now)
    assert left is not None
    assert (left.trace_id, left.span_id, left.parent_id) == (FIRST.trace_id, FIRST.span_id, None)
    assert carriers.follow(KEY, now) is None
    for of in (FIRST, SECOND):
        row = a_try(replace(of, span_id=0xC))
        span = facts.try_span(carriers.place(KEY, now, row), row)
        assert (span.trace_id, span.parent_id) == (of.trace_id, of.span_id)


def test_a_trace_that_nobody_remembers() -> None:
    """After a restart of the scheduler a try of a trace that was left is a root: no orphan."""
    carriers = Carriers()
    row = a_try(FIRST)
    span = facts.try_span(carriers.place(KEY, a_run(native=SECOND), row), row)
    assert (span.trace_id, span.parent_id) == (FIRST.trace_id, None)


def test_a_run_of_our_own_has_no_carriers() -> None:
    """Where nothing of Airflow's is kept, nothing is followed."""
    carriers, run = Carriers(), a_run(native=None)
    assert carriers.follow(KEY, run) is None
    assert carriers.place(KEY, run, a_try(None)) is run
