"""
What a task process really pulled: every XCom that arguments, templates or the user's code asked for.

It becomes events of ``execute``, never with a value. Which try an XCom is of nobody tells a task process (Airflow 3's
Execution API does not say): the links are drawn by the scheduler's reader, see docs/adr/0003.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagtrace.airflow import compat
from dagtrace.airflow.failures import qualified_name
from dagtrace.record import Event, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST = 128
"""Different XComs that are kept: a task may pull from thousands of mapped instances."""

_Source = tuple[str, str, str, "int | None", str]
"""dag_id, run_id, task_id, map index (None: all of them) and key."""


@dataclass
class _Pull:
    """How often one XCom was pulled, and what came the first time."""

    time_ns: int
    count: int | None = 0
    """None where it is not known: values that are fetched as they are needed."""
    python_type: str | None = None


Pulls = dict[_Source, _Pull]

_pulls: Pulls = {}
"""Of the task that this process is at."""


def swap(pulled: Pulls | None = None) -> Pulls:
    """Begin a task, before its arguments are resolved, or go on with one; return what was pulled for the other."""
    global _pulls
    before, _pulls = _pulls, {} if pulled is None else pulled
    return before


def around_one(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``BaseXCom.get_one``; its arguments are keywords."""
    value = wrapped(*args, **kwargs)
    _note(kwargs, value)
    return value


def around_all(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``BaseXCom.get_all``, which gives a list or None."""
    values = wrapped(*args, **kwargs)
    _note_all(kwargs, values)
    return values


async def around_one_async(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap ``BaseXCom.aget_one``."""
    value = await wrapped(*args, **kwargs)
    _note(kwargs, value)
    return value


async def around_all_async(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap ``BaseXCom.aget_all``."""
    values = await wrapped(*args, **kwargs)
    _note_all(kwargs, values)
    return values


def around_item(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``LazyXComSequence.__getitem__``: values of a mapped task, pulled one by one or by slice."""
    result = wrapped(*args, **kwargs)
    _note_item(instance, args, result)
    return result


def around_pull(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 2's ``TaskInstance.xcom_pull(task_ids, dag_id, key, …)``."""
    value = wrapped(*args, **kwargs)
    _note_pull(instance, dict(zip(("task_ids", "dag_id", "key"), args, strict=False)) | kwargs, value)
    return value


@guarded
def _note_pull(ti: Any, given: dict[str, Any], value: Any) -> None:
    tasks = given.get("task_ids") or ()
    one = isinstance(tasks, str)
    for task_id in (tasks,) if one else tasks:
        source = {"dag_id": given.get("dag_id") or ti.dag_id, "run_id": ti.run_id, "task_id": task_id}
        source["key"] = given.get("key") or "return_value"
        if not one or compat.is_lazy(value):
            _count(source, None, None)  # counting them would be a query
        else:
            _count(source, given.get("map_indexes"), () if value is None or value is given.get("default") else (value,))


@guarded
def _note(source: dict[str, Any], value: Any) -> None:
    _count(source, source.get("map_index"), () if value is None else (value,))


@guarded
def _note_all(source: dict[str, Any], values: Sequence[Any] | None) -> None:
    _count(source, None, () if values is None else values)


@guarded
def _note_item(sequence: Any, args: tuple[Any, ...], result: Any) -> None:
    task, ti = sequence._xcom_arg.operator, sequence._ti
    source = {"dag_id": task.dag_id, "run_id": ti.run_id, "task_id": task.task_id, "key": sequence._xcom_arg.key}
    _count(source, None, result if isinstance(args[0], slice) else (result,))


def _count(source: dict[str, Any], map_index: int | None, values: Sequence[Any] | None) -> None:
    key = (source["dag_id"], source["run_id"], source["task_id"], map_index, source["key"])
    pull = _pulls.get(key)
    if pull is None:
        if len(_pulls) >= _MOST:
            return
        pull = _pulls[key] = _Pull(time.time_ns())
    if values is None:
        pull.count = None
        return
    pull.count = (pull.count or 0) + len(values)
    if pull.python_type is None and len(values):
        first: object = values[0]
        pull.python_type = qualified_name(type(first))


@guarded
def events(dag_id: str, run_id: str) -> list[Event]:
    """Return what this process has pulled for its task, in the order of the first time."""
    return [_event(source, pull, dag_id, run_id) for source, pull in list(_pulls.items())]


def _event(source: _Source, pull: _Pull, dag_id: str, run_id: str) -> Event:
    of_dag, of_run, task_id, map_index, key = source
    found: dict[str, Value] = {names.AIRFLOW_TASK_ID: task_id, names.AIRFLOW_XCOM_KEY: key}
    if pull.count is not None:
        found[names.AIRFLOW_XCOM_COUNT] = pull.count
    if map_index is not None and map_index >= 0:
        found[names.AIRFLOW_TASK_INSTANCE_MAP_INDEX] = map_index
    if pull.python_type is not None:
        found[names.AIRFLOW_XCOM_PYTHON_TYPE] = pull.python_type
    if (of_dag, of_run) != (dag_id, run_id):
        found |= {names.AIRFLOW_DAG_ID: of_dag, names.AIRFLOW_DAG_RUN_RUN_ID: of_run}
    return Event("xcom_pull", pull.time_ns, found)
