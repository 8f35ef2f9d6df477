"""
Reads Airflow's database: runs and tries as plain rows.

Every query goes by primary key, by the partial index on running runs, by (dag_id, run_id), or by the log's time; never
by ``end_date``, which has no index. All are reads, over Airflow's own engine, on a connection given back at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, select, tuple_

from dagtrace.airflow import native, runs
from dagtrace.airflow.compat import schema, states
from dagtrace.airflow.facts import Run, Try
from dagtrace.airflow.remembered import Remembered
from dagtrace.airflow.waits import Change


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from dagtrace.identity import SpanContext

T = TypeVar("T")

Key = tuple[str, str]
"""(dag_id, run_id)"""

Instance = tuple[str, str, str, int]
"""(dag_id, run_id, task_id, map_index)"""

_CHUNK = 200
"""Keys per query: well below every database's limit of parameters."""

_REMEMBERED = 10_000
"""Runs whose parent is remembered, beside those of one look."""

_MOST_BEGUN = 1_000
"""Runs of one look of which a task has just begun; those beyond are open, as a rule, and found by that."""

_RUN_COLUMNS = (
    *("id", "dag_id", "run_id", "run_type", "state", "queued_at", "start_date", "end_date", "created_at"),
    *("logical_date", "run_after", "clear_number", "triggered_by", "external_trigger", "bundle_version"),
    *("partition_key", "partition_date"),
)
_TRY_COLUMNS = (
    *("dag_id", "run_id", "task_id", "map_index", "try_number", "max_tries", "state", "start_date", "end_date"),
    *("scheduled_dttm", "queued_dttm", "operator", "pool", "queue", "executor", "hostname", "pid"),
    *("rendered_map_index", "updated_at", "dag_version_id"),
)

_log = logging.getLogger("dagtrace")


def connect(*, once: bool = False) -> Database | None:
    """Return Airflow's database, or None while Airflow has no engine; ``once`` is for who asks just once."""
    engine = schema.engine()
    return None if engine is None else Database(engine, scans=once)


