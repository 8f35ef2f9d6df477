"""
The task group of each task: no row has it, the serialized DAG does.

The task's id does not say it: a dot may be anybody's, and ``prefix_group_id=False`` leaves none. So the scheduler's
reader asks for the tree of groups, and for no more of the serialized DAG, once per DAG version.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REMEMBERED = 500
"""DAG versions whose groups are kept; those of most tasks are none, and cost nothing."""


def of_tree(tree: Mapping[str, Any] | None) -> dict[str, str]:
    """
    Return the innermost group's id by task id, of the tasks that are in one.

    ``tree`` is the serialized DAG's ``task_group``: each group maps its children's ids to pairs of (type, task id) or
    (type, group); the root group is no group of the user's.
    """
    found: dict[str, str] = {}
    groups = [("", tree or {})]
    while groups:
        group_id, group = groups.pop()
        children: Mapping[str, tuple[str, Any]] = group.get("children", {})
        for child_id, (_, child) in children.items():
            if isinstance(child, dict):
                groups.append((child_id, child))  # pyright: ignore[reportUnknownArgumentType]
            elif group_id:
                found[child] = group_id
    return found


class Groups:
    """Remembers the groups of the DAG versions asked for last."""

    def __init__(self, tree_of: Callable[[Any], Mapping[str, Any] | None]) -> None:
        self._tree_of = tree_of
        self._known: OrderedDict[Any, dict[str, str]] = OrderedDict()

    def of(self, dag_version_id: Any, task_id: str) -> str | None:
        """Return the id of the task's group, None at the top level or where the version is not known."""
        if dag_version_id is None:
            return None
        if dag_version_id not in self._known:
            self._known[dag_version_id] = self._load(dag_version_id) or {}
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[dag_version_id].get(task_id)

    @guarded
    def _load(self, dag_version_id: Any) -> dict[str, str]:
        """Ask once; a tree of another shape, or a database that finds no path in JSON, costs the groups only."""
        return of_tree(self._tree_of(dag_version_id))
