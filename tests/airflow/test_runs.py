"""Who a run is: every process computes the same from the same conf, and a run in somebody else's trace stays itself."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagtrace import identity, telemetry
from dagtrace.airflow import database as airflow_database
from dagtrace.airflow import ends, execution, runs, supervisor, trigger
from dagtrace.airflow.facts import Run
from dagtrace.airflow.runs import PARENT_KEY, MalformedParentError, identify, parent_in
from dagtrace.identity import SpanContext


if TYPE_CHECKING:
    from pathlib import Path

    from dagtrace.record import SpanRecord

T = datetime(2026, 1, 1, tzinfo=timezone.utc)
OUTSIDE = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)


def test_without_a_parent_the_trace_is_the_runs_own() -> None:
    """The ids are those that every release made so far."""
    run = identify("flights", "r", T, {"other": 1})
    own = identity.run_trace_id("flights", "r", 1767225600000000)
    assert (run.trace_id, run.parent) == (own, None)
    assert run.span_id == identity.run_span_id(own)
    assert run.try_id("extract", None, 1) == run.try_id("extract", -1, 1) == identity.try_span_id(own, "extract", -1, 1)
    assert identify("flights", "r", None, None).own_id == identity.run_trace_id("flights", "r", 0)
    assert identify("flights", "r", T, None, "nonce").own_id != own


def test_two_runs_in_one_external_trace_share_no_span() -> None:
    """The trace id is the parent's; root and tries keep the ids of their own run."""
    conf = {PARENT_KEY: OUTSIDE.traceparent}
    one, other = identify("d", "one", T, conf), identify("d", "other", T, conf)
    assert one.trace_id == other.trace_id == OUTSIDE.trace_id
    assert one.span_id != other.span_id
    assert one.try_id("t", -1, 1) != other.try_id("t", -1, 1)
    assert one.span_id == identify("d", "one", T, {}).span_id


@pytest.mark.parametrize(
    "value", [OUTSIDE.traceparent, {"traceparent": OUTSIDE.traceparent, "tracestate": "a=b"}], ids=["text", "carrier"]
)
def test_both_forms_are_read(value: Any) -> None:
    """Airflow takes the header itself or a carrier that has it; so does dagtrace."""
    assert parent_in({PARENT_KEY: value}) == OUTSIDE


@pytest.mark.parametrize("conf", [None, {}, {PARENT_KEY: None}, {PARENT_KEY: ""}, [], "text", {"traceparent": "x"}])
def test_a_conf_without_the_key_has_no_parent(conf: Any) -> None:
    """Nor has one in which it is empty: a variable that was not set where the run was triggered."""
    assert parent_in(conf) is None


@pytest.mark.parametrize("value", ["nonsense", OUTSIDE.traceparent[:-1], {"tracestate": "a=b"}, {}, 7, [1], True])
def test_a_malformed_parent_is_told_from_none(value: Any) -> None:
    """The scheduler can warn of it, and every process goes on as if it were not there."""
    with pytest.raises(MalformedParentError):
        parent_in({PARENT_KEY: value})
    assert identify("d", "r", T, {PARENT_KEY: value}) == identify("d", "r", T, None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_no_conf_fails(conf: Any) -> None:
    """A conf comes from outside: whatever it is, there is an identity."""
    for value in (conf, {PARENT_KEY: conf}, {PARENT_KEY: {"traceparent": conf}}):
        assert runs.identify("d", "r", T, value).own_id


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("parentbased_always_on", [True, True, False]),
        ("parentbased_always_off", [False, True, False]),
        ("always_on", [True, True, True]),
        ("always_off", [False, False, False]),
    ],
)
def test_the_parents_verdict_goes_where_the_sampler_says(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, expected: list[bool]
) -> None:
    """The parent-based samplers, the default among them, follow the flag from outside; the others are asked as ever."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    unsampled = SpanContext(OUTSIDE.trace_id, OUTSIDE.span_id, sampled=False)
    verdicts = [
        identify("d", "r", T, {PARENT_KEY: parent.traceparent} if parent else None).sampled
        for parent in (None, OUTSIDE, unsampled)
    ]
    assert verdicts == expected


def test_every_process_tells_the_same_run(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Task process, supervisor and triggerer hang their spans where the scheduler tells the try, in the outer trace."""
    told: list[SpanRecord] = []
    monkeypatch.setattr(telemetry, "tell", told.append)
    run = SimpleNamespace(dag_id="d", run_id="r", start_date=T, conf={PARENT_KEY: OUTSIDE.traceparent})
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=3, try_number=2, dag_run=run)
    ti._ti_context_from_server = SimpleNamespace(dag_run=run)
    row: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Run))
    row.update(dag_id="d", run_id="r", start_date=T, nonce="", parent=OUTSIDE)
    in_database = Run(**row)
    by_scheduler = in_database.who

    execution.Execution(ti, SimpleNamespace(task_type="Operator")).tell(None)
    supervisor._started("id", SimpleNamespace(dag_run=run))
    told.append(ends.span(ti, supervisor._starts.pop("id").who, ends.End(1, 1, 2, 3), None))
    given: list[str] = []
    database = SimpleNamespace(runs=lambda _: [(1, in_database)])  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setattr(airflow_database, "connect", lambda: database)

    def give(_: object, traceparent: str) -> None:
        given.append(traceparent)

    monkeypatch.setattr(trigger.compat, "give_traceparent", give)
    trigger._address({1: SimpleNamespace(task_instance=ti)})
    handed = SpanContext.parse(given[0])
    assert handed is not None

    try_id = by_scheduler.try_id("t", 3, 2)
    assert [(span.trace_id, span.parent_id) for span in told] == [(OUTSIDE.trace_id, try_id)] * 2
    assert (handed.trace_id, handed.span_id, handed.sampled) == (OUTSIDE.trace_id, try_id, True)
