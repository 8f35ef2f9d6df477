"""
What the versions of DAGs say of their tasks that no row says: the task group, and the XComs that arguments name.

A task's id does not tell its group: a dot may be anybody's, and ``prefix_group_id=False`` leaves none. Both are in the
serialized DAG, which the scheduler's reader asks for once per version.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace.airflow.compat import schema
from dagtrace.airflow.references import TaskReferences, references
from dagtrace.airflow.remembered import Remembered
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_MOST = 1_000
"""Versions remembered."""

_FRESH = 60.0
"""Seconds within which a DAG of Airflow 2, which has no versions, is taken not to have changed."""


class DagVersion(NamedTuple):
    """One version's groups by task id, of the tasks that are in one; and references, of those that have any."""

    groups: Mapping[str, str]
    references: Mapping[str, TaskReferences]


UNKNOWN = DagVersion({}, {})
"""A version that is gone, or that cannot be read: that costs groups and links only."""


class DagVersions:
    """Remembers the versions asked for last; ``read`` gives serialized DAGs (data, compressed data) by version."""

    def __init__(self, read: Callable[[Iterable[str]], Mapping[str, tuple[Any, bytes | None]]]) -> None:
        self._read = read
        self._known: Remembered[str, DagVersion] = Remembered(_MOST)
        self._emptied = time.monotonic()

    def of(self, versions: Iterable[str | None]) -> dict[str | None, DagVersion]:
        """Return these versions; each is read once, together with the others that are new."""
        if not schema.VERSIONED and time.monotonic() - self._emptied > _FRESH:
            self._known.clear()
            self._emptied = time.monotonic()
        wanted = {version for version in versions if version is not None}
        found = {version: self._known[version] for version in wanted if version in self._known}
        new = sorted(wanted - found.keys())
        stored = self._stored(new)
        if stored is None:  # the database did not answer: ask again for the next tries
            return {**dict.fromkeys(wanted, UNKNOWN), **found, None: UNKNOWN}
        found.update((version, self._version(stored.get(version)) or UNKNOWN) for version in new)
        for version in sorted(wanted):
            self._known[version] = found[version]
        return {**found, None: UNKNOWN}

    @guarded
    def _stored(self, versions: list[str]) -> Mapping[str, Any]:
        return self._read(versions) if versions else {}

    @guarded
    def _version(self, stored: Any) -> DagVersion:
        if stored is None:
            return UNKNOWN
        document = schema.serialized_dag(*stored)
        named = references(document)
        return DagVersion(
            groups_of(document["dag"].get(schema.TASK_GROUP)),
            {task_id: task for task_id, task in named.items() if task.sources},
        )


def groups_of(tree: Mapping[str, Any] | None) -> dict[str, str]:
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
