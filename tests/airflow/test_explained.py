"""Rows of the database into the critical path on a run's span; the path itself is tested beside it."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dagtrace.airflow import explained, facts
from dagtrace.airflow.dag_versions import UNKNOWN, DagVersion
from dagtrace.airflow.facts import Run, Try
from dagtrace.airflow.followed import Followed
from dagtrace.airflow.references import TaskReferences
from dagtrace.semconv import attributes as names


NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
VERSION = DagVersion({}, {"b": TaskReferences(above={"a"}), "c": TaskReferences(above={"a"})})


def at(seconds: float) -> datetime:
    """Return a moment after the run's start."""
    return NOW + timedelta(seconds=seconds)


def a_try(task_id: str, start: float | None, end: float, **changes: Any) -> Try:
    """Return a try of the DAG's version."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("max_tries", "scheduled_at", "queued_at", "operator", "pool", "queue", "executor", "hostname", "pid")
    )
    known: dict[str, Any] = {
        "id": "",
        "task_id": task_id,
        "map_index": -1,
        "try_number": 1,
        "state": "success",
        "dag_version_id": "v",
        "start_date": None if start is None else at(start),
        "end_date": at(end),
    }
    return Try(**{**nothing, **known, **changes})


@pytest.fixture
def followed() -> Followed:
    """Return a run of 30 seconds."""
    nothing: dict[str, Any] = dict.fromkeys(("logical_date", "run_after", "clear_number"))
    moments: dict[str, Any] = {"queued_at": at(-5), "start_date": NOW, "end_date": at(30), "created_at": at(-5)}
    return Followed.begin(Run("d", "r", "manual", "success", **nothing, **moments))


def attributes(followed: Followed, rows: list[Try], version: DagVersion = VERSION) -> dict[str, Any]:
    """Return what is added to the run's span."""
    record = facts.run_span(followed.run)
    path = explained.path(record, followed, rows, {"v": version, None: UNKNOWN})
    more = explained.span(record, path).attributes
    assert more.items() >= record.attributes.items()
    return {name: value for name, value in more.items() if name not in record.attributes}


def test_a_run_says_its_path(followed: Followed) -> None:
    """From the run's start, not from the queue: 1 s to a, 9 of a, 1 to b, 17 of b, 2 to the end; c had 8 s of slack."""
    rows = [a_try("a", 1, 10), a_try("b", 11, 28), a_try("c", 11, 20)]
    assert attributes(followed, rows) == {
        names.AIRFLOW_CRITICAL_PATH_TRIES: ["a", "b"],
        names.AIRFLOW_CRITICAL_PATH_WORKING: 26.0,
        names.AIRFLOW_CRITICAL_PATH_WAITING: 4.0,
        names.AIRFLOW_CRITICAL_PATH_OTHER_TRIES: ["c"],
        names.AIRFLOW_CRITICAL_PATH_OTHER_SLACK: [8.0],
    }


def test_the_first_poke_begins_a_try(followed: Followed) -> None:
    """A sensor's row has its last poke's start only; what was seen of the first one counts."""
    row = a_try("a", 25, 28)
    followed.began(row.span_id(followed.run.who), at(3))
    assert attributes(followed, [row])[names.AIRFLOW_CRITICAL_PATH_WORKING] == 25


def test_a_start_that_only_the_process_knows(followed: Followed) -> None:
    """Airflow 2's ``dag.test()`` stores no start of a task; its process took the time."""
    row = a_try("a", None, 28)
    followed.began(row.span_id(followed.run.who), at(3))
    assert attributes(followed, [row])[names.AIRFLOW_CRITICAL_PATH_WORKING] == 25


def test_only_this_generation_counts(followed: Followed) -> None:
    """Tries that ended before the run was cleared, and those that never ran, are on nobody's path."""
    rows = [a_try("a", -100, -50), a_try("b", 1, 28), a_try("c", None, 28)]
    assert attributes(followed, rows)[names.AIRFLOW_CRITICAL_PATH_TRIES] == ["b"]


@pytest.mark.parametrize("changes", [{"dag_version_id": None}, {}])
def test_without_edges_nothing_is_said(followed: Followed, changes: dict[str, Any]) -> None:
    """Where the DAG's version is gone, the last try is not taken for the whole path."""
    rows = [a_try("a", 1, 10), dataclasses.replace(a_try("b", 11, 28), **changes)]
    assert attributes(followed, rows, UNKNOWN) == {}


def test_many_tries_are_bounded(followed: Followed) -> None:
    """Of a thousand mapped instances the hundred with the least slack are named."""
    rows = [a_try("a", 1, 20 + n / 1000, map_index=n) for n in range(1000)]
    more = attributes(followed, rows)
    assert more[names.AIRFLOW_CRITICAL_PATH_TRIES] == ["a[999]"]
    assert len(more[names.AIRFLOW_CRITICAL_PATH_OTHER_TRIES]) == 100
    assert more[names.AIRFLOW_CRITICAL_PATH_OTHER_TRIES][0] == "a[998]"
    assert more[names.AIRFLOW_CRITICAL_PATH_OTHER_SLACK][0] == 0.001
