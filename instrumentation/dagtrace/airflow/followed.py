"""What the reader remembers of a run while it is open: what it has told, and what the next rows are compared with."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from dagtrace.airflow import facts
from dagtrace.airflow.compat import states


if TYPE_CHECKING:
    from dagtrace.airflow.facts import Run, Try
    from dagtrace.record import Link


@dataclass
class Followed:
    """One generation of a run, from when it was first seen until its root is told; all of it is dropped then."""

    start: datetime | None = None
    """``dag_run.start_date``, which names the generation; None until it starts."""
    told: set[int] = field(default_factory=set[int])
    """Span ids."""
    read: bool = False
    """Whether its tries were read as a whole; from then on, only what changes is."""
    changes: dict[tuple[str, int], datetime] = field(default_factory=dict[tuple[str, int], datetime])
    """When each task instance (task_id, map_index) that was seen to change lately had changed last."""
    over: bool = False
    """Whether no end can be expected any more of tries that have none in the database."""
    patience: float | None = None
    """Until when (``time.monotonic``) it may wait for processes that are still at work on it; None while it is open."""
    last_end_ns: int = 0
    """The latest end of its tries."""
    _run: Run | None = None
    _first: dict[int, datetime] = field(default_factory=dict[int, datetime])
    """By span id, when the first poke of a sensor started; the next poke overwrites that in the row."""

    @staticmethod
    def begin(run: Run) -> Followed:
        """Return the memory of a run of which nothing was told yet."""
        followed = Followed()
        followed.run = run
        return followed

    @property
    def run(self) -> Run:
        """The run as it was at the last look."""
        assert self._run is not None
        return self._run

    @run.setter
    def run(self, run: Run) -> None:
        self._run, self.start = run, run.start_date

    def is_over(self, run: Run) -> bool:
        """Whether ``run``, the same run as it is now, has started anew: it was cleared, whoever saw its end."""
        return self.start is not None and run.start_date != self.start

    def close(self, cleared: Run) -> None:
        """
        Make do with what is known of a generation whose end nobody saw: ``cleared`` is the run as it is now.

        Its tries are all in the database still. Of the run itself, end and final state were overwritten: its root says
        no state and ends with its last try.
        """
        run = self._run or dataclasses.replace(
            cleared, start_date=self.start, queued_at=None, clear_number=None, state=states.RUNNING
        )
        if run.state not in states.RUN_FINAL_STATES:
            run = dataclasses.replace(run, state="", end_date=None)
        self.run = run

    def wants(self, row: Try) -> bool:
        """Take note of a try; return whether it is one to tell now, which it is until it is in ``told``."""
        span_id = row.span_id(self.run.who)
        if row.state == states.BETWEEN_POKES:
            if row.start_date is not None:
                self._first.setdefault(span_id, row.start_date)
            return False
        if row.end_date is None and not self.over:
            return False  # skipped with its run, or removed from its DAG: the run's end is the next best, not known yet
        self.last_end_ns = max(self.last_end_ns, facts.try_end_ns(self.run, row))
        return span_id not in self.told

    def began(self, span_id: int, first: datetime | None) -> None:
        """Take note of a try's first poke, however that was found."""
        if first is not None:
            self._first.setdefault(span_id, first)

    def first_start(self, row: Try) -> datetime | None:
        """Return when a try's first poke started, if that was seen."""
        return self._first.get(row.span_id(self.run.who)) if self._first else None

    def link_before(self, row: Try) -> Link | None:
        """Return a link to the try before this one, if that is of this generation, too."""
        before = (row.task_id, row.map_index, row.try_number - 1)
        if row.try_number <= 1 or self.run.who.try_id(*before) not in self.told:
            return None
        return facts.link(self.run.who, facts.RETRY, before)
