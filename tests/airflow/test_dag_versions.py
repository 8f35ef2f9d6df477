"""What the versions of DAGs say of their tasks, each read once."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from dagtrace.airflow import dag_versions
from dagtrace.airflow.compat import schema
from dagtrace.airflow.dag_versions import UNKNOWN, DagVersions, groups_of


if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

TREE: dict[str, Any] = {
    "_group_id": None,
    "children": {
        "top.with_a_dot": ["operator", "top.with_a_dot"],
        "outer": [
            "taskgroup",
            {
                "_group_id": "outer",
                "children": {
                    "outer.one": ["operator", "outer.one"],
                    "outer.inner": [
                        "taskgroup",
                        {"_group_id": "inner", "children": {"outer.inner.two": ["operator", "outer.inner.two"]}},
                    ],
                    "outer.plain": [
                        "taskgroup",
                        {"_group_id": "plain", "prefix_group_id": False, "children": {"three": ["operator", "three"]}},
                    ],
                },
            },
        ],
    },
}


def test_the_innermost_group_counts() -> None:
    """Nested and unprefixed groups are found by the tree, never by dots in a task's id; the top level is no group."""
    assert groups_of(TREE) == {"outer.one": "outer", "outer.inner.two": "outer.inner", "three": "outer.plain"}


def test_no_tree_has_no_groups() -> None:
    """A version that is gone or stored compressed leaves the group out."""
    assert groups_of(None) == {}


class Documents:
    """Serialized DAGs, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    def read(self, versions: Iterable[str]) -> dict[str, Any]:
        """Return the same DAG for every version but two: one is gone, one is no DAG."""
        self.asked += versions
        above = {"task_id": "above", "downstream_task_ids": ["three"]}
        document = {"dag": {"dag_id": "d", schema.TASK_GROUP: TREE, "tasks": [above, {"task_id": "three"}]}}
        if self.fails:
            raise OSError("the database is gone")
        return {v: ({} if v == "odd" else document, None) for v in self.asked if v != "gone"}


def test_a_version_is_read_once_and_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tries a version has it costs one query; of very many versions the longest unused are forgotten."""
    monkeypatch.setattr(dag_versions, "_MOST", 3)
    documents = Documents()
    versions = DagVersions(documents.read)
    for _ in range(2):
        found = versions.of(["v", None, "v"])
        assert found["v"].groups == {"outer.one": "outer", "outer.inner.two": "outer.inner", "three": "outer.plain"}
        assert {task_id: task.sources for task_id, task in found["v"].references.items()} == {"three": {"above"}}
        assert found[None] == UNKNOWN
    assert documents.asked == ["v"]
    for number in range(4):
        versions.of(["v", f"v{number}"])
    assert documents.asked == ["v", "v0", "v1", "v2", "v3"]
    versions.of(["v0"])
    assert documents.asked[-1] == "v0"


def test_a_version_that_cannot_be_read_says_nothing(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; it is not tried again at each try, and the others are read all the same."""
    documents = Documents()
    versions = DagVersions(documents.read)
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "pytest")  # not under pytest: the guard swallows
        for _ in range(2):
            found = versions.of(["v", "odd", "gone"])
            assert (found["odd"], found["gone"], len(found["v"].groups)) == (UNKNOWN, UNKNOWN, 3)
    assert documents.asked == ["gone", "odd", "v"]
    assert caplog.text.count("failed") == 1


def test_a_database_that_did_not_answer_is_asked_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection costs the tries of one look their groups and links, and no others."""
    documents = Documents()
    versions = DagVersions(documents.read)
    documents.fails = True
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "pytest")
        assert versions.of(["v", None]) == {"v": UNKNOWN, None: UNKNOWN}
    documents.fails = False
    assert len(versions.of(["v"])["v"].groups) == 3


def test_where_there_are_no_versions_a_dag_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Airflow 2 the DAG's id stands for its only version: it is read again after a minute."""
    monkeypatch.setattr(schema, "VERSIONED", False)
    documents = Documents()
    versions = DagVersions(documents.read)
    versions.of(["d"])
    versions.of(["d"])
    assert documents.asked == ["d"]
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    versions.of(["d"])
    assert documents.asked == ["d", "d"]
