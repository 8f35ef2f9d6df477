"""
Creates the counters of runs and tries at 0: of a counter that begins at 1, ``increase()`` does not see the 1.

What tasks there are is in the serialized DAGs. The DAGs of open runs are read at once, since only they can fail; all
others little by little.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.airflow import measurements
from dagtrace.airflow.compat import schema
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dagtrace.airflow.facts import Run
    from dagtrace.airflow.standings import Dag, Standings

MOST_TASKS = 2_500
"""
Tasks whose counters are created: half of the series a metric may have. Those beyond begin with their first count, and
leave room for what really happens.
"""

_AT_ONCE = 50
"""DAGs read in one look that nobody waits for: some 2 MB of JSON, and 50 ms of CPU."""

_FRESH = 60.0
"""Seconds between two looks for new versions of DAGs."""


class Zeros:
    """Remembers what it has created; ``read`` gives serialized DAGs by version."""

    def __init__(
        self, standings: Standings, read: Callable[[Iterable[str]], Mapping[str, tuple[Any, bytes | None]]]
    ) -> None:
        self._standings, self._read = standings, read
        self._ran: set[tuple[str, int | None]] = set()
        """DAGs, with the number of the version (none in Airflow 2), of which an open run was seen."""
        self._types: set[tuple[str, str]] = set()
        self._tasks: set[tuple[str, str, str]] = set()
        self._versions: dict[str, str] = {}
        """By DAG, the version that was read last."""
        self._looked = float("-inf")

    def of_runs(self, runs: Iterable[Run]) -> bool:
        """Create the counters of open runs and of their tasks; return whether any is new."""
        before = len(self._types), len(self._tasks)
        new: set[tuple[str, int | None]] = set()
        for run in runs:
            self._type(run.dag_id, run.run_type)
            new.add((run.dag_id, run.dag_version))
        new -= self._ran
        if new:
            self._read_versions(self._standings.newest_versions({dag_id for dag_id, _ in new}))
            self._ran |= new
        return (len(self._types), len(self._tasks)) != before

    def of_dags(self, dags: Iterable[Dag]) -> None:
        """Create those of all DAGs, some more at each call, and look for new versions once a minute."""
        ids: list[str] = []
        for dag in dags:
            self._type(dag.dag_id, "manual")
            if dag.next_expected is not None:
                self._type(dag.dag_id, "scheduled")
            ids.append(dag.dag_id)
        unread = [dag_id for dag_id in ids if dag_id not in self._versions]
        if not unread and time.monotonic() - self._looked < _FRESH:
            return
        versions = self._standings.newest_versions(unread[:_AT_ONCE] or ids)
        if not unread:
            self._looked = time.monotonic()
            versions = {dag_id: one for dag_id, one in versions.items() if self._versions[dag_id] != one}
        self._read_versions(dict(list(versions.items())[:_AT_ONCE]))
        self._versions.update((dag_id, "") for dag_id in unread[:_AT_ONCE] if dag_id not in versions)

    def _type(self, dag_id: str, run_type: str) -> None:
        if (dag_id, run_type) not in self._types:
            self._types.add((dag_id, run_type))
            telemetry.measure(*measurements.nothing_of_runs(dag_id, run_type))

    def _read_versions(self, versions: Mapping[str, str]) -> None:
        stored: Mapping[str, tuple[Any, bytes | None]] = {}
        if len(self._tasks) < MOST_TASKS:
            stored = self._read(versions.values())
        for dag_id, version in versions.items():
            self._versions[dag_id] = version
            if version in stored:
                with guard("reading a serialized DAG"):
                    self._create({(dag_id, *task) for task in operators_of(schema.serialized_dag(*stored[version]))})

    def _create(self, tasks: set[tuple[str, str, str]]) -> None:
        for task in sorted(tasks - self._tasks)[: MOST_TASKS - len(self._tasks)]:
            self._tasks.add(task)
            telemetry.measure(*measurements.nothing_of_tries(*task))


def operators_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the id of each task of a serialized DAG and its operator, as ``task_instance.operator`` names it."""
    for entry in document["dag"]["tasks"]:
        task: Mapping[str, Any] = entry.get("__var", entry)
        yield task["task_id"], next((task[key] for key in schema.TASK_TYPE if key in task), "")
