"""Facts: the same rows always make the same spans and measurements, however a run or a try ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagtrace import identity
from dagtrace.airflow.facts import Run, Try, run_points, run_span, try_points, try_span
from dagtrace.record import Link


T = datetime(2026, 1, 1, tzinfo=timezone.utc)
T_NS = 1_767_225_600_000_000_000


def _at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


RUN = Run(
    dag_id="flights",
    run_id="manual__1",
    run_type="manual",
    state="success",
    queued_at=_at(0),
    start_date=_at(2),
    end_date=_at(60),
    created_at=_at(-1),
    logical_date=_at(-3600),
    run_after=_at(-3600),
    clear_number=0,
)
TRY = Try(
    id="0197-uuid",
    task_id="extract",
    map_index=-1,
    try_number=1,
    max_tries=2,
    state="success",
    start_date=_at(10),
    end_date=_at(20.5),
    scheduled_at=_at(3),
    queued_at=_at(4),
    operator="PythonOperator",
    pool="default_pool",
    queue="default",
    executor=None,
    hostname="worker-1",
    pid=42,
)


def _ns(seconds: float) -> int:
    return T_NS + round(seconds * 1e9)


# The run


@pytest.mark.parametrize(
    ("queued", "started", "start"),
    [(0, 2, 0), (2, 2, 2), (5, 2, 2), (None, 2, 2), (0, None, 0), (None, None, -1)],
)
def test_a_root_starts_when_the_run_was_queued(queued: float | None, started: float | None, start: float) -> None:
    """``queued_at`` counts if it is not later than ``start_date``; a run that has neither starts at its creation."""
    run = replace(
        RUN,
        queued_at=None if queued is None else _at(queued),
        start_date=None if started is None else _at(started),
    )
    assert run_span(run).start_ns == _ns(start)


def test_a_run_by_the_clock_starts_by_the_clock() -> None:
    """``dag.test()`` stores the logical date as start: root and duration begin where the clock says."""
    run = replace(RUN, start_date=_at(-3600), queued_at=None, clock_ns=_ns(50), nonce="n")
    assert run_span(run).start_ns == _ns(50)
    assert [point.value for point in run_points(run)] == [1, 10.0]


def test_a_root_says_what_the_row_says() -> None:
    """Name, ids and every column that is known are there; what is not known is absent, not empty."""
    span = run_span(replace(RUN, owners="ann", tags=("a", "b"), dag_version=3, triggered_by="cli", bundle_version=""))
    trace_id = identity.run_trace_id("flights", "manual__1", T_NS // 1000 + 2_000_000)
    assert (span.name, span.trace_id, span.span_id) == ("dag_run flights", trace_id, identity.run_span_id(trace_id))
    assert (span.parent_id, span.start_ns, span.end_ns, span.error) == (None, _ns(0), _ns(60), None)
    assert span.attributes == {
        "airflow.dag_id": "flights",
        "airflow.dag.owners": "ann",
        "airflow.dag.tags": ("a", "b"),
        "airflow.dag_run.run_id": "manual__1",
        "airflow.dag_run.run_type": "manual",
        "airflow.dag_run.state": "success",
        "airflow.dag_run.logical_date": "2025-12-31T23:00:00+00:00",
        "airflow.dag_run.run_after": "2025-12-31T23:00:00+00:00",
        "airflow.dag_run.queued_at": "2026-01-01T00:00:00+00:00",
        "airflow.dag_run.start_date": "2026-01-01T00:00:02+00:00",
        "airflow.dag_run.schedule_delay": 3602.0,
        "airflow.dag_run.end_date": "2026-01-01T00:01:00+00:00",
        "airflow.dag_run.clear_number": 0,
        "airflow.dag_run.triggered_by": "cli",
        "airflow.dag_run.dag_version": 3,
    }


def test_a_failed_run_is_an_error() -> None:
    """State failed gives a message and ``error.type``; the same row with success has neither."""
    span = run_span(replace(RUN, state="failed"))
    assert (span.error, span.attributes["error.type"]) == ("the run failed", "failed")
    assert "error.type" not in run_span(RUN).attributes


@pytest.mark.parametrize(("last", "end"), [(0, 60), (59, 60), (75, 75)])
def test_a_root_ends_no_earlier_than_its_last_try(last: float, end: float) -> None:
    """A run marked by hand ends before the task that it kills: the root still holds it."""
    assert run_span(RUN, last_end_ns=_ns(last) if last else 0).end_ns == _ns(end)


def test_a_run_without_an_end_ends_at_its_start() -> None:
    """No row makes a span with a negative duration."""
    span = run_span(replace(RUN, end_date=None))
    assert (span.start_ns, span.end_ns) == (_ns(0), _ns(0))


def test_the_generation_is_the_runs_start() -> None:
    """A run cleared after its end starts anew: another trace. A task cleared while it runs stays in the trace."""
    again = replace(RUN, start_date=_at(500), queued_at=_at(490), clear_number=1)
    assert again.trace_id != RUN.trace_id
    assert replace(RUN, clear_number=1, state="running", end_date=None, queued_at=_at(1)).trace_id == RUN.trace_id
    assert replace(RUN, start_date=_at(2.000001)).trace_id != RUN.trace_id


def test_a_run_that_never_started_has_a_trace_all_the_same() -> None:
    """It is known by its queue time, else its creation; two such runs do not share a trace."""
    waiting = replace(RUN, start_date=None)
    assert waiting.trace_id == identity.run_trace_id("flights", "manual__1", T_NS // 1000)
    created = replace(waiting, queued_at=None)
    assert created.trace_id == identity.run_trace_id("flights", "manual__1", T_NS // 1000 - 1_000_000)
    assert replace(created, created_at=None).trace_id == identity.run_trace_id("flights", "manual__1", 0)


def test_a_nonce_makes_another_trace_of_the_same_row() -> None:
    """Two ``dag.test()`` of one logical date are two traces."""
    assert len({replace(RUN, nonce=nonce).trace_id for nonce in ("", "a", "b")}) == 3


# The try


def test_a_try_says_what_the_row_says() -> None:
    """It hangs under the run's root with a derived id; queue time lies before it, as an attribute."""
    span = try_span(RUN, TRY)
    assert (span.name, span.trace_id) == ("task_instance extract", RUN.trace_id)
    assert span.span_id == identity.try_span_id(RUN.trace_id, "extract", -1, 1)
    assert span.parent_id == run_span(RUN).span_id
    assert (span.start_ns, span.end_ns, span.error, span.links) == (_ns(10), _ns(20.5), None, ())
    assert span.attributes == {
        "airflow.dag_id": "flights",
        "airflow.dag_run.run_id": "manual__1",
        "airflow.task_id": "extract",
        "airflow.task_instance.id": "0197-uuid",
        "airflow.task_instance.try_number": 1,
        "airflow.task_instance.max_tries": 2,
        "airflow.task_instance.map_index": -1,
        "airflow.task_instance.state": "success",
        "airflow.task_instance.start_date": "2026-01-01T00:00:10+00:00",
        "airflow.task_instance.end_date": "2026-01-01T00:00:20.500000+00:00",
        "airflow.task_instance.scheduled_at": "2026-01-01T00:00:03+00:00",
        "airflow.task_instance.queued_at": "2026-01-01T00:00:04+00:00",
        "airflow.task_instance.scheduled_duration": 1.0,
        "airflow.task_instance.queued_duration": 6.0,
        "airflow.task_instance.operator": "PythonOperator",
        "airflow.task_instance.pool": "default_pool",
        "airflow.task_instance.queue": "default",
        "airflow.task_instance.hostname": "worker-1",
        "airflow.task_instance.pid": 42,
    }


