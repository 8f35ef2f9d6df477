"""
Airflow's tables, as far as their names, columns and contents differ between versions.

Queries are written for 3.3's; what an earlier one has under another name, in another form or not at all is said here.
"""

from __future__ import annotations

import importlib
import json
import zlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dagtrace.airflow.compat import TASK_SDK, VERSION
from dagtrace.airflow.compat.states import TEST_TRIGGER


if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from dagtrace.airflow.facts import Try


def engine() -> Any:
    """Return Airflow's own SQLAlchemy engine, or None before Airflow has one."""
    return getattr(importlib.import_module("airflow.settings"), "engine", None)


def table(name: str) -> Any:
    """Return one of Airflow's tables by its name in the database, or None where this version has none such."""
    try:
        importlib.import_module(f"airflow.models.{_MODELS[name]}")
    except ImportError:
        return None
    base: Any = importlib.import_module("airflow.models.base")
    return base.Base.metadata.tables[name]


_MODELS = {
    "asset": "asset",
    "asset_event": "asset",
    "dagrun_asset_event": "asset",
    "dataset": "dataset",
    "dataset_event": "dataset",
    "dagrun_dataset_event": "dataset",
    "rendered_task_instance_fields": "renderedtifields",
    "xcom": "xcom",
    "dag": "dag",
    "dag_run": "dagrun",
    "dag_tag": "dag",
    "dag_version": "dag_version",
    "deadline": "deadline",
    "slot_pool": "pool",
    "serialized_dag": "serialized_dag",
    "log": "log",
    "task_instance": "taskinstance",
    "task_instance_history": "taskinstancehistory",
    "task_reschedule": "taskreschedule",
}


def columns(table: Any, names: Iterable[str]) -> list[Any]:
    """Return a table's columns by their names in 3.3; those it has under another name or not at all, so labelled."""
    from sqlalchemy import null

    found: list[Any] = []
    for name in names:
        before = table.c.get(_BEFORE_3.get(name, name))
        found.append(table.c.get(name, null() if before is None else before).label(name))
    return found


_BEFORE_3 = {"logical_date": "execution_date", "dag_version_id": "dag_id", "run_after": "data_interval_end"}


def triggered_by(row: Any) -> str | None:
    """
    Return who made a run.

    Airflow 2 does not say, but there only ``dag.test()`` makes manual runs that are not triggered from outside.
    """
    if TASK_SDK:
        return row.triggered_by
    return TEST_TRIGGER if row.run_type == "manual" and not row.external_trigger else None


def run_after(row: Any) -> Any:
    """Return when a run may start: in 2.x a scheduled one when its data interval is over; of others it does not say."""
    return row.run_after if TASK_SDK or row.run_type == "scheduled" else None


def try_id(row: Any) -> str:
    """Return the id of a row's try; in 2.x, where a try has none, an empty string."""
    return str(row.ti_id) if TASK_SDK else ""


def scheduled_at(tries: Any) -> Any:
    """Return the column that says when a try that is scheduled became so; 2.x keeps when the row last changed."""
    return tries.c.scheduled_dttm if TASK_SDK else tries.c.updated_at


def poke_columns(pokes: Any) -> tuple[Any, ...]:
    """Return the columns of ``task_reschedule`` that ``poke_key`` gives."""
    if TASK_SDK:
        return (pokes.c.ti_id,)
    return tuple(pokes.c[name] for name in ("dag_id", "run_id", "task_id", "map_index", "try_number"))


def finds_pokes(pokes: Any) -> bool:
    """Return whether they have an index: 3.0 has none, and a scan of the whole table each second is not worth it."""
    return not TASK_SDK or any(index.columns.keys()[0] == "ti_id" for index in pokes.indexes)


def poke_key(key: tuple[str, str], row: Try) -> tuple[Any, ...]:
    """Return the name of a try in ``task_reschedule``, whose ids are text before 3.2."""
    if TASK_SDK:
        return (UUID(row.id) if VERSION >= (3, 2) else row.id,)
    return (*key, row.task_id, row.map_index, row.try_number)


def part_of_conf(column: Any, key: str) -> Any:
    """Return the expression for one key of ``dag_run.conf``: the rest is not ours to read. In 2.x it is a pickle."""
    return column[key] if TASK_SDK else column


def value_in_conf(part: Any, key: str) -> Any:
    """Return the value of a key from what ``part_of_conf`` gave."""
    return part if TASK_SDK or not isinstance(part, dict) else part.get(key)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


VERSIONED = TASK_SDK
"""Whether a DAG's versions are kept; where not, its id stands for the only one there is."""


def version_column(serialized: Any) -> Any:
    """Return the column of ``serialized_dag`` that says which version it is of: in 2.x there is one, of the DAG."""
    return serialized.dag_version_id if TASK_SDK else serialized.dag_id


def version_key(version: str) -> Any:
    """Return a DAG version as that column has it."""
    return UUID(version) if TASK_SDK else version


TASK_GROUP = "task_group" if TASK_SDK else "_task_group"
"""Key of the tree of task groups in a serialized DAG."""

