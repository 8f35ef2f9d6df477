"""Gauges say how things stand: what is under way, what is no more, what is expected; each part for itself."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
import sys
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import options as options_module
from dagtrace import telemetry
from dagtrace.airflow import gauges as module
from dagtrace.airflow.gauges import Gauges
from dagtrace.airflow.standings import Active, Dag, Pool


if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagtrace.airflow.facts import Run
    from dagtrace.record import Point

NOW = datetime.now(timezone.utc)
AGO = NOW - timedelta(hours=1)


class Standings:
    """Stands in for the database: what a test says."""

    def __init__(self) -> None:
        self.rows: list[Active] = []
        self.all_dags = [Dag("d", "me", "@daily", paused=False, next_expected=AGO)]
        self.all_pools = [Pool("p", 10, counts_deferred=False)]
        self.ahead: dict[str, datetime] = {}
        self.missed: dict[str, int] = {}
        self.successes: dict[str, datetime] = {}
        self.broken = ""
        self.asked_for_successes = 0

    def active(self) -> list[Active]:
        """Return tries."""
        if self.broken == "active":
            raise OSError("gone")
        return self.rows

    def dags(self) -> list[Dag]:
        """Return DAGs."""
        return self.all_dags

    def tags(self) -> dict[str, list[str]]:
        """Return tags."""
        return {"d": ["sea", "team:blue", "x"]}

    def pools(self) -> list[Pool]:
        """Return pools."""
        return self.all_pools

    def deadlines(self, now: datetime) -> tuple[dict[str, datetime], dict[str, int]]:
        """Return deadlines."""
        return self.ahead, self.missed

    def last_successes(self, dag_ids: Iterable[str]) -> dict[str, datetime]:
        """Return the last success of those that had one."""
        self.asked_for_successes += 1
        return dict(self.successes)


class Shown:
    """Gauges over a database that a test changes, and what they showed last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.standings = Standings()
        nothing = SimpleNamespace(of_runs=lambda _: None, of_dags=lambda _: None)  # pyright: ignore[reportUnknownLambdaType]
        assets = SimpleNamespace(look=lambda _: [])  # pyright: ignore[reportUnknownLambdaType]
        self.gauges = Gauges(self.standings, nothing, assets)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self.points: list[Point] = []
        self.times = 0
        monkeypatch.setattr(telemetry, "show", self._show)
        monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda _: NOW))  # pyright: ignore[reportUnknownLambdaType]

    def _show(self, *points: Point) -> None:
        self.points = list(points)
        self.times += 1

    def look(self, *runs: Run) -> None:
        """Have them look now, whenever they did before."""
        self.gauges._due = 0.0
        self.gauges.look(runs)

    def of(self, name: str, **where: Any) -> dict[tuple[Any, ...], float]:
        """Return values of a metric by all attributes but the DAG."""
        found: dict[tuple[Any, ...], float] = {}
        for point in self.points:
            short = {key.rpartition(".")[2]: value for key, value in point.attributes.items()}
            if point.metric.name == name and where.items() <= short.items():
                found[tuple(value for key, value in short.items() if key != "dag_id")] = point.value
        return found


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, fresh: object) -> Shown:
    """Return gauges."""
    return Shown(monkeypatch)


def a_run(state: str, started: datetime | None = AGO, dag_id: str = "d") -> Any:
    """Return a run as the reader knows it."""
    return SimpleNamespace(
        dag_id=dag_id,
        state=state,
        start_date=started,
        queued_at=AGO - timedelta(hours=1),
        created_at=None,
        end_date=NOW,
    )


def test_open_runs_have_a_number_and_an_age(shown: Shown) -> None:
    """A running one is as old as its start, a queued one as its place in the queue; one that is over is none."""
    shown.look(a_run("running"), a_run("running", AGO - timedelta(hours=3)), a_run("queued", None), a_run("failed"))
    assert shown.of("airflow.dag_run.active") == {("running",): 2, ("queued",): 1}
    ages = shown.of("airflow.dag_run.oldest_age")
    assert ages == {("running",): 14_400, ("queued",): 7_200}


