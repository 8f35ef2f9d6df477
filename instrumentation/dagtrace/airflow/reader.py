"""
The scheduler's reader: tells each run and each try from the database, once it is committed there.

A thread of its own asks once a second; the scheduler's loop is never touched. It sees every run because it looks at the
runs that are open and at every id above the last one it saw, whatever state they are in by then. The database is the
truth, so a try that was killed, skipped, or marked by hand is told like any other.
"""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagtrace import telemetry
from dagtrace.airflow import dag_test, explained, facts, measurements, native, waits
from dagtrace.airflow.carriers import Carriers
from dagtrace.airflow.checkpoints import Checkpoints
from dagtrace.airflow.compat import states
from dagtrace.airflow.dag_versions import DagVersions
from dagtrace.airflow.followed import Followed
from dagtrace.airflow.remembered import Remembered
from dagtrace.airflow.started import Started
from dagtrace.options import options
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dagtrace.airflow.critical_path import CriticalPath
    from dagtrace.airflow.dag_versions import DagVersion
    from dagtrace.airflow.database import Database, Instance, Key
    from dagtrace.airflow.facts import Run, Try
    from dagtrace.airflow.gauges import Gauges
    from dagtrace.airflow.linking import Linker
    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.airflow.watermark import Watermark
    from dagtrace.record import Link, SpanRecord

_NEAR = timedelta(seconds=5)
"""How far before the last look a change may be dated to be seen at the next."""

_SKEW = timedelta(seconds=60)
"""
How far before, to be seen within ``_WIDE`` seconds: clocks of API servers and scheduler differ, transactions take their
time. Beyond that, a try is told with its run's end.
"""

_WIDE = 10.0
"""
Seconds between two looks that go back so far. They read again all that changed within that time, which for a thousand
tries that ended at once costs 15 ms of CPU.
"""

_PATIENCE = 60.0
"""Seconds a finished run waits for processes that are still at work on it (a run that was marked by hand)."""

_REMEMBERED = 10_000
"""Finished runs that are remembered, to link the next generation to when they are cleared."""

_GENERATIONS = 10
"""How many of a run's generations are."""


