"""What a try waited for: seconds by hand, out of the states it went through."""
# pyright: reportPrivateUsage=false

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from dagtrace.airflow import waits
from dagtrace.airflow.compat import states
from dagtrace.airflow.facts import Run, Try, run_span, try_span
from dagtrace.airflow.waits import Change
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events


NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
NOW_NS = int(NOW.timestamp()) * 10**9


def at(seconds: float) -> datetime:
    """Return a moment after NOW."""
    return NOW + timedelta(seconds=seconds)


def changed(*changes: tuple[str, float]) -> tuple[Change, ...]:
    """Return states and the seconds from which on a try had them."""
    return tuple(Change(state, at(seconds)) for state, seconds in changes)


NOTHING: dict[str, Any] = dict.fromkeys(("max_tries", "operator", "pool", "queue", "executor", "hostname", "pid"))
TRY = Try(
    *("", "t", -1, 1),
    state="success",
    start_date=at(7),
    end_date=at(60),
    scheduled_at=at(1),
    queued_at=at(3),
    **NOTHING,
)
RUN = Run(
    *("d", "r", "scheduled", "success"),
    queued_at=at(0),
    start_date=at(0.5),
    end_date=at(60),
    created_at=at(0),
    logical_date=None,
    run_after=at(-29.5),
    clear_number=0,
)


def said(row: Try) -> dict[str, Any]:
    """Return the durations on a try's span."""
    return {name: value for name, value in try_span(RUN, row).attributes.items() if name.endswith("_duration")}


def test_a_try_waits_before_it_starts() -> None:
    """Ready at 1, with the executor at 3, started at 7: 2 s and 4 s, and both moments are events."""
    assert said(TRY) == {
        names.AIRFLOW_TASK_INSTANCE_SCHEDULED_DURATION: 2.0,
        names.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION: 4.0,
    }
    assert [(event.name, event.time_ns - NOW_NS) for event in try_span(RUN, TRY).events] == [
        (events.AIRFLOW_TASK_INSTANCE_SCHEDULED, 1_000_000_000),
        (events.AIRFLOW_TASK_INSTANCE_QUEUED, 3_000_000_000),
    ]
    assert not waits.may_have_waited(TRY)


def test_a_deferred_try() -> None:
    """
    Deferred from 8 to 20 and from 21 to 40.5: 31.5 s.

    It was scheduled again for each resumption, so nobody knows any more how long it had waited for its start.
    """
    row = replace(TRY, scheduled_at=at(38), queued_at=at(39))
    assert waits.may_have_waited(row)
    changes = changed(("running", 7), ("deferred", 8), ("running", 20), ("deferred", 21), ("running", 40.5))
    row = replace(row, changes=changes)
    assert said(row) == {names.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION: 31.5}
    assert [event.name.rpartition(".")[2] for event in try_span(RUN, row).events] == [
        *("scheduled", "queued", "deferred", "resumed", "deferred", "resumed")
    ]


def test_a_try_that_ended_while_it_was_deferred() -> None:
    """A wait that nobody came back from lasts to the try's end; waiting for a person is waiting."""
    row = replace(TRY, queued_at=at(50), changes=changed(("running", 7), ("awaiting_input", 8)))
    assert said(row) == {names.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION: 52.0}


def test_a_sensor_between_its_pokes() -> None:
    """Poked from 7 to 8, from 18 to 19 and from 50 on: 10 and 31 s between; each poke overwrote the row's start."""
    row = replace(TRY, first_start=at(7), start_date=at(50), scheduled_at=at(48), queued_at=at(49))
    assert waits.may_have_waited(row)
    poke, wait = "running", "up_for_reschedule"
    changes = changed((poke, 7), (wait, 8), (poke, 18), (wait, 19), (poke, 50))
    assert said(replace(row, changes=changes)) == {
        names.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION: 1.0,
        names.AIRFLOW_TASK_INSTANCE_RESCHEDULED_DURATION: 41.0,
    }


def test_a_sensor_that_poked_for_days() -> None:
    """All its seconds are counted, of its events a hundred are kept."""
    pokes = [change for n in range(1000) for change in (("running", 10 * n), ("up_for_reschedule", 10 * n + 4))]
    row = replace(TRY, first_start=at(0), start_date=at(10_000), end_date=at(10_001))
    row = replace(row, changes=changed(*pokes, ("running", 10_000)))
    assert said(row)[names.AIRFLOW_TASK_INSTANCE_RESCHEDULED_DURATION] == 6000
    assert len(try_span(RUN, row).events) == 100


def test_a_run_says_how_late_it_began() -> None:
    """It might have started half a minute before it did; once it was cleared, that says nothing any more."""
    assert run_span(RUN).attributes[names.AIRFLOW_DAG_RUN_SCHEDULE_DELAY] == 30
    for other in (replace(RUN, clear_number=1), replace(RUN, run_after=None), replace(RUN, clock_ns=NOW_NS)):
        assert names.AIRFLOW_DAG_RUN_SCHEDULE_DELAY not in run_span(other).attributes


def test_every_state_of_the_log_has_an_event() -> None:
    """A state that is asked for is one that can be said."""
    assert set(waits._EVENTS) == set(states.WAITS)