class Questions:
    """Asks a database."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def _all(self, query: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(query))


class Database(Questions):
    """The questions the reader asks; each call is one short transaction. ``scans`` allows those without an index."""

    def __init__(self, engine: Any, *, scans: bool = False) -> None:
        super().__init__(engine)
        self._runs, self._versions = schema.table("dag_run"), schema.table("dag_version")
        self._tries, self._history = schema.table("task_instance"), schema.table("task_instance_history")
        self._pokes, self._serialized = schema.table("task_reschedule"), schema.table("serialized_dag")
        self._asks_for_pokes = scans or schema.finds_pokes(self._pokes)
        self._dags, self._tags, self._log = schema.table("dag"), schema.table("dag_tag"), schema.table("log")
        self._parents: Remembered[tuple[int, str], SpanContext | None] = Remembered(_REMEMBERED)
        """By id and run id (SQLite gives ids twice): what a run's conf says, which never changes; asked for once."""
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
        for chunk in chunks(keys):
            found += self._select_runs(tuple_(runs.dag_id, runs.run_id).in_(chunk))
        return found

    def begun(self, since: datetime) -> set[Key]:
        """Return the runs that began to run, or were cleared, since a moment; the log has an index on its time."""
        log = self._log.c
        begins = log.event.in_(states.BEGINS_AGAIN)
        query = select(log.dag_id, log.run_id).where(log.dttm >= since, begins).distinct()
        return {(row.dag_id, row.run_id) for row in self._all(query.limit(_MOST_BEGUN)) if row.run_id is not None}

    def changed(self, keys: Iterable[Key], since: datetime) -> Iterator[tuple[Instance, datetime]]:
        """Yield the task instances of these runs that changed since a moment, whatever their state, and when."""
        tries = self._tries.c
        names = (tries.dag_id, tries.run_id, tries.task_id, tries.map_index)
        for chunk in chunks(keys):
            condition = and_(tuple_(tries.dag_id, tries.run_id).in_(chunk), tries.updated_at >= since)
            for *instance, at in self._all(select(*names, tries.updated_at).where(condition)):
                yield (instance[0], instance[1], instance[2], instance[3]), at

    def tries(self, keys: Iterable[Key]) -> Iterator[tuple[Key, Try]]:
        """
        Yield every try of these runs in a final state or between pokes.

        Those of the history come first: it wins where both have one.
        """
        for chunk in chunks(keys):
            yield from self._tries_where(lambda c, chunk=chunk: tuple_(c.dag_id, c.run_id).in_(chunk))

    def tries_of(self, instances: Iterable[Instance]) -> Iterator[tuple[Key, Try]]:
        """Yield the same of these task instances."""
        for chunk in chunks(instances):
            yield from self._tries_where(
                lambda c, chunk=chunk: tuple_(c.dag_id, c.task_id, c.run_id, c.map_index).in_(
                    [(dag_id, task_id, run_id, map_index) for dag_id, run_id, task_id, map_index in chunk]
                )
            )

    def first_pokes(self, tries: Iterable[tuple[Key, Try]]) -> dict[tuple[Key, Try], datetime]:
        """
        Return when each try was first rescheduled, of those that ever were.

        Second best, for pokes that nobody saw between two looks. ``task_reschedule.start_date`` is the API server's
        clock at the *end* of a poke (Airflow 3); the log has its clock when the poke was started.
        """
        columns, log = schema.poke_columns(self._pokes), self._log.c
        found: dict[tuple[Key, Try], datetime] = {}
        for chunk in chunks(tries if self._asks_for_pokes else ()):
            keys = {schema.poke_key(*one): one for one in chunk}
            query = select(*columns, func.min(self._pokes.c.start_date)).where(tuple_(*columns).in_(keys))
            found.update((keys[tuple(key)], first) for *key, first in self._all(query.group_by(*columns)))
        for ((dag_id, run_id), row), first in found.items():
            started = select(func.min(log.dttm)).where(
                *(log.dag_id == dag_id, log.task_id == row.task_id, log.run_id == run_id),
                *(log.map_index == row.map_index, log.try_number == row.try_number, log.event == states.RUNNING),
            )
            known = [first, *(moment for (moment,) in self._all(started) if moment is not None)]
            found[(dag_id, run_id), row] = min(known)
        return found

    def changes_of(self, tries: Iterable[tuple[Key, Try]]) -> dict[tuple[Key, Try], list[Change]]:
        """Return what tries went through after their start, as far as this version keeps it: see `states.WAITS`."""
        log, found = self._log.c, dict[tuple[Key, Try], list[Change]]()
        columns = (log.dag_id, log.task_id, log.run_id, log.map_index, log.try_number)
        for chunk in chunks(tries):
            keys = {(key[0], row.task_id, key[1], row.map_index, row.try_number): (key, row) for key, row in chunk}
            query = select(*columns, log.event, log.dttm).where(tuple_(*columns).in_(keys), log.event.in_(states.WAITS))
            for *name, event, at in self._all(query):
                found.setdefault(keys[tuple(name)], []).append(Change(event, at))
            if not states.LOGS_WAITS and found:
                columns_of, pokes = schema.poke_columns(self._pokes), {schema.poke_key(*one): one for one in chunk}
                query = select(*columns_of, self._pokes.c.end_date).where(tuple_(*columns_of).in_(pokes))
                for *name, at in self._all(query):
                    found.setdefault(pokes[tuple(name)], []).append(Change(states.BETWEEN_POKES, at))
        return {one: sorted(changes, key=lambda change: change.at) for one, changes in found.items()}

    def at_work(self, keys: Iterable[Key], before: datetime) -> Iterator[tuple[Key, Try]]:
        """Yield the tries of these runs that began before a moment and have not ended."""
        tries = self._tries.c
        begun = and_(tries.state.in_(states.AT_WORK), tries.start_date <= before)
        query = select(*self._columns_of(self._tries)).where(begun)
        for chunk in chunks(keys):
            for row in self._all(query.where(tuple_(tries.dag_id, tries.run_id).in_(chunk))):
                yield (row.dag_id, row.run_id), _try(row)

    def still_running(self, key: Key) -> bool:
        """Return whether a process may still be at work on a task of this run."""
        tries = self._tries.c
        query = select(tries.task_id).where(
            tries.dag_id == key[0], tries.run_id == key[1], tries.state.in_(("running", "restarting"))
        )
        return bool(self._all(query.limit(1)))

    def describe(self, run: Run) -> tuple[str | None, tuple[str, ...]]:
        """Return the owners and the sorted tags of a run's DAG."""
        owners = self._all(select(self._dags.c.owners).where(self._dags.c.dag_id == run.dag_id))
        tags = self._all(select(self._tags.c.name).where(self._tags.c.dag_id == run.dag_id))
        return owners[0].owners if owners else None, tuple(sorted(row.name for row in tags))

    def serialized_dags(self, versions: Iterable[str]) -> dict[str, tuple[Any, bytes | None]]:
        """Return serialized DAGs, plain or compressed, by version (`Try.dag_version_id`), as far as they are there."""
        table, found = self._serialized.c, dict[str, tuple[Any, bytes | None]]()
        column = schema.version_column(table)
        for chunk in chunks(map(schema.version_key, versions)):
            query = select(column.label("version"), table.data, table.data_compressed)
            for row in self._all(query.where(column.in_(chunk))):
                found[str(row.version)] = row.data, row.data_compressed
        return found

    def _select_runs(self, condition: Any) -> list[tuple[int, Run]]:
        runs_of, versions = self._runs, self._versions
        query = select(*schema.columns(runs_of, (*_RUN_COLUMNS, *native.columns()))).where(condition)
        if versions is not None:
            query = query.add_columns(versions.c.version_number).select_from(
                runs_of.outerjoin(versions, runs_of.c.created_dag_version_id == versions.c.id)
            )
        rows = self._all(query)
        parents = self._parents_of(rows)
        return [(row.id, _run(row, parents[row.id, row.run_id])) for row in rows]

    def _parents_of(self, rows: Sequence[Any]) -> dict[tuple[int, str], SpanContext | None]:
        """Return the span outside that each run's conf names; warn, once for a run, of one that cannot be read."""
        keys = [(row.id, row.run_id) for row in rows]
        found = {key: self._parents[key] for key in keys if key in self._parents}
        of = self._runs.c
        part = schema.part_of_conf(of.conf, runs.PARENT_KEY).label("part")
        for chunk in chunks(key[0] for key in keys if key not in found):
            for row in self._all(select(of.id, of.dag_id, of.run_id, part).where(of.id.in_(chunk))):
                found[row.id, row.run_id] = _parent(row)
        for key in keys:
            self._parents[key] = found.setdefault(key, None)  # None: deleted between the two questions
        return found

    def _columns_of(self, tries: Any) -> list[Any]:
        identifier = schema.columns(tries, ["task_instance_id" if tries is self._history else "id"])[0]
        return [identifier.label("ti_id"), *schema.columns(tries, (*_TRY_COLUMNS, *native.columns()))]

    def _tries_where(self, condition: Callable[[Any], Any]) -> Iterator[tuple[Key, Try]]:
        seen: set[tuple[Instance, int]] = set()
        wanted = (*states.FINAL_STATES, states.BETWEEN_POKES)
        for table in (self._history, self._tries):
            query = select(*self._columns_of(table))
            for row in self._all(query.where(condition(table.c), table.c.state.in_(wanted))):
                unique = ((row.dag_id, row.run_id, row.task_id, row.map_index), row.try_number)
                if unique not in seen:
                    seen.add(unique)
                    yield (row.dag_id, row.run_id), _try(row)