class Reader:
    """Follows all open runs; ``look()`` tells what became final since the last look."""

    def __init__(self, database: Database, watermark: Watermark | None = None) -> None:
        self._database = database
        self.checkpoints = Checkpoints(watermark)
        self._versions = DagVersions(database.serialized_dags)
        kept = watermark.load() if watermark is not None else None
        self._last_id, self._open = kept or (database.newest_id(), {})
        self._born = datetime.now(timezone.utc)
        self._looked: datetime | None = None
        self._looked_wide = time.monotonic()
        self._past: Remembered[Key, list[Run]] = Remembered(_REMEMBERED)
        """Of finished runs, their generations."""
        self._carriers = Carriers()
        self._started = Started(database, self._carriers)
        self.linker: Linker | None = None
        self.gauges: Gauges | None = None

    def look(self) -> None:
        """Tell every try and run that reached its final state since the last look."""
        now = datetime.now(timezone.utc)
        found = self._database.open_and_new(self._last_id)
        seen = {(run.dag_id, run.run_id): run for _, run in found}
        gone = {key for key in (*self._open, *self._begun()) if key not in seen}
        seen.update(self._not_told(self._database.runs(gone)))
        for key in self._open.keys() - seen.keys():  # deleted from the database
            del self._open[key]
            self._carriers.forget(key)
            if self.linker is not None:
                self.linker.forget(key)
        runs = {key: run for key, run in seen.items() if self._concerns_us(run)}
        for key, run in runs.items():
            self._follow(key, run)
        if self.linker is not None:
            with guard("looking for what triggered runs"):
                self.linker.seek(runs)
        self._begin_counting(runs.values())
        # A run that is queued has no tries of its own yet: those it has are its last generation's.
        running = [key for key, run in runs.items() if run.state == states.RUNNING]
        self._tell_tries(self._database.tries([key for key in running if not self._open[key].read]))
        self._tell_changed([key for key in running if self._open[key].read])
        for key in running:
            self._open[key].read = True
        with guard("telling what has started"):
            self._started.look({key: self._open[key] for key in running})
        for key, run in runs.items():
            if run.state in states.RUN_FINAL_STATES:
                self._finish(key)
        self._last_id = max([self._last_id, *(number for number, _ in found)])
        self._looked = now
        self._show_gauges()
        if self.checkpoints.is_due():
            self.checkpoint()

    def _begin_counting(self, runs: Iterable[Run]) -> None:
        """Have the counters of open runs created, and told, before they count."""
        if self.gauges is not None:
            with guard("creating counters"):
                if self.gauges.begin(runs):
                    telemetry.flush()

    def _show_gauges(self) -> None:
        if self.gauges is not None:
            with guard("reading how things stand"):
                self.gauges.look([followed.run for followed in self._open.values()])

    def _begun(self) -> set[Key]:
        """
        Return the runs of which a task began, or that were cleared, since the last look.

        A run that was cleared, and had ended again before anybody looked, is neither open nor new; its tasks are known
        to have begun. Not before this reader did: the one before it has told those.
        """
        return set() if self._looked is None else self._database.begun(max(self._born, self._looked - _NEAR))

    def _not_told(self, found: Iterable[tuple[int, Run]]) -> Iterator[tuple[Key, Run]]:
        """Yield those of these runs that are open or of a generation that was not told yet."""
        for _, run in found:
            key = run.dag_id, run.run_id
            past = self._past.get(key)
            if key in self._open or past is None or past[-1].start_date != run.start_date:
                yield key, run

    def checkpoint(self) -> None:
        """Deliver what was told, then remember it as told."""
        self.checkpoints.make(self._last_id, self._open)

    def tell_test(self, key: Key, nonce: str, clock_ns: int) -> None:
        """Tell the run that ``dag.test()`` made in this process, whole."""
        for _, run in self._database.runs([key]):
            self._open[key] = Followed.begin(dataclasses.replace(run, nonce=nonce, clock_ns=clock_ns))
            self._tell_run(key)

    def _concerns_us(self, run: Run) -> bool:
        return run.triggered_by != states.TEST_TRIGGER and options().traces(run.dag_id)

    def _follow(self, key: Key, run: Run) -> None:
        """Take note of a run as it is now; where it was cleared since the last look, tell the generation before."""
        followed = self._open.get(key)
        if followed is not None and followed.is_over(run):
            self._tell_run(key, cleared=run)
            followed = None
        if followed is None:
            followed = self._open[key] = Followed.begin(run)
        followed.run = run
        left = self._carriers.follow(key, run)
        if left is not None:
            telemetry.tell(left)

    def _finish(self, key: Key) -> None:
        """Tell a finished run, but give processes that are still at work on it a while to end."""
        followed = self._open[key]
        if followed.patience is None:
            followed.patience = time.monotonic() + _PATIENCE
        if time.monotonic() >= followed.patience or not self._database.still_running(key):
            self._tell_run(key)

    def _tell_changed(self, keys: list[Key]) -> None:
        """
        Tell the tries of those task instances that changed since the last look.

        A try goes into the history together with a change of its task instance, so the history is asked for those only:
        what a look costs depends on what happened since the last one, and not on how long the run has been going on.
        """
        if not keys or self._looked is None:
            return
        wide = time.monotonic() - self._looked_wide >= _WIDE
        seen: dict[Key, dict[tuple[str, int], datetime]] = {key: {} for key in keys}
        changed: list[Instance] = []
        for instance, at in self._database.changed(keys, self._looked - (_SKEW if wide else _NEAR)):
            key, which = instance[:2], instance[2:]
            seen[key][which] = at
            if self._open[key].changes.get(which) != at:
                changed.append(instance)
        self._tell_tries(self._database.tries_of(changed))
        for key, changes in seen.items():  # not before they were told
            self._open[key].changes = changes if wide else {**self._open[key].changes, **changes}
        if wide:
            self._looked_wide = time.monotonic()

    def _tell_tries(self, rows: Iterable[tuple[Key, Try]]) -> None:
        """Tell the final tries not told yet."""
        new: list[tuple[Key, Try]] = []
        earlier: dict[tuple[Key, str, int, int], Try] = {}
        for key, row in rows:
            followed = self._open[key]
            if not facts.belongs(followed.run, row):
                earlier[key, row.task_id, row.map_index, row.try_number] = row
            elif followed.wants(row):
                new.append((key, row))
        versions = self._versions.of(row.dag_version_id for _, row in new)
        links = self._links_of([(self._open[key].run, row) for key, row in new], versions)
        new = self._begun_of(new, self._database.first_pokes(new))
        for key, row in self._with_changes(new):
            followed = self._open[key]
            run = self._carriers.place(key, followed.run, row)
            before = followed.link_before(row)
            if before is None and (old := earlier.get((key, row.task_id, row.map_index, row.try_number - 1))):
                before = self._link_to(key, old)
            span_id = row.span_id(run.who)
            followed.began(span_id, row.first_start)
            row = dataclasses.replace(row, task_group=versions[row.dag_version_id].groups.get(row.task_id))  # noqa: PLW2901
            of_this = [*([before] if before else ()), *links.get(span_id, ())]
            followed.told.add(span_id)  # not before all questions were answered: what fails is asked again
            telemetry.tell(facts.try_span(run, row, links=of_this, sampled=run.who.sampled))
            self.checkpoints.measure(*measurements.of_try(run, row, sampled=run.who.sampled))

    def _begun_of(self, new: list[tuple[Key, Try]], pokes: Mapping[tuple[Key, Try], datetime]) -> list[tuple[Key, Try]]:
        """Return these tries with the start of their first poke, however that is known."""
        found: list[tuple[Key, Try]] = []
        for key, row in new:
            followed = self._open[key]
            began = dag_test.began(row.span_id(followed.run.who)) or followed.first_start(row) or pokes.get((key, row))
            found.append((key, dataclasses.replace(row, first_start=began)))
        return found

    def _with_changes(self, new: list[tuple[Key, Try]]) -> list[tuple[Key, Try]]:
        """Return these tries with what they waited for after their start; without that, they are told all the same."""
        with guard("asking what tries waited for"):
            # The rows of `dag.test()` do not show it.
            asked = [(key, row) for key, row in new if self._open[key].run.nonce or waits.may_have_waited(row)]
            changes = self._database.changes_of(asked) if asked else {}
            return [
                (key, dataclasses.replace(row, changes=tuple(changes[key, row])) if (key, row) in changes else row)
                for key, row in new
            ]
        return new

    def _path(self, record: SpanRecord, followed: Followed, rows: list[Try]) -> CriticalPath | None:
        """Return what a run's time went into; without that, it is told all the same."""
        with guard("explaining a run"):
            versions = self._versions.of(row.dag_version_id for row in rows)  # known since the tries were told
            return explained.path(record, followed, rows, versions)
        return None

    def _links_of(self, new: list[tuple[Run, Try]], versions: Mapping[str | None, DagVersion]) -> dict[int, list[Link]]:
        """Return links by span id; without them, spans are told all the same."""
        if self.linker is not None and new:
            with guard("linking tries"):
                return self.linker.of_tries(new, versions)
        return {}

    def _link_to(self, key: Key, row: Try) -> Link | None:
        """Return a link to a try of an earlier generation, where that generation is remembered."""
        for run in reversed(self._past.get(key, [])):
            if facts.belongs(run, row):
                return facts.link(run.who, facts.RETRY, (row.task_id, row.map_index, row.try_number))
        return None

    def generation(self, run: Run, ended: datetime | None) -> RunIdentity | None:
        """Return who the run was when a try of it ended: this generation, an earlier one, or nobody knows."""
        generations = [*self._past.get((run.dag_id, run.run_id), []), run]
        return next((one.who for one in reversed(generations) if facts.covers(one, ended)), None)

    def _tell_run(self, key: Key, cleared: Run | None = None) -> None:
        """
        Tell a run that is over, with what was not told of its tries yet.

        ``cleared`` is the run as it is now where it was cleared before anybody saw its end.
        """
        followed = self._open[key]
        if cleared is not None:
            followed.close(cleared)
        followed.over = True
        rows = [
            row
            for _, row in self._database.tries([key])
            if cleared is None or cleared.start_date is None or not facts.belongs(cleared, row)
        ]
        self._tell_tries((key, row) for row in rows)
        owners, tags = self._database.describe(followed.run)
        run = dataclasses.replace(followed.run, owners=owners, tags=tags)
        past = self._past.pop(key, [])
        links: list[Link] = []
        if self.linker is not None:
            with guard("linking a run"):
                links = self.linker.of_run(run)
        before = past[-1].who if past and past[-1].who != run.who else None
        end_ns, sampled = followed.last_end_ns, run.who.sampled
        record = facts.run_span(run, last_end_ns=end_ns, before=before, links=links, sampled=sampled)
        path = self._path(record, followed, rows)
        if run.native is not None and cleared is None:
            native.tell_run(run.dag_id, run.run_id)
        else:
            telemetry.tell(explained.span(record, path))
        self.checkpoints.measure(
            *measurements.of_run(run, sampled=sampled), *measurements.of_path(run, path, sampled=sampled)
        )
        if self.gauges is not None:
            self.gauges.ended(run)
        del self._open[key]
        self._carriers.forget(key)
        self._past[key] = [*past, followed.run][-_GENERATIONS:]
