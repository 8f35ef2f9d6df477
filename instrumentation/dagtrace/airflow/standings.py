"""
Asks Airflow's database how things stand now: what is active, and what is expected.

For the gauges, which the leader reads every 15 seconds. What grows with time (runs, tries, events, deadlines, versions)
is asked for by an index; of ``dag``, ``dag_tag``, ``slot_pool`` and the assets, which have a row for each thing that
somebody has written down, all rows are read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, func, select

from dagtrace.airflow.compat import schema, states
from dagtrace.airflow.database import Questions, chunks, text_of


if TYPE_CHECKING:
    from collections.abc import Iterable

_RECENT_RUNS = 50_000
"""Runs among which the last success of each DAG is looked for first: by their ids, which is one range of the index."""

_MOST_EVENTS = 50_000
"""Asset events of one look."""

_DEADLINES = timedelta(days=1)
"""How long a missed deadline is one of now."""


class Active(NamedTuple):
    """Tries of a DAG in one state and pool."""

    dag_id: str
    state: str
    pool: str
    tries: int
    slots: int
    since: datetime | None
    """Since when the oldest is scheduled or queued; in other states, when it started."""


class Pool(NamedTuple):
    """A pool; it has -1 slots where it has no limit."""

    name: str
    slots: int
    counts_deferred: bool


class Dag(NamedTuple):
    """A DAG that Airflow has."""

    dag_id: str
    owners: str
    schedule: str
    paused: bool
    next_expected: datetime | None


class Event(NamedTuple):
    """An update of an asset."""

    number: int
    asset: int
    at: datetime


class Standings(Questions):
    """The questions; each call is one short transaction or two."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self._runs, self._tries = schema.table("dag_run"), schema.table("task_instance")
        self._dags, self._tags = schema.table("dag"), schema.table("dag_tag")
        self._pools, self._deadlines = schema.table("slot_pool"), schema.deadlines()
        self._versions = schema.table("dag_version")
        _, self._events, self._assets = map(schema.table, schema.ASSETS)
        self._asset_of = self._events.c[schema.ASSET_ID]

    def active(self) -> list[Active]:
        """Return how many tries are under way, by DAG, state and pool: one question, by the index on the state."""
        tries = self._tries.c
        kinds = (tries.dag_id, tries.state, tries.pool)
        since = (schema.scheduled_at(self._tries), tries.queued_dttm, tries.start_date)
        query = select(*kinds, func.count(), func.sum(tries.pool_slots), *map(func.min, since))
        found: list[Active] = []
        for dag_id, state, pool, count, slots, *moments in self._all(
            query.where(tries.state.in_(states.ACTIVE_STATES)).group_by(*kinds)
        ):
            name = text_of(state) or ""
            oldest = moments[{"scheduled": 0, "queued": 1}.get(name, 2)]
            found.append(Active(dag_id, name, pool, int(count), int(slots or 0), oldest))
        return found

    def pools(self) -> list[Pool]:
        """Return all pools."""
        pools = self._pools.c
        return [Pool(*row) for row in self._all(select(pools.pool, pools.slots, pools.include_deferred))]

    def dags(self) -> list[Dag]:
        """Return all DAGs that Airflow has, paused ones with them."""
        dags = self._dags.c
        interval = (dags.next_dagrun_data_interval_start, dags.next_dagrun_data_interval_end)
        query = select(dags.dag_id, dags.owners, dags.is_paused, dags[schema.SCHEDULE].label("schedule"), *interval)
        return [
            Dag(
                row.dag_id,
                row.owners or "",
                "" if row.schedule is None else str(row.schedule),
                bool(row.is_paused),
                None if row.is_paused else schema.next_expected(row),
            )
            for row in self._all(query.add_columns(dags.next_dagrun_create_after).where(schema.is_there(self._dags)))
        ]

    def tags(self) -> dict[str, list[str]]:
        """Return the sorted tags by DAG."""
        found: dict[str, list[str]] = {}
        for dag_id, name in self._all(select(self._tags.c.dag_id, self._tags.c.name)):
            found.setdefault(dag_id, []).append(name)
        return {dag_id: sorted(names) for dag_id, names in found.items()}

    def last_successes(self, dag_ids: Iterable[str]) -> dict[str, datetime]:
        """Return when a run of each DAG last ended well, of those that ever did; asked once by each leader."""
        runs = self._runs.c
        newest = int(self._all(select(func.max(runs.id)))[0][0] or 0)
        query = select(runs.dag_id, func.max(runs.end_date)).where(runs.state == "success").group_by(runs.dag_id)
        found = dict(self._all(query.where(runs.id > newest - _RECENT_RUNS)))
        for chunk in chunks(set(dag_ids) - found.keys()):  # by the index on (dag_id, state)
            found.update(self._all(query.where(runs.dag_id.in_(chunk))))
        return {dag_id: at for dag_id, at in found.items() if at is not None}

    def deadlines(self, now: datetime) -> tuple[dict[str, datetime], dict[str, int]]:
        """Return by DAG its next deadline, and how many were missed lately; none where Airflow has none."""
        if self._deadlines is None:
            return {}, {}
        runs, deadlines = self._runs.c, self._deadlines.c
        both = self._deadlines.join(self._runs, deadlines.dagrun_id == runs.id)
        ahead = select(runs.dag_id, func.min(deadlines.deadline_time)).select_from(both).group_by(runs.dag_id)
        missed = select(runs.dag_id, func.count()).select_from(both).group_by(runs.dag_id)
        lately = and_(schema.is_missed(self._deadlines), deadlines.deadline_time > now - _DEADLINES)
        return (
            dict(self._all(ahead.where(schema.is_ahead(self._deadlines)))),
            dict(self._all(missed.where(lately))),
        )

    def newest_versions(self, dag_ids: Iterable[str]) -> dict[str, str]:
        """Return the newest version of each of these DAGs, as `Database.serialized_dags` takes it."""
        if self._versions is None:
            return {dag_id: dag_id for dag_id in dag_ids}
        versions, found = self._versions.c, dict[str, str]()
        for chunk in chunks(dag_ids):
            number = func.max(versions.version_number).label("number")
            newest = select(versions.dag_id, number).where(versions.dag_id.in_(chunk)).group_by(versions.dag_id)
            of = newest.subquery().c
            both = and_(versions.dag_id == of.dag_id, versions.version_number == of.number)
            found.update((dag, str(one)) for dag, one in self._all(select(versions.dag_id, versions.id).where(both)))
        return found

    def assets(self) -> dict[int, tuple[str, datetime | None]]:
        """Return name and last update of each asset; both by indexes, whatever number of events there is."""
        last = select(func.max(self._events.c.timestamp)).where(self._asset_of == self._assets.c.id).scalar_subquery()
        query = select(self._assets.c.id, self._assets.c[schema.ASSET_NAME], last)
        return {number: (name, at) for number, name, at in self._all(query)}

    def newest_event(self) -> int:
        """Return the highest number of an asset event, 0 where there is none."""
        return int(self._all(select(func.max(self._events.c.id)))[0][0] or 0)

    def events(self, after: int) -> list[Event]:
        """Return the asset events with a higher number than ``after``."""
        events = self._events.c
        query = select(events.id, self._asset_of, events.timestamp).where(events.id > after).order_by(events.id)
        return [Event(*row) for row in self._all(query.limit(_MOST_EVENTS))]