def chunks(keys: Iterable[T]) -> Iterator[list[T]]:
    """Yield the keys in lists that one query takes."""
    rest = list(keys)
    for start in range(0, len(rest), _CHUNK):
        yield rest[start : start + _CHUNK]


def text_of(value: Any) -> str | None:
    """Return an enum's value or the string itself."""
    return None if value is None else str(getattr(value, "value", value))


def _parent(row: Any) -> SpanContext | None:
    try:
        return runs.parent_in({runs.PARENT_KEY: schema.value_in_conf(row.part, runs.PARENT_KEY)})
    except runs.MalformedParentError:
        no = "run %s of %s has a trace of its own: %s in its conf is no W3C traceparent"
        _log.warning(no, row.run_id, row.dag_id, runs.PARENT_KEY)
        return None


def _run(row: Any, parent: SpanContext | None) -> Run:
    return Run(
        dag_id=row.dag_id,
        run_id=row.run_id,
        run_type=text_of(row.run_type) or "",
        state=text_of(row.state) or "",
        queued_at=row.queued_at,
        start_date=row.start_date,
        end_date=row.end_date,
        created_at=row.created_at,
        logical_date=row.logical_date,
        run_after=schema.run_after(row),
        clear_number=row.clear_number or 0,
        triggered_by=text_of(schema.triggered_by(row)),
        dag_version=getattr(row, "version_number", None),
        bundle_version=row.bundle_version,
        partition_key=row.partition_key,
        partition_date=row.partition_date,
        number=row.id,
        parent=parent,
        native=native.kept(getattr(row, "context_carrier", None)),
    )


def _try(row: Any) -> Try:
    return Try(
        id=schema.try_id(row),
        task_id=row.task_id,
        map_index=row.map_index,
        try_number=row.try_number,
        max_tries=row.max_tries,
        state=text_of(row.state) or "",
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
        # History rows have the plain index where task_instance has nothing.
        rendered_map_index=None if row.rendered_map_index == str(row.map_index) else row.rendered_map_index,
        changed_at=row.updated_at,
        dag_version_id=text_of(row.dag_version_id),
        native=native.kept(getattr(row, "context_carrier", None)),
    )
