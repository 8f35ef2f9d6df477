"""
Asks Airflow's database where things came from: XComs, asset events, triggering tasks, the DAG's own references.

Like `database`, every query goes by an index, and none fetches the value of anybody's XCom: its size and JSON type are
measured where it lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, false, func, or_, select, tuple_

from dagtrace.airflow.compat import schema
from dagtrace.airflow.database import Questions, chunks, text_of


if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

_MOST_ROWS = 5_000
"""Rows of one query."""

_MANY = 200
"""Map indexes that are listed one by one."""

_KINDS = {
    "{": "object",
    "[": "array",
    '"': "string",
    "t": "boolean",
    "f": "boolean",
    "n": "null",
    **dict.fromkeys("-0123456789", "number"),
}
"""JSON types by first character; anything else is no JSON (a pickle of Airflow 2)."""


class XCom(NamedTuple):
    """A row of ``xcom`` without its value, and of the try that pushed it: it is cleared when a try starts."""

    dag_run_id: int
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str
    timestamp: datetime
    position: int
    """Of a mapped task: 0 for the first instance that left this key."""
    try_number: int
    state: str
    start_date: datetime | None
    end_date: datetime | None


class Measure(NamedTuple):
    """What there is to say of a value without saying it."""

    size: int
    type: str | None


class AssetEvent(NamedTuple):
    """An event that a run consumed; which task made it, and when."""

    name: str | None
    uri: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    timestamp: datetime


class SourceTry(NamedTuple):
    """A try that may have made an event."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str
    start_date: datetime | None
    end_date: datetime | None


class Triggered(NamedTuple):
    """A try that triggered a run of this id, and of which DAG, if that is still known."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    triggered_dag_id: str | None
    triggered_run_id: str


class Sources(Questions):
    """The questions; each call is one short transaction."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self._tries, self._history = schema.table("task_instance"), schema.table("task_instance_history")
        self._xcoms, self._rendered = schema.table("xcom"), schema.table("rendered_task_instance_fields")
        self._consumed, self._events, self._assets = map(schema.table, schema.ASSETS)

    def xcoms(self, sources: Iterable[tuple[str, str, str]], indexes: Iterable[int], most: int) -> list[XCom]:
        """
        Return XComs that the tasks of (dag_id, run_id, task_id) left, in the order of their instances.

        Of a mapped task those are the first ``most`` by key, and those for the instances with these map indexes: the
        n-th that is there, and the one of the same index.
        """
        xcoms, tries, near = self._xcoms.c, self._tries.c, sorted(set(indexes))
        key = ("dag_id", "run_id", "task_id", "map_index")
        rank = func.row_number().over(
            partition_by=(xcoms.dag_id, xcoms.run_id, xcoms.task_id, xcoms.key), order_by=xcoms.map_index
        )
        found: list[XCom] = []
        for chunk in chunks(sources):
            columns = (xcoms.dag_run_id, *(xcoms[name] for name in key), xcoms.key, xcoms.timestamp)
            where = tuple_(xcoms.dag_id, xcoms.run_id, xcoms.task_id).in_(chunk)
            left = select(*columns, (rank - 1).label("position")).where(where).subquery()
            query = (
                select(*left.c, *(tries[name] for name in ("try_number", "state", "start_date", "end_date")))
                .select_from(left.join(self._tries, and_(*(left.c[name] == tries[name] for name in key))))
                .where(or_(left.c.position < most, _among(left.c.position, near), _among(left.c.map_index, near)))
                .order_by(left.c.dag_id, left.c.run_id, left.c.task_id, left.c.map_index, left.c.key)
                .limit(_MOST_ROWS)
            )
            found += [XCom(*row)._replace(state=text_of(row.state) or "") for row in self._all(query)]
        return found

    def measure(self, xcoms: Iterable[tuple[int, str, int, str]]) -> dict[tuple[int, str, int, str], Measure]:
        """Return size and type by primary key (run's number, task, map index, key); the values stay where they are."""
        table = self._xcoms.c
        primary = (table.dag_run_id, table.task_id, table.map_index, table.key)
        size, first = (f(table.value, self.engine.dialect.name) for f in (schema.xcom_size, schema.xcom_first))
        query = select(*primary, size.label("size"), first.label("first"))
        found: dict[tuple[int, str, int, str], Measure] = {}
        for chunk in chunks(xcoms):
            for row in self._all(query.where(tuple_(*primary).in_(chunk))):
                measure = Measure(row.size or 0, _KINDS.get(row.first or "n"))
                found[row.dag_run_id, row.task_id, row.map_index, row.key] = measure
        return found

    def asset_events(self, dag_run_id: int, most: int) -> list[AssetEvent]:
        """Return the events of tasks that a run consumed, newest first."""
        events, assets = self._events.c, self._assets.c
        event, run = (self._consumed.c[name] for name in ("event_id", "dag_run_id"))
        query = (
            select(
                assets[schema.ASSET_NAME],
                assets.uri,
                *(events[f"source_{name}"] for name in ("dag_id", "run_id", "task_id", "map_index")),
                events.timestamp,
            )
            .select_from(
                self._consumed.join(self._events, event == events.id).join(
                    self._assets, events[schema.ASSET_ID] == assets.id
                )
            )
            .where(run == dag_run_id, events.source_task_id.is_not(None))
            .order_by(events.timestamp.desc(), events.id.desc())
            .limit(most)
        )
        return [AssetEvent(*row) for row in self._all(query)]

    def tries_of(self, instances: Iterable[tuple[str, str, str, int]]) -> list[SourceTry]:
        """Return every try of these task instances (dag_id, run_id, task_id, map_index)."""
        found: list[SourceTry] = []
        for chunk in chunks(set(instances)):
            for table in (self._history, self._tries):
                columns = table.c
                where = tuple_(columns.dag_id, columns.run_id, columns.task_id, columns.map_index).in_(chunk)
                rows = self._all(select(*(columns[name] for name in SourceTry._fields)).where(where))
                found += [SourceTry(*row)._replace(state=text_of(row.state) or "") for row in rows]
        return found

    def triggered(self, dag_run_ids: Iterable[int], since: datetime) -> list[Triggered]:
        """Return which runs the tasks of these runs triggered: the operator leaves the run's id in an XCom."""
        xcoms, tries, rendered = self._xcoms.c, self._tries.c, self._rendered.c
        key = ("dag_id", "run_id", "task_id", "map_index")
        same = and_(*(xcoms[name] == tries[name] for name in key))
        target = schema.rendered_field(rendered.rendered_fields, "trigger_dag_id").label("target")
        found: list[Triggered] = []
        for chunk in chunks(dag_run_ids):
            query = (
                select(*(xcoms[name] for name in key), tries.try_number, target, xcoms.value)
                .select_from(
                    self._xcoms.join(self._tries, same).outerjoin(
                        self._rendered, and_(*(xcoms[name] == rendered[name] for name in key))
                    )
                )
                .where(xcoms.dag_run_id.in_(chunk), xcoms.key == schema.TRIGGERED_KEY, xcoms.timestamp >= since)
                .limit(_MOST_ROWS)
            )
            found += [Triggered(*row[:6], triggered_run_id=schema.xcom_value(row.value)) for row in self._all(query)]
        return found


def _among(column: Any, indexes: list[int]) -> Any:
    """Return the condition that a column is one of these, or of their range where they are many."""
    if not indexes:
        return false()
    return column.in_(indexes) if len(indexes) <= _MANY else column.between(indexes[0], indexes[-1])