@pytest.mark.parametrize(
    ("state", "error"),
    [("failed", "try 1 failed"), ("success", None), ("skipped", None), ("upstream_failed", None), ("removed", None)],
)
def test_only_a_failed_try_is_an_error(state: str, error: str | None) -> None:
    """Skipped, or not run because something above failed: nothing went wrong in this task."""
    span = try_span(RUN, replace(TRY, state=state))
    assert span.error == error
    assert span.attributes.get("error.type") == ("failed" if error else None)
    assert span.attributes["airflow.task_instance.state"] == state


def test_a_row_of_the_history_and_its_successor_are_two_spans() -> None:
    """Try 1 from the history failed, try 2 points back to it; the row's own id is not part of any span id."""
    first = try_span(RUN, replace(TRY, id="history", state="failed"))
    before = Link(RUN.trace_id, first.span_id)
    second = try_span(RUN, replace(TRY, id="current", try_number=2), links=[before])
    assert first.links == ()
    assert second.links == (before,)
    assert second.span_id != first.span_id
    assert try_span(RUN, replace(TRY, id="another")).span_id == first.span_id
    assert (first.error, second.error) == ("try 1 failed", None)


def test_mapped_tries_are_told_apart() -> None:
    """Each map index is a span of its own with its rendered name."""
    spans = [try_span(RUN, replace(TRY, map_index=i, rendered_map_index=n)) for i, n in ((0, "AA"), (1, "UA"))]
    assert len({span.span_id for span in spans}) == 2
    assert [span.attributes["airflow.task_instance.rendered_map_index"] for span in spans] == ["AA", "UA"]


