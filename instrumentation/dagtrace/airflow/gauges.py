"""
How things stand, as gauges: what is under way and since when, what is expected and has not come.

They come from the leader alone and say what is so now; a run that is stuck, late or missing shows before anything ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from dagtrace import telemetry
from dagtrace.airflow.compat import states
from dagtrace.options import options
from dagtrace.record import Point, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dagtrace.airflow.assets import Assets
    from dagtrace.airflow.facts import Run
    from dagtrace.airflow.standings import Active, Dag, Standings
    from dagtrace.airflow.zeros import Zeros
    from dagtrace.semconv.metrics import Metric

EVERY = 15.0
"""Seconds between two looks: no rarer than most ask for metrics, and a few milliseconds of the database each."""

_LINGERS = 600.0
"""
Seconds for which a level that has become 0 is said to be 0: longer than exporters and Prometheus go on with a value
that is not told any more, five minutes, in which an alarm would go on, too.
"""

_LONGEST = 256
"""Characters of a text."""

_TEAM = "team:"
"""How a tag begins that names a DAG's team."""

_HELD = ("running", "queued")
"""States of tries that hold slots of their pool (``Pool.slots_stats``); deferred ones do where the pool says so."""

Level = tuple["Metric", tuple[tuple[str, str], ...]]
"""A gauge and its attributes."""


