"""Pulls: what a task asked for becomes events, bounded, without a value; the caller gets exactly what it would have."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.airflow import pulls
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = {"dag_id": "d", "run_id": "r", "task_id": "t", "key": "k"}


@pytest.fixture(autouse=True)
def new_task() -> Iterator[None]:
    """Begin with nothing pulled."""
    pulls.swap()
    yield
    pulls._pulls.clear()


def told() -> list[dict[str, Any]]:
    """Return the attributes of the events told."""
    return [dict(event.attributes) for event in pulls.events("d", "r") or ()]


def test_what_came_back_is_what_the_caller_gets() -> None:
    """One value, none, all of a mapped task, one by one or asynchronously: nothing is changed or asked for twice."""
    asked: list[str] = []

    def get(value: Any) -> Any:
        def pull(**_: Any) -> Any:
            asked.append("once")
            return value

        return pull

    def later(value: Any) -> Any:
        async def pull(**_: Any) -> Any:
            asked.append("once")
            return value

        return pull

    assert pulls.around_one(get("v"), None, (), {**SOURCE, "map_index": None}) == "v"
    assert pulls.around_one(get(None), None, (), {**SOURCE, "key": "none"}) is None
    assert pulls.around_all(get([1, 2]), None, (), {**SOURCE, "key": "all"}) == [1, 2]
    assert pulls.around_all(get(None), None, (), {**SOURCE, "key": "all none"}) is None
    assert asyncio.run(pulls.around_one_async(later("v"), None, (), {**SOURCE, "map_index": 2})) == "v"
    assert asyncio.run(pulls.around_all_async(later(["v"]), None, (), SOURCE)) == ["v"]
    assert len(asked) == 6
    text = {names.AIRFLOW_TASK_ID: "t", names.AIRFLOW_XCOM_PYTHON_TYPE: "str"}
    assert told() == [
        {**text, names.AIRFLOW_XCOM_KEY: "k", names.AIRFLOW_XCOM_COUNT: 2},
        {names.AIRFLOW_TASK_ID: "t", names.AIRFLOW_XCOM_KEY: "none", names.AIRFLOW_XCOM_COUNT: 0},
        {**text, names.AIRFLOW_XCOM_KEY: "all", names.AIRFLOW_XCOM_COUNT: 2, names.AIRFLOW_XCOM_PYTHON_TYPE: "int"},
        {names.AIRFLOW_TASK_ID: "t", names.AIRFLOW_XCOM_KEY: "all none", names.AIRFLOW_XCOM_COUNT: 0},
        {**text, names.AIRFLOW_XCOM_KEY: "k", names.AIRFLOW_XCOM_COUNT: 1, names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: 2},
    ]


def test_another_run_is_named() -> None:
    """A pull from another DAG or run says which."""
    pulls._note({**SOURCE, "run_id": "old"}, "v")
    (event,) = told()
    assert (event[names.AIRFLOW_DAG_ID], event[names.AIRFLOW_DAG_RUN_RUN_ID]) == ("d", "old")


def test_thousands_of_pulls_are_few_events() -> None:
    """Items of one sequence count up; different XComs are kept to a bound."""
    for i in range(1000):
        pulls._note(SOURCE, i)
        pulls._note({**SOURCE, "map_index": i}, i)
    events = told()
    assert events[0][names.AIRFLOW_XCOM_COUNT] == 1000
    assert len(events) == pulls._MOST


def test_a_failing_pull_fails_as_it_would() -> None:
    """The exception is the user's; nothing was pulled."""

    def fails(**_: Any) -> Any:
        raise TypeError("no comms")

    with pytest.raises(TypeError, match="no comms"):
        pulls.around_one(fails, None, (), SOURCE)
    assert told() == []


def test_the_next_task_begins_with_nothing() -> None:
    """``dag.test()`` runs many tasks in one process."""
    pulls._note(SOURCE, "v")
    pulls.swap()
    assert told() == []
