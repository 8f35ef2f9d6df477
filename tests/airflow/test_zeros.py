"""Counters begin at 0: those of open runs at once, all others little by little, each once and not without end."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.airflow import zeros as module
from dagtrace.airflow.zeros import Zeros


if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagtrace.record import Point


class Stored:
    """Stands in for the database: DAGs with one task each, in versions."""

    def __init__(self, *dag_ids: str) -> None:
        self.versions = {dag_id: f"{dag_id}-1" for dag_id in dag_ids}
        self.documents: dict[str, Any] = {f"{dag_id}-1": document("t") for dag_id in dag_ids}
        self.read: list[str] = []

    def newest_versions(self, dag_ids: Iterable[str]) -> dict[str, str]:
        """Return versions."""
        return {dag_id: self.versions[dag_id] for dag_id in dag_ids if dag_id in self.versions}

    def serialized(self, versions: Iterable[str]) -> dict[str, tuple[Any, None]]:
        """Return documents."""
        wanted = list(versions)
        self.read += wanted
        return {version: (self.documents[version], None) for version in wanted}


def document(*tasks: str) -> dict[str, Any]:
    """Return a serialized DAG, with one task as Airflow 2 has it."""
    of_3 = [{"__var": {"task_id": task, "task_type": "Bash"}, "__type": "operator"} for task in tasks]
    return {"dag": {"tasks": [*of_3, {"task_id": "old", "_task_type": "Empty"}]}}


def a_run(dag_id: str, version: int | None = 1, run_type: str = "manual") -> Any:
    """Return an open run."""
    return SimpleNamespace(dag_id=dag_id, dag_version=version, run_type=run_type)


def a_dag(dag_id: str, expected: object = None) -> Any:
    """Return a DAG."""
    return SimpleNamespace(dag_id=dag_id, next_expected=expected)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """Return the list that points are measured into."""
    points: list[Point] = []

    def measure(*new: Point) -> None:
        points.extend(new)

    monkeypatch.setattr(telemetry, "measure", measure)
    return points


def of(points: list[Point], name: str) -> list[tuple[Any, ...]]:
    """Return the attributes of a metric's points, all of which are 0."""
    found = [point for point in points if point.metric.name == name]
    assert {point.value for point in found} <= {0}
    return [tuple(point.attributes.values()) for point in found]


def test_the_counters_of_an_open_run_are_there_before_it_counts(measured: list[Point]) -> None:
    """Run, tries, retries, wasted time and path of each task, by the names that rows will have; and that once."""
    stored = Stored("d")
    zeros = Zeros(stored, stored.serialized)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert zeros.of_runs([a_run("d"), a_run("d")])
    assert not zeros.of_runs([a_run("d"), a_run("d")])
    assert of(measured, "airflow.dag_run.count") == [("d", "manual", "success"), ("d", "manual", "failed")]
    tasks = [("d", "old", "Empty"), ("d", "t", "Bash")]
    assert of(measured, "airflow.task_instance.count") == [
        (*t, state) for t in tasks for state in ("success", "failed")
    ]
    assert of(measured, "airflow.task_instance.retries") == tasks
    assert of(measured, "airflow.task_instance.wasted_time") == tasks
    assert of(measured, "airflow.critical_path.time") == [task[:2] for task in tasks]
    assert of(measured, "airflow.critical_path.waiting_time") == [("d",)]
    assert stored.read == ["d-1"]


def test_another_type_or_version_of_run_has_more(measured: list[Point]) -> None:
    """The first backfill, and a version with a task that is new: what there was is not created again."""
    stored = Stored("d")
    zeros = Zeros(stored, stored.serialized)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    zeros.of_runs([a_run("d")])
    measured.clear()
    stored.versions["d"], stored.documents["d-2"] = "d-2", document("t", "new")
    zeros.of_runs([a_run("d", 2, "backfill")])
    assert of(measured, "airflow.dag_run.count") == [("d", "backfill", "success"), ("d", "backfill", "failed")]
    assert of(measured, "airflow.task_instance.retries") == [("d", "new", "Bash")]


def test_all_other_dags_follow_in_portions(measured: list[Point], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty at a time; when all are read, versions are looked at once a minute."""
    ids = [f"d{number:03}" for number in range(120)]
    stored = Stored(*ids)
    zeros = Zeros(stored, stored.serialized)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    read: list[int] = []
    for _ in range(5):
        zeros.of_dags([a_dag("gone"), *(a_dag(dag_id, "soon") for dag_id in ids)])
        read.append(len(stored.read))
    assert read == [49, 99, 120, 120, 120]
    assert len(of(measured, "airflow.task_instance.retries")) == 240
    assert ("d000", "scheduled", "failed") in of(measured, "airflow.dag_run.count")
    assert ("gone", "scheduled", "failed") not in of(measured, "airflow.dag_run.count")
    stored.versions["d007"], stored.documents["d007-2"] = "d007-2", document("t", "new")
    measured.clear()
    zeros.of_dags([a_dag(dag_id) for dag_id in ids])
    assert measured == []
    monkeypatch.setattr(module, "_FRESH", 0.0)
    zeros.of_dags([a_dag(dag_id) for dag_id in ids])
    assert of(measured, "airflow.task_instance.retries") == [("d007", "new", "Bash")]
    assert len(stored.read) == 121


def test_they_end_somewhere(measured: list[Point], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing is created, and nothing is read for it."""
    monkeypatch.setattr(module, "MOST_TASKS", 3)
    stored = Stored("a", "b", "c", "d")
    zeros = Zeros(stored, stored.serialized)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    zeros.of_runs([a_run("a")])
    zeros.of_runs([a_run("b")])
    zeros.of_runs([a_run("c")])
    assert len(of(measured, "airflow.task_instance.retries")) == 3
    assert stored.read == ["a-1", "b-1"]


def test_a_dag_that_cannot_be_read_costs_its_own(measured: list[Point], monkeypatch: pytest.MonkeyPatch) -> None:
    """One document that is odd: the others' counters are created."""
    import sys

    stored = Stored("a", "b")
    stored.documents["a-1"] = {"odd": True}
    zeros = Zeros(stored, stored.serialized)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    monkeypatch.delitem(sys.modules, "pytest")  # not under pytest: the guard swallows
    zeros.of_runs([a_run("a"), a_run("b")])
    assert of(measured, "airflow.task_instance.retries") == [("b", "old", "Empty"), ("b", "t", "Bash")]