class Gauges:
    """Shows all gauges, every 15 seconds; in the same rhythm asset updates are counted and counters created."""

    def __init__(self, standings: Standings, zeros: Zeros, assets: Assets) -> None:
        self._standings, self._zeros, self._assets = standings, zeros, assets
        self._due = 0.0
        self._succeeded: dict[str, datetime] | None = None
        self._runs, self._tries, self._missed = _Fading(), _Fading(), _Fading()

    def begin(self, runs: Iterable[Run]) -> bool:
        """Take note of open runs, before anything of them is counted; return whether there are new counters now."""
        return self._zeros.of_runs(runs)

    def ended(self, run: Run) -> None:
        """Take note of a run that has ended."""
        if self._succeeded is not None and run.state == "success" and run.end_date is not None:
            self._succeeded[run.dag_id] = max(run.end_date, self._succeeded.get(run.dag_id, run.end_date))

    def look(self, runs: Sequence[Run]) -> None:
        """Show how things stand, where it is time to; ``runs`` are those that are open."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        now = datetime.now(timezone.utc)
        points = self._runs.with_zeros(of_runs(runs, now))
        dags: list[Dag] = []
        with guard("reading the state of DAGs"):
            dags = [dag for dag in self._standings.dags() if options().traces(dag.dag_id)]
            points += of_dags(dags, self._standings.tags())
            points += _moments(metrics.AIRFLOW_DAG_LAST_SUCCESS, self._last_successes(dags))
        with guard("reading active tries"):
            active = self._standings.active()
            points += of_pools(self._standings, active)
            points += self._tries.with_zeros(of_tries([one for one in active if options().traces(one.dag_id)], now))
        with guard("reading deadlines"):
            ahead, missed = self._standings.deadlines(now)
            points += _moments(metrics.AIRFLOW_DAG_NEXT_DEADLINE, ahead)
            points += self._missed.with_zeros(of_missed(missed))
        with guard("counting asset updates"):
            points += self._assets.look(now)
        telemetry.show(*points)
        with guard("creating counters"):
            self._zeros.of_dags(dags)

    def _last_successes(self, dags: Iterable[Dag]) -> dict[str, datetime]:
        """Return the last success of each DAG that had one: asked for once, from then on as runs end."""
        ids = [dag.dag_id for dag in dags]
        if self._succeeded is None:
            self._succeeded = self._standings.last_successes(ids)
        return {dag_id: self._succeeded[dag_id] for dag_id in ids if dag_id in self._succeeded}


class _Fading:
    """Says 0 for a while of levels that are no more."""

    def __init__(self) -> None:
        self._seen: dict[Level, float] = {}

    def with_zeros(self, levels: Mapping[Level, float]) -> list[Point]:
        """Return these levels, and 0 for those that were there lately."""
        now = time.monotonic()
        self._seen.update(dict.fromkeys(levels, now))
        self._seen = {level: at for level, at in self._seen.items() if now - at <= _LINGERS}
        return [Point(level[0], levels.get(level, 0), dict(level[1])) for level in self._seen]


def of_runs(runs: Iterable[Run], now: datetime) -> dict[Level, float]:
    """Return how many runs of each DAG are queued and running, and the age of the oldest."""
    found: defaultdict[Level, float] = defaultdict(float)
    for run in runs:
        since = run.start_date if run.state == states.RUNNING else run.queued_at or run.created_at
        if run.state in states.RUN_FINAL_STATES or since is None:
            continue
        labels = ((names.AIRFLOW_DAG_ID, run.dag_id), (names.AIRFLOW_DAG_RUN_STATE, run.state))
        found[metrics.AIRFLOW_DAG_RUN_ACTIVE, labels] += 1
        oldest = metrics.AIRFLOW_DAG_RUN_OLDEST_AGE, labels
        found[oldest] = max(found[oldest], (now - since).total_seconds())
    return found


def of_tries(active: Iterable[Active], now: datetime) -> dict[Level, float]:
    """Return how many tries are under way, and the age of the oldest."""
    found: dict[Level, float] = {}
    for one in active:
        labels = (
            (names.AIRFLOW_DAG_ID, one.dag_id),
            (names.AIRFLOW_TASK_INSTANCE_STATE, one.state),
            (names.AIRFLOW_TASK_INSTANCE_POOL, one.pool),
        )
        found[metrics.AIRFLOW_TASK_INSTANCE_ACTIVE, labels] = one.tries
        if one.since is not None:
            found[metrics.AIRFLOW_TASK_INSTANCE_OLDEST_AGE, labels] = max(0.0, (now - one.since).total_seconds())
    return found


def of_pools(standings: Standings, active: Iterable[Active]) -> Iterator[Point]:
    """Yield how the slots of each pool are used; tries of all DAGs hold them."""
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in active:
        taken[one.pool, one.state] += one.slots
    for pool in standings.pools():
        held = (*_HELD, "deferred") if pool.counts_deferred else _HELD
        slots = {state: taken[pool.name, state] for state in (*held, "scheduled")}
        if pool.slots >= 0:
            slots["open"] = pool.slots - sum(slots[state] for state in held)
        for state, number in slots.items():
            labels = {names.AIRFLOW_TASK_INSTANCE_POOL: pool.name, names.AIRFLOW_POOL_SLOT_STATE: state}
            yield Point(metrics.AIRFLOW_POOL_SLOTS, number, labels)


def of_dags(dags: Iterable[Dag], tags: Mapping[str, Sequence[str]]) -> Iterator[Point]:
    """Yield what each DAG is, and when its next run is expected."""
    for dag in dags:
        of_this = tags.get(dag.dag_id, ())
        labels: dict[str, Value] = {
            names.AIRFLOW_DAG_ID: dag.dag_id,
            names.AIRFLOW_DAG_OWNERS: dag.owners[:_LONGEST],
            names.AIRFLOW_DAG_TAG_LIST: f",{','.join(of_this)},"[:_LONGEST] if of_this else "",
            names.AIRFLOW_DAG_TEAM: next((tag[len(_TEAM) :] for tag in of_this if tag.startswith(_TEAM)), ""),
            names.AIRFLOW_DAG_SCHEDULE: dag.schedule[:_LONGEST],
            names.AIRFLOW_DAG_PAUSED: dag.paused,
        }
        yield Point(metrics.AIRFLOW_DAG_INFO, 1, labels)
        if dag.next_expected is not None:
            yield from _moments(metrics.AIRFLOW_DAG_NEXT_EXPECTED, {dag.dag_id: dag.next_expected})


def of_missed(missed: Mapping[str, int]) -> dict[Level, float]:
    """Return how many deadlines of each DAG were missed lately."""
    return {
        (metrics.AIRFLOW_DAG_MISSED_DEADLINES, ((names.AIRFLOW_DAG_ID, dag_id),)): number
        for dag_id, number in missed.items()
        if options().traces(dag_id)
    }


def _moments(metric: Metric, moments: Mapping[str, datetime]) -> Iterator[Point]:
    for dag_id, at in moments.items():
        if options().traces(dag_id):
            yield Point(metric, at.timestamp(), {names.AIRFLOW_DAG_ID: dag_id})
