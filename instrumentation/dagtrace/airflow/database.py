"""
Reads Airflow's database: runs and tries as plain rows.

Every query goes by primary key, by the partial index on running runs, or by (dag_id, run_id); never by ``end_date``,
which has no index. All are reads, over Airflow's own engine, on a connection given back at once.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, select, text, tuple_
from sqlalchemy.exc import SQLAlchemyError

from dagtrace.airflow import compat
from dagtrace.airflow.facts import Run, Try


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

T = TypeVar("T")

Key = tuple[str, str]
"""(dag_id, run_id)"""

_LOCK = 0x64616774  # "dagt"

_CHUNK = 200
"""Keys per query: well below every database's limit of parameters."""

_RUN_COLUMNS = (
    *("id", "dag_id", "run_id", "run_type", "state", "queued_at", "start_date", "end_date", "created_at"),
    *("logical_date", "run_after", "clear_number", "triggered_by", "bundle_version", "created_dag_version_id"),
)
_TRY_COLUMNS = (
    *("dag_id", "run_id", "task_id", "map_index", "try_number", "max_tries", "state", "start_date", "end_date"),
    *("scheduled_dttm", "queued_dttm", "operator", "pool", "queue", "executor", "hostname", "pid"),
    "rendered_map_index",
)


_inherited: list[Any] = []


class Database:
    """The questions the reader asks; each call is one short transaction."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        tables = compat.tables()
        self._runs, self._tries, self._history, self._pokes, self._dags, self._tags, self._versions = tables
        self._lease: Any = None
        self.url = str(engine.url.set(password=None))
        """Names the database; without the password."""

    def newest_id(self) -> int:
        """Return the highest ``dag_run.id``, 0 where there is no run yet."""
        return int(self._all(select(func.max(self._runs.c.id)))[0][0] or 0)

    def open_and_new(self, after_id: int) -> list[tuple[int, Run]]:
        """Return (id, run) of every run queued or running now, and of every run made since ``after_id``."""
        runs = self._runs.c
        # Three questions, not one with OR: each state has a partial index of its own, and the ids are the primary key.
        found: dict[int, Run] = {}
        for condition in (runs.state == "queued", runs.state == "running", runs.id > after_id):
            found.update(self._select_runs(condition))
        return list(found.items())

    def runs(self, keys: Iterable[Key]) -> list[tuple[int, Run]]:
        """Return (id, run) of the runs with these keys; a deleted one is not among them."""
        runs = self._runs.c
        found: list[tuple[int, Run]] = []
        for chunk in _chunks(keys):
            found += self._select_runs(tuple_(runs.dag_id, runs.run_id).in_(chunk))
        return found

    def tries(self, keys: Iterable[Key], since: datetime | None = None) -> Iterator[tuple[Key, Try]]:
        """
        Yield every try of these runs in a final state or between pokes.

        Those of the history come first: it wins where both have one. ``since`` leaves out rows of ``task_instance``
        that have not changed after it.
        """
        for chunk in _chunks(keys):
            seen: set[tuple[str, str, str, int, int]] = set()
            for table, changed in ((self._history, None), (self._tries, since)):
                for row in self._all(self._select_tries(table, chunk, changed)):
                    unique = (row.dag_id, row.run_id, row.task_id, row.map_index, row.try_number)
                    if unique not in seen:
                        seen.add(unique)
                        yield (row.dag_id, row.run_id), _try(row)

    def first_pokes(self, ti_ids: Iterable[str]) -> dict[str, datetime]:
        """
        Return when each task instance was first rescheduled, of those that ever were.

        ``task_reschedule.start_date`` is the API server's clock at the end of a poke (Airflow 3), a little after the
        poke's true start: second best, for pokes that nobody saw between two looks.
        """
        pokes = self._pokes.c
        found: dict[str, datetime] = {}
        for chunk in _chunks(map(compat.ti_key, ti_ids)):
            query = select(pokes.ti_id, func.min(pokes.start_date)).where(pokes.ti_id.in_(chunk)).group_by(pokes.ti_id)
            found.update((str(ti_id), first) for ti_id, first in self._all(query))
        return found

    def still_running(self, key: Key) -> bool:
        """Return whether a process may still be at work on a task of this run."""
        tries = self._tries.c
        query = select(tries.task_id).where(
            tries.dag_id == key[0], tries.run_id == key[1], tries.state.in_(("running", "restarting"))
        )
        return bool(self._all(query.limit(1)))

    def leads(self) -> bool:
        """
        Return whether this process is the one that tells: with several schedulers, one at a time.

        A session's advisory lock on a connection of its own; it goes with the connection, so a dead leader's is free.
        Behind a proxy that pools by transaction (PgBouncer) there is no session to hold one: several schedulers may
        both lead there, or after a crash none, until the proxy recycles the connection. SQLite allows one only.
        """
        if self._engine.dialect.name == "sqlite":
            return True
        query = {"postgresql": "select pg_try_advisory_lock(%d)", "mysql": "select get_lock('dagtrace-%d', 0)"}.get(
            self._engine.dialect.name
        )
        if query is None:
            return True
        try:
            if self._lease is not None:
                self._lease.execute(text("select 1"))
                self._lease.commit()
                return True
            lease = self._engine.connect()
            if lease.execute(text(query % _LOCK)).scalar():
                lease.commit()
                self._lease = lease
                return True
            lease.close()
        except SQLAlchemyError:
            self.resign()  # the connection is lost or in doubt: close it, and the lock with it; ask again next time
        return False

    def resign(self) -> None:
        """Let another scheduler lead."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(SQLAlchemyError):
                lease.invalidate()  # really closed, not given back to the pool with the lock on it
            lease.close()

    def let_go(self) -> None:
        """
        In a forked child: let go of the leader's connection without a word to the server.

        A worker that the executor replaces while we lead inherits the socket; with it the lock would outlive a leader
        that is killed. Closing it properly would end the parent's session: the descriptor is made to point nowhere.
        """
        lease, self._lease = self._lease, None
        descriptor = getattr(getattr(lease, "connection", None), "fileno", None)
        if descriptor is not None:
            _inherited.append(lease)  # never collected: its end would be told to whatever the descriptor is by then
            with suppress(Exception):  # psycopg2 says InterfaceError of a connection that is closed already
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, descriptor())
                os.close(nowhere)

    def _all(self, query: Any) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(query))

    def describe(self, run: Run) -> tuple[str | None, tuple[str, ...]]:
        """Return the owners and the sorted tags of a run's DAG."""
        owners = self._all(select(self._dags.c.owners).where(self._dags.c.dag_id == run.dag_id))
        tags = self._all(select(self._tags.c.name).where(self._tags.c.dag_id == run.dag_id))
        return owners[0].owners if owners else None, tuple(sorted(row.name for row in tags))

    def _select_runs(self, condition: Any) -> list[tuple[int, Run]]:
        version = self._versions.c
        query = (
            select(*(self._runs.c[name] for name in _RUN_COLUMNS), version.version_number)
            .select_from(self._runs.outerjoin(self._versions, self._runs.c.created_dag_version_id == version.id))
            .where(condition)
        )
        return [(row.id, _run(row)) for row in self._all(query)]

    def _select_tries(self, table: Any, keys: Sequence[Key], since: datetime | None) -> Any:
        identifier = table.c["task_instance_id" if table is self._history else "id"].label("ti_id")
        states = (*compat.FINAL_STATES, compat.BETWEEN_POKES)
        condition = and_(tuple_(table.c.dag_id, table.c.run_id).in_(keys), table.c.state.in_(states))
        if since is not None:
            condition = and_(condition, table.c.updated_at >= since)
        return select(identifier, *(table.c[name] for name in _TRY_COLUMNS)).where(condition)