_ASSET = "asset" if TASK_SDK else "dataset"

ASSETS = (f"dagrun_{_ASSET}_event", f"{_ASSET}_event", _ASSET)
"""Tables: which run consumed which event, the events, and what they are of."""

ASSET_ID, ASSET_NAME = f"{_ASSET}_id", "name" if TASK_SDK else "uri"
"""Columns: of an event, which asset it is of; of an asset, its name."""

ASSET_TRIGGERED = ("asset_triggered", "dataset_triggered")
"""Types of the runs that consume events; no others do, also not manual runs of the same DAG."""

TRIGGERED_KEY = "trigger_run_id"
"""Key of the XCom in which ``TriggerDagRunOperator`` leaves the id of the run that it made."""

INTERNAL_KEYS = ("skipmixin_key", TRIGGERED_KEY)
"""Keys of XComs that Airflow's own code leaves for itself; so are all that begin with ``_link_``."""


def may_be_triggered(run_type: str, triggered_by: str | None) -> bool:
    """Return whether a task may have made the run; Airflow 2 does not say, there every manual run may be one."""
    return triggered_by == "operator" or (triggered_by is None and run_type in ("manual", "operator_triggered"))


def serialized_dag(data: Any, compressed: bytes | None) -> Any:
    """Return a serialized DAG as plain data (``[core] compress_serialized_dags``)."""
    return json.loads(zlib.decompress(compressed)) if compressed else data


def _is_binary(column: Any) -> bool:
    """Return whether a column holds bytes; SQLAlchemy 1.4 wraps a type that differs by dialect."""
    import sqlalchemy as sa

    return isinstance(getattr(column.type, "impl", column.type), sa.LargeBinary)


def xcom_size(value: Any, dialect: str) -> Any:
    """Return the expression for the bytes of an XCom as the database has it: text of JSON (Airflow 2: bytes of it)."""
    import sqlalchemy as sa

    if _is_binary(value):
        return sa.func.octet_length(value) if dialect == "postgresql" else sa.func.length(value)
    if dialect == "postgresql":
        return sa.func.octet_length(sa.cast(value, sa.Text))
    return sa.func.length(sa.cast(value, sa.LargeBinary if dialect == "sqlite" else sa.CHAR))


def xcom_first(value: Any, dialect: str) -> Any:
    """Return the expression for the first character of an XCom's JSON, which tells its type."""
    import sqlalchemy as sa

    if _is_binary(value):
        first = sa.func.substr(value, 1, 1)
        return sa.func.encode(first, "escape") if dialect == "postgresql" else sa.cast(first, sa.CHAR)
    return sa.func.substr(sa.cast(value, sa.CHAR if dialect == "mysql" else sa.Text), 1, 1)


def xcom_value(value: Any) -> str:
    """Return a small XCom of Airflow's own as text (Airflow 2: the column holds bytes of JSON)."""
    return str(json.loads(value) if isinstance(value, bytes) else value)


def rendered_field(column: Any, name: str) -> Any:
    """Return the expression for one rendered template field of a task, as text."""
    import sqlalchemy as sa

    return sa.type_coerce(column, sa.JSON)[name].as_string()


def is_there(dags: Any) -> Any:
    """Return the condition that a row of ``dag`` is of a DAG that Airflow has (2.x: and no subdag)."""
    from sqlalchemy import and_, false, true

    return dags.c.is_stale == false() if TASK_SDK else and_(dags.c.is_active == true(), dags.c.is_subdag == false())


SCHEDULE = "timetable_summary" if TASK_SDK else "schedule_interval"
"""Column of ``dag`` that says its schedule; in 2.x it may be a timedelta."""


def next_expected(row: Any) -> datetime | None:
    """
    Return when the timetable wants a DAG's next run, from its row of ``dag``.

    Before 3.2 the scheduler empties that while ``max_active_runs`` are at work, and leaves the data interval of the
    last: the next one is taken to be as long.
    """
    end, start = row.next_dagrun_data_interval_end, row.next_dagrun_data_interval_start
    if row.next_dagrun_create_after is None and end is not None and start is not None and end > start:
        return end + (end - start)
    return row.next_dagrun_create_after


def deadlines() -> Any:
    """Return the table of deadlines, or None where runs have none (before 3.1)."""
    return table("deadline") if VERSION >= (3, 1) else None


def is_missed(deadlines: Any) -> Any:
    """Return the condition that a deadline was missed; 3.1 only says whether its callback has begun."""
    from sqlalchemy import true

    missed = deadlines.c.get("missed")
    return deadlines.c.callback_state.isnot(None) if missed is None else missed == true()


def is_ahead(deadlines: Any) -> Any:
    """Return the condition that a deadline was not missed so far."""
    from sqlalchemy import false

    missed = deadlines.c.get("missed")
    return deadlines.c.callback_state.is_(None) if missed is None else missed == false()


TASK_TYPE = ("task_type", "_task_type")
"""Keys of the operator's class in a serialized task: of 3.x, and of 2.x."""