@pytest.mark.parametrize(
    ("row", "start", "end"),
    [
        ({"start_date": None}, 20.5, 20.5),
        ({"end_date": None}, 10, 60),
        ({"start_date": None, "end_date": None}, 60, 60),
        ({"start_date": _at(30)}, 20.5, 20.5),
    ],
    ids=["never started", "never ended", "neither", "ends before it starts"],
)
def test_a_row_without_times_still_makes_a_span(row: dict[str, Any], start: float, end: float) -> None:
    """Skipped and upstream_failed rows may never have started; no span is lost, none has a negative duration."""
    span = try_span(RUN, replace(TRY, state="skipped", queued_at=None, **row))
    assert (span.start_ns, span.end_ns) == (_ns(start), _ns(end))
    assert "airflow.task_instance.queued_duration" not in span.attributes
    assert [key for key, value in span.attributes.items() if value is None] == []


def test_a_queue_time_after_the_start_is_no_wait() -> None:
    """A rescheduled sensor is queued again after its first start: the wait is not known then, and not negative."""
    assert "airflow.task_instance.queued_duration" not in try_span(RUN, replace(TRY, queued_at=_at(11))).attributes
    waited = try_span(RUN, replace(TRY, queued_at=_at(10))).attributes["airflow.task_instance.queued_duration"]
    assert waited == 0.0


def test_the_samplers_verdict_goes_with_the_record() -> None:
    """A run that is not sampled stops at the pipeline, root and tries alike."""
    assert (run_span(RUN).sampled, try_span(RUN, TRY).sampled) == (True, True)
    assert (run_span(RUN, sampled=False).sampled, try_span(RUN, TRY, sampled=False).sampled) == (False, False)


moments = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


@given(queued=moments, started=moments, ended=moments, run_ended=moments)
def test_no_row_makes_an_impossible_span(
    queued: datetime | None, started: datetime | None, ended: datetime | None, run_ended: datetime | None
) -> None:
    """Whatever dates are missing or disagree: no negative duration or wait, and the root ends after its tries."""
    run = replace(RUN, queued_at=queued, start_date=started, end_date=run_ended)
    span = try_span(run, replace(TRY, queued_at=queued, start_date=started, end_date=ended))
    root = run_span(run, last_end_ns=span.end_ns)
    assert span.start_ns <= span.end_ns <= root.end_ns
    assert root.start_ns <= root.end_ns
    assert span.attributes.get("airflow.task_instance.queued_duration", 0.0) >= 0.0  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    assert all(point.value >= 0 for point in (*run_points(run), *try_points(run, replace(TRY, end_date=ended))))


# Measurements


def _said(points: list[Any]) -> dict[str, tuple[float, dict[str, Any]]]:
    return {point.metric.name: (point.value, dict(point.attributes)) for point in points}


def test_a_try_is_counted_and_timed() -> None:
    """One count and one duration in seconds, both under the bounded attributes that the model lists."""
    labels = {
        "airflow.dag_id": "flights",
        "airflow.task_id": "extract",
        "airflow.task_instance.operator": "PythonOperator",
        "airflow.task_instance.state": "success",
    }
    points = try_points(RUN, TRY)
    assert _said(points) == {
        "airflow.task_instance.count": (1, labels),
        "airflow.task_instance.duration": (10.5, labels),
    }
    assert all(set(point.metric.attributes) == labels.keys() for point in points)


def test_a_run_is_counted_and_timed() -> None:
    """Its duration is Airflow's: from start to end, without the wait in the queue."""
    labels = {"airflow.dag_id": "flights", "airflow.dag_run.run_type": "manual", "airflow.dag_run.state": "failed"}
    points = run_points(replace(RUN, state="failed"))
    assert _said(points) == {"airflow.dag_run.count": (1, labels), "airflow.dag_run.duration": (58.0, labels)}
    assert all(set(point.metric.attributes) == labels.keys() for point in points)


@pytest.mark.parametrize("row", [{"start_date": None}, {"end_date": None}, {"operator": None, "start_date": None}])
def test_what_never_ran_is_counted_and_not_timed(row: dict[str, Any]) -> None:
    """Counts equal the database's rows; a duration nobody knows would spoil the histogram with zeros."""
    points = _said(try_points(RUN, replace(TRY, state="upstream_failed", **row)))
    assert list(points) == ["airflow.task_instance.count"]
    value, labels = points["airflow.task_instance.count"]
    assert (value, labels["airflow.task_instance.state"]) == (1, "upstream_failed")
    assert labels["airflow.task_instance.operator"] == ("" if "operator" in row else "PythonOperator")


def test_a_run_that_never_started_is_counted_and_not_timed() -> None:
    """The same for runs."""
    assert list(_said(run_points(replace(RUN, start_date=None)))) == ["airflow.dag_run.count"]
    assert list(_said(run_points(replace(RUN, end_date=None)))) == ["airflow.dag_run.count"]