def _chunks(keys: Iterable[T]) -> Iterator[list[T]]:
    rest = list(keys)
    for start in range(0, len(rest), _CHUNK):
        yield rest[start : start + _CHUNK]


def _text(value: Any) -> str | None:
    """Return an enum's value or the string itself."""
    return None if value is None else str(getattr(value, "value", value))


def _run(row: Any) -> Run:
    return Run(
        dag_id=row.dag_id,
        run_id=row.run_id,
        run_type=_text(row.run_type) or "",
        state=_text(row.state) or "",
        queued_at=row.queued_at,
        start_date=row.start_date,
        end_date=row.end_date,
        created_at=row.created_at,
        logical_date=row.logical_date,
        run_after=row.run_after,
        clear_number=row.clear_number or 0,
        triggered_by=_text(row.triggered_by),
        dag_version=row.version_number,
        bundle_version=row.bundle_version,
    )


def _try(row: Any) -> Try:
    return Try(
        id=str(row.ti_id),
        task_id=row.task_id,
        map_index=row.map_index,
        try_number=row.try_number,
        max_tries=row.max_tries,
        state=_text(row.state) or "",
        start_date=row.start_date,
        end_date=row.end_date,
        scheduled_at=row.scheduled_dttm,
        queued_at=row.queued_dttm,
        operator=row.operator,
        pool=row.pool,
        queue=row.queue,
        executor=row.executor,
        hostname=row.hostname,
        pid=row.pid,
        rendered_map_index=row.rendered_map_index,
    )
