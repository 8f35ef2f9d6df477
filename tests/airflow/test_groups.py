"""The task groups out of a serialized DAG's tree, asked for once per DAG version."""

from __future__ import annotations

from typing import Any

from dagtrace.airflow.groups import Groups, of_tree


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
    assert of_tree(TREE) == {"outer.one": "outer", "outer.inner.two": "outer.inner", "three": "outer.plain"}


def test_no_tree_has_no_groups() -> None:
    """A version that is gone or stored compressed leaves the group out."""
    assert of_tree(None) == {}


def test_a_version_is_asked_for_once_and_not_for_ever() -> None:
    """However many tries a version has it costs one query; of very many versions the oldest are forgotten."""
    asked: list[Any] = []

    def tree_of(version: Any) -> dict[str, Any]:
        asked.append(version)
        return TREE

    groups = Groups(tree_of)
    assert [groups.of("v", "three"), groups.of("v", "top.with_a_dot")] == ["outer.plain", None]
    assert groups.of(None, "three") is None
    assert asked == ["v"]
    for number in range(1000):
        groups.of(number, "three")
    asked.clear()
    assert groups.of("v", "three") == "outer.plain"
    assert asked == ["v"]