def test_what_is_no_more_is_zero_for_a_while(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alarm must end with its cause: 0 is said for ten minutes, then nothing."""
    shown.look(a_run("running"))
    shown.look()
    assert shown.of("airflow.dag_run.active") == shown.of("airflow.dag_run.oldest_age") == {("running",): 0}
    later = time.monotonic() + 601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    shown.look()
    assert shown.of("airflow.dag_run.active") == shown.of("airflow.dag_run.oldest_age") == {}


def test_tries_and_pools(shown: Shown) -> None:
    """Tries by state and pool, with the age of the oldest; slots as the pool counts them."""
    shown.standings.rows = [
        Active("d", "running", "p", 2, 3, AGO),
        Active("e", "queued", "p", 1, 1, NOW),
        Active("e", "deferred", "p", 5, 5, None),
        Active("e", "scheduled", "endless", 4, 4, NOW),
    ]
    shown.standings.all_pools.append(Pool("endless", -1, counts_deferred=True))
    shown.look()
    assert shown.of("airflow.task_instance.active")["running", "p"] == 2
    assert shown.of("airflow.task_instance.oldest_age")["running", "p"] == 3_600
    assert ("deferred", "p") not in shown.of("airflow.task_instance.oldest_age")
    slots = {"open": 6, "running": 3, "queued": 1, "scheduled": 0}
    assert shown.of("airflow.pool.slots", pool="p") == {("p", state): number for state, number in slots.items()}
    slots = {"running": 0, "queued": 0, "deferred": 0, "scheduled": 4}
    assert shown.of("airflow.pool.slots", pool="endless") == {("endless", s): number for s, number in slots.items()}


def test_dags_are_described_and_expected(shown: Shown) -> None:
    """Owner, tags, team, schedule and pause in one series; the next run's moment in another."""
    shown.standings.all_dags.append(Dag("paused", "you" * 100, "", paused=True, next_expected=None))
    shown.standings.ahead, shown.standings.missed = {"d": NOW}, {"d": 2}
    shown.look()
    assert shown.of("airflow.dag.info") == {
        ("me", ",sea,team:blue,x,", "blue", "@daily", False): 1,
        (("you" * 100)[:256], "", "", "", True): 1,
    }
    assert shown.of("airflow.dag.next_expected") == {(): AGO.timestamp()}
    assert shown.of("airflow.dag.next_deadline") == {(): NOW.timestamp()}
    assert shown.of("airflow.dag.missed_deadlines") == {(): 2}


def test_the_last_success_is_asked_for_once(shown: Shown) -> None:
    """From then on it is the runs that end which move it; a failure does not, nor an end that came before."""
    shown.standings.successes = {"d": AGO}
    shown.gauges.ended(a_run("success"))  # of which the question will know
    shown.look()
    assert shown.of("airflow.dag.last_success") == {(): AGO.timestamp()}
    shown.gauges.ended(a_run("failed"))
    shown.look()
    assert shown.of("airflow.dag.last_success") == {(): AGO.timestamp()}
    shown.gauges.ended(a_run("success"))
    before = a_run("success")
    before.end_date = AGO - timedelta(days=1)
    shown.gauges.ended(before)
    shown.look()
    assert shown.of("airflow.dag.last_success") == {(): NOW.timestamp()}
    assert shown.standings.asked_for_successes == 1


def test_a_question_that_fails_costs_its_own_gauges(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the database does not answer one question, its gauges are not said to be 0; all others are shown."""
    shown.standings.rows = [Active("d", "running", "p", 2, 3, AGO)]
    shown.look()
    shown.standings.broken = "active"
    monkeypatch.delitem(sys.modules, "pytest")  # not under pytest: the guard swallows
    shown.look(a_run("running"))
    assert "reading active tries failed" in caplog.text
    assert shown.of("airflow.task_instance.active") == {}
    assert shown.of("airflow.dag_run.active") == {("running",): 1}
    assert shown.of("airflow.dag.info")
    assert shown.of("airflow.dag.next_expected")


def test_an_excluded_dag_is_not_shown(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no series of its own; the slots that its tries hold are held."""
    without = dataclasses.replace(options_module.options(), exclude=("d",))
    monkeypatch.setattr(module, "options", lambda: without)
    shown.standings.rows = [Active("d", "running", "p", 2, 3, AGO)]
    shown.standings.ahead, shown.standings.missed = {"d": NOW}, {"d": 2}
    shown.look()
    assert {point.metric.name for point in shown.points} == {"airflow.pool.slots"}
    assert shown.of("airflow.pool.slots")["p", "running"] == 3


def test_they_look_four_times_a_minute(shown: Shown) -> None:
    """The reader calls every second; the database is asked every fifteenth."""
    for _ in range(5):
        shown.gauges.look([])
    assert shown.times == 1
    shown.gauges._due -= 15
    shown.gauges.look([])
    assert shown.times == 2
