"""What is measured of a run and of a try: by the row alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.airflow import facts, measurements
from dagtrace.airflow.critical_path import CriticalPath, Step
from dagtrace.airflow.facts import Run, Try


if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagtrace.record import Point

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
NOTHING: dict[str, Any] = dict.fromkeys(("scheduled_at", "pool", "queue", "executor", "hostname", "pid"))
RUN = Run(
    dag_id="d",
    run_id="r",
    run_type="scheduled",
    state="success",
    queued_at=NOW,
    start_date=NOW + timedelta(seconds=7),
    end_date=NOW + timedelta(seconds=9),
    created_at=NOW,
    logical_date=None,
    run_after=NOW,
    clear_number=0,
)
TRY = Try(
    id="",
    task_id="t",
    map_index=-1,
    try_number=1,
    max_tries=2,
    state="failed",
    start_date=NOW + timedelta(seconds=3),
    end_date=NOW + timedelta(seconds=5),
    queued_at=NOW,
    operator="Bash",
    **NOTHING,
)


def values(points: Iterable[Point]) -> dict[str, float]:
    """Return values by the last part of a name."""
    return {point.metric.name.rpartition(".")[2]: point.value for point in points}


def test_a_failed_try() -> None:
    """It was queued for three seconds and wasted two; it is no retry, and the state is no attribute of what it cost."""
    points = measurements.of_try(RUN, TRY)
    assert values(points) == {"count": 1, "duration": 2, "queued_duration": 3, "wasted_time": 2}
    wasted = points[-1]
    assert tuple(wasted.attributes.values()) == ("d", "t", "Bash")


@pytest.mark.parametrize(
    ("changes", "less", "more"),
    [
        ({"state": "success"}, {"wasted_time"}, set[str]()),
        ({"try_number": 2}, set[str](), {"retries"}),
        ({"queued_at": NOW + timedelta(seconds=4)}, {"queued_duration"}, set[str]()),
        ({"start_date": None, "end_date": None}, {"duration", "queued_duration", "wasted_time"}, set[str]()),
    ],
    ids=["success", "retry", "queued again", "never began"],
)
def test_other_tries(changes: dict[str, Any], less: set[str], more: set[str]) -> None:
    """Only failures waste time, only second tries are retries; what Airflow has no time of is not measured."""
    plain = {"count", "duration", "queued_duration", "wasted_time"}
    assert values(measurements.of_try(RUN, replace(TRY, **changes))).keys() == (plain - less) | more


@pytest.mark.parametrize(
    ("changes", "delay"),
    [
        ({}, 7),
        ({"run_type": "manual"}, 7),
        ({"run_after": NOW + timedelta(minutes=1)}, 0),
        ({"run_after": None}, None),
        ({"run_type": "backfill"}, None),
        ({"clear_number": 1}, None),
        ({"start_date": None}, None),
        ({"state": ""}, None),
    ],
    ids=["scheduled", "manual", "clocks differ", "unknown", "backfill", "cleared", "never began", "unseen end"],
)
def test_the_schedule_delay(changes: dict[str, Any], delay: float | None) -> None:
    """It is what the scheduler is to answer for: not a backfill's, which is late by intention, nor a cleared run's."""
    assert values(measurements.of_run(replace(RUN, **changes))).get("schedule_delay") == delay


@pytest.mark.parametrize("sampled", [True, False])
def test_each_measurement_leads_to_its_span(sampled: bool) -> None:  # noqa: FBT001
    """All that is measured of a try is of the span that is told of it, and of a run of the root; zeros are of none."""
    found = {point.span for point in measurements.of_try(RUN, replace(TRY, try_number=2), sampled=sampled)}
    assert found == {facts.try_span(RUN, replace(TRY, try_number=2), sampled=sampled).context}
    found = {point.span for point in measurements.of_run(RUN, sampled=sampled)}
    assert found == {facts.run_span(RUN, sampled=sampled).context}
    zeros = (*measurements.nothing_of_runs("d", "manual"), *measurements.nothing_of_tries("d", "t", "Bash"))
    assert {point.span for point in zeros} == {None}


A_PATH = CriticalPath((Step("a", 0, 1, 1, 4), Step("b", -1, 1, 5, 6), Step("a", 3, 1, 6.5, 8)), 5.5, 2.5, {})


def test_a_path_is_counted_by_task() -> None:
    """Seconds of a task's tries on it are added up, whatever their map index; those between are the DAG's."""
    points = measurements.of_path(RUN, A_PATH)
    assert [(p.metric.name, p.value, tuple(p.attributes.values())) for p in points] == [
        ("airflow.critical_path.time", 4.5, ("d", "a")),
        ("airflow.critical_path.time", 1, ("d", "b")),
        ("airflow.critical_path.waiting_time", 2.5, ("d",)),
    ]
    assert {p.span for p in points} == {facts.run_span(RUN).context}
    assert all(tuple(p.attributes) == p.metric.attributes for p in points)


@pytest.mark.parametrize(("run", "path"), [(RUN, None), (replace(RUN, state=""), A_PATH)], ids=["no path", "no end"])
def test_a_path_that_is_not_known(run: Run, path: CriticalPath | None) -> None:
    """A run without a path, or whose end nobody saw, has no seconds on one."""
    assert measurements.of_path(run, path) == []
