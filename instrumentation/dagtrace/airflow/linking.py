"""
Links from a try to the tries its XComs came from, and from a run to what made it. In the reader's thread only.

What is linked is what Airflow's database says. A task's arguments and templates name XComs, which are pulled whenever
it runs; of a task that only comes directly after another, the link says that (``airflow.xcom.referenced`` is false),
and the events of its ``execute`` span say what was really pulled. See docs/adr/0003.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from dagtrace.airflow import facts
from dagtrace.airflow.compat import schema, states
from dagtrace.airflow.references import Reference, TaskReferences
from dagtrace.airflow.remembered import Remembered
from dagtrace.masking import redact
from dagtrace.options import options
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dagtrace.airflow.dag_versions import DagVersion
    from dagtrace.airflow.database import Database, Key
    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.airflow.sources import Measure, Sources, XCom
    from dagtrace.record import Link, Value

    Generation = Callable[[facts.Run, datetime | None], RunIdentity | None]
    """Which generation of a run a try belongs to that ended at a time; None where that is not known any more."""

_MEASURES = 10_000
"""XComs whose size is remembered: measuring one reads it, within the database."""

_SEEKING = timedelta(seconds=60)
"""How long it may take until a triggering task has left the id of the run it made."""


class Linker:
    """Makes links; what it remembers is bounded, and of runs only while they are open."""

    def __init__(self, sources: Sources, database: Database, generation: Generation) -> None:
        self._sources = sources
        self._database = database
        self._generation = generation
        self._measures: Remembered[tuple[Any, ...], Measure] = Remembered(_MEASURES)
        self._triggers: dict[Key, Link] = {}
        self._asked: set[Key] = set()

    def of_tries(
        self, new: Iterable[tuple[facts.Run, facts.Try]], versions: Mapping[str | None, DagVersion]
    ) -> dict[int, list[Link]]:
        """Return links by span id, of the tries that ran and whose tasks may have pulled XComs."""
        pulling: list[tuple[facts.Run, facts.Try, TaskReferences]] = []
        for run, row in new:
            task = versions[row.dag_version_id].references.get(row.task_id) if _ran(row) else None
            if task is not None:
                pulling.append((run, row, task))
        wanted = {(run.dag_id, run.run_id, source) for run, _, task in pulling for source in task.sources}
        left: defaultdict[tuple[str, str, str], list[XCom]] = defaultdict(list)
        instances = {row.map_index for _, row, _ in pulling if row.map_index >= 0}
        for xcom in self._sources.xcoms(sorted(wanted), instances, facts.MOST_LINKS):
            left[xcom.dag_id, xcom.run_id, xcom.task_id].append(xcom)
        chosen: dict[int, list[tuple[XCom, RunIdentity, bool]]] = {}
        for run, row, task in pulling:
            there = {source: left[run.dag_id, run.run_id, source] for source in task.sources}
            chosen[row.span_id(run.who)] = list(self._choose(run, row, task, there))[: facts.MOST_LINKS]
        measures = self._measured([xcom for links in chosen.values() for xcom, _, _ in links])
        return {
            span_id: [_xcom_link(*link, measures.get(_identity(link[0]))) for link in links]
            for span_id, links in chosen.items()
        }

    def _choose(
        self, run: facts.Run, row: facts.Try, task: TaskReferences, there: Mapping[str, list[XCom]]
    ) -> Iterator[tuple[XCom, RunIdentity, bool]]:
        """Yield the XComs a try pulled or may have, those that the DAG names first."""
        for reference in sorted(task.named, key=lambda r: (r.task_id, r.key)):
            found = [xcom for xcom in there[reference.task_id] if xcom.key == reference.key]
            for xcom in _of_instance(found, row, task, reference):
                yield from self._whose(run, row, xcom, named=True)
        # Where the DAG names some XComs of a task, those are the ones it passes on.
        for source in sorted(task.above - {reference.task_id for reference in task.named}):
            found = [xcom for xcom in there[source] if not _is_internal(xcom.key)]
            for xcom in _of_instance(found, row, task, Reference(source)):
                yield from self._whose(run, row, xcom, named=False)

    def _whose(
        self, run: facts.Run, row: facts.Try, xcom: XCom, *, named: bool
    ) -> Iterator[tuple[XCom, RunIdentity, bool]]:
        """Yield the XCom with the generation of the try that left it, if that try ended before this one pulled."""
        over = xcom.state in states.FINAL_STATES and xcom.start_date is not None
        if over and (row.end_date is None or xcom.start_date <= row.end_date):  # type: ignore[operator]
            who = self._generation(run, xcom.end_date)
            if who is not None:
                yield xcom, who, named

    def _measured(self, xcoms: list[XCom]) -> dict[tuple[Any, ...], Measure]:
        wanted = {_identity(xcom): xcom for xcom in xcoms}
        found = {identity: self._measures[identity] for identity in wanted if identity in self._measures}
        new = {(x.dag_run_id, x.task_id, x.map_index, x.key): key for key, x in wanted.items() if key not in found}
        if new:
            measured = self._sources.measure(new)
            found.update((new[primary], measure) for primary, measure in measured.items() if primary in new)
        for identity, measure in found.items():
            self._measures[identity] = measure
        return found

    def seek(self, open_runs: Mapping[Key, facts.Run]) -> None:
        """
        Look for the tasks that triggered the runs which have just begun.

        The id of a run lies in an XCom of the task that made it, whose own run is open then. Asked while it is: there
        is no index that would find it later.
        """
        now = datetime.now(timezone.utc)
        waiting: dict[str, list[Key]] = {}
        since = now
        for key, run in open_runs.items():
            begun = run.queued_at or run.created_at
            if key in self._triggers or begun is None or not schema.may_be_triggered(run.run_type, run.triggered_by):
                continue
            if key not in self._asked or now - begun < _SEEKING:
                waiting.setdefault(run.run_id, []).append(key)
                since = min(since, begun - _SEEKING)
        if not waiting:
            return
        self._asked.update(key for keys in waiting.values() for key in keys)
        for found in self._sources.triggered([run.number for run in open_runs.values()], since):
            candidates = waiting.get(found.triggered_run_id, [])
            if found.triggered_dag_id is not None:
                candidates = [key for key in candidates if key[0] == found.triggered_dag_id]
            parent = open_runs.get((found.dag_id, found.run_id))
            if len(candidates) == 1 and parent is not None:
                self._triggers[candidates[0]] = facts.link(
                    parent.who, facts.TRIGGER, (found.task_id, found.map_index, found.try_number), _of(found)
                )

    def of_run(self, run: facts.Run) -> list[Link]:
        """Return the links of a finished run: who triggered it, or which tries made the events it consumed."""
        trigger = self._triggers.get((run.dag_id, run.run_id))
        self.forget((run.dag_id, run.run_id))
        if trigger is not None:
            return [trigger]
        return self._asset_links(run.number) if run.run_type in schema.ASSET_TRIGGERED else []

    def forget(self, key: Key) -> None:
        """Forget a run that is over or was deleted."""
        self._triggers.pop(key, None)
        self._asked.discard(key)

    def _asset_links(self, dag_run_id: int) -> list[Link]:
        events = [e for e in self._sources.asset_events(dag_run_id, facts.MOST_LINKS) if options().traces(e.dag_id)]
        if not events:
            return []
        runs = {(run.dag_id, run.run_id): run for _, run in self._database.runs({(e.dag_id, e.run_id) for e in events})}
        tries = self._sources.tries_of((e.dag_id, e.run_id, e.task_id, e.map_index) for e in events)
        links: list[Link] = []
        for event in events:
            run = runs.get((event.dag_id, event.run_id))
            # An event is stored with the success of the try that made it, a moment after the end the try itself noted.
            made = [row for row in tries if row[:4] == event[2:6] and row.state == "success" and row.end_date]
            row = min(made, key=lambda r: abs(r.end_date - event.timestamp), default=None)  # type: ignore[operator]
            who = self._generation(run, row.end_date) if run is not None and row is not None else None
            if row is not None and who is not None:
                about = {**_of(event), names.AIRFLOW_ASSET_NAME: event.name, names.AIRFLOW_ASSET_URI: redact(event.uri)}
                links.append(facts.link(who, facts.ASSET, (row.task_id, row.map_index, row.try_number), about))
        return links


def _ran(row: facts.Try) -> bool:
    """Return whether a process worked on a try: only then did it pull anything."""
    return row.start_date is not None and row.pid is not None and row.state in ("success", "failed", "skipped")


def _of_instance(found: list[XCom], row: facts.Try, task: TaskReferences, reference: Reference) -> list[XCom]:
    """Return, of what a mapped task left, what is for this instance."""
    if row.map_index >= 0 and found and found[0].map_index >= 0:
        if reference.task_id in task.beside:
            return [xcom for xcom in found if xcom.map_index == row.map_index]
        if reference.each:  # the n-th of those that are there, as Airflow counts
            return [xcom for xcom in found if xcom.position == row.map_index]
    return [xcom for xcom in found if xcom.position < facts.MOST_LINKS]


def _is_internal(key: str) -> bool:
    return key in schema.INTERNAL_KEYS or key.startswith("_link_")


def _identity(xcom: XCom) -> tuple[Any, ...]:
    """Return what changes when the value does."""
    return (*xcom[:7],)


def _xcom_link(xcom: XCom, who: RunIdentity, named: bool, measure: Measure | None) -> Link:  # noqa: FBT001
    about: dict[str, Value | None] = {
        names.AIRFLOW_XCOM_KEY: xcom.key,
        names.AIRFLOW_XCOM_TYPE: measure.type if measure else None,
        names.AIRFLOW_XCOM_SIZE: measure.size if measure else None,
        names.AIRFLOW_XCOM_REFERENCED: named,
    }
    return facts.link(who, facts.XCOM, (xcom.task_id, xcom.map_index, xcom.try_number), about)


def _of(source: Any) -> dict[str, Value | None]:
    """Return which run a link leads to, where it is another one."""
    return {names.AIRFLOW_DAG_ID: source.dag_id, names.AIRFLOW_DAG_RUN_RUN_ID: source.run_id}
