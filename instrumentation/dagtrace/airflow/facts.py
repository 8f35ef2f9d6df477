"""Rows of Airflow's database as spans and measurements. Pure functions: the same rows always say the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dagtrace import identity
from dagtrace.airflow import runs, waits
from dagtrace.record import Link, Point, SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.airflow.waits import Change
    from dagtrace.identity import SpanContext

_FAILED = "failed"

MOST_LINKS = 128
"""Links of one span: OpenTelemetry's own default limit."""

RETRY, CLEARED, XCOM, ASSET, TRIGGER = "retry", "cleared", "xcom", "asset", "trigger"
"""Why two spans are linked (``dagtrace.link.type``)."""


@dataclass(frozen=True)
class Run:
    """A row of ``dag_run``, and what its DAG is called and owned by."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    queued_at: datetime | None
    start_date: datetime | None
    end_date: datetime | None
    created_at: datetime | None
    logical_date: datetime | None
    run_after: datetime | None
    clear_number: int | None
    triggered_by: str | None = None
    dag_version: int | None = None
    bundle_version: str | None = None
    partition_key: str | None = None
    partition_date: datetime | None = None
    owners: str | None = None
    tags: tuple[str, ...] = ()
    number: int = 0
    """``dag_run.id``, by which other tables know it."""
    nonce: str = ""
    """Set where ``start_date`` is not unique: see ``dag_test``."""
    clock_ns: int | None = None
    """The root's start by the clock, where the row's is not one."""
    parent: SpanContext | None = None
    """The span outside that the run's conf names."""
    native: SpanContext | None = None
    """Airflow's own span of this run, where that is kept."""

    @cached_property
    def who(self) -> RunIdentity:
        """Who the run is: one that never started is known by its queue or creation time."""
        moment = self.start_date or self.queued_at or self.created_at
        return runs.with_parent(self.dag_id, self.run_id, moment, self.parent, self.nonce).below(self.native)

    @property
    def trace_id(self) -> int:
        """The run's trace."""
        return self.who.trace_id

    @property
    def start_ns(self) -> int:
        """The root's start: ``queued_at`` if that is not later than ``start_date``."""
        if self.clock_ns is not None:
            return self.clock_ns
        known = [m for m in (self.queued_at, self.start_date) if m is not None]
        moment = min(known) if known else self.created_at or self.end_date
        return identity.nanoseconds(moment) if moment else 0


@dataclass(frozen=True)
class Try:
    """A row of ``task_instance`` or ``task_instance_history``: one try, however it ended."""

    id: str
    task_id: str
    map_index: int
    try_number: int
    max_tries: int | None
    state: str
    start_date: datetime | None
    end_date: datetime | None
    scheduled_at: datetime | None
    queued_at: datetime | None
    operator: str | None
    pool: str | None
    queue: str | None
    executor: str | None
    hostname: str | None
    pid: int | None
    rendered_map_index: str | None = None
    changed_at: datetime | None = None
    """``updated_at``: the next best for a try that Airflow gave no end."""
    dag_version_id: str | None = None
    """Key of the DAG version that it ran with; in Airflow 2, which has no versions, the DAG's id."""
    task_group: str | None = None
    native: SpanContext | None = None
    """Airflow's own span of this task instance, where that is kept: all its tries share one."""
    first_start: datetime | None = None
    """When its first poke started, where each poke overwrites ``start_date`` (reschedule mode)."""
    changes: tuple[Change, ...] = ()
    """What it went through after its start, oldest first, where it was deferred or rescheduled."""

    def span_id(self, run: RunIdentity) -> int:
        """Return the span id of this try of its run."""
        return run.try_id(self.task_id, self.map_index, self.try_number)


def attributes_of(pairs: dict[str, Value | datetime | None]) -> dict[str, Value]:
    """Drop what is not known and write dates as ISO 8601."""
    return {
        key: value.isoformat() if hasattr(value, "isoformat") else value  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
        for key, value in pairs.items()
        if value is not None and value != ""
    }


def try_end_ns(run: Run, row: Try) -> int:
    """
    Return the end of a try's span.

    A try that was skipped with its run (``dagrun_timeout``) or removed from the DAG has no end in the database: it ends
    with its run.
    """
    known = [row.end_date] if row.end_date else [moment for moment in (row.start_date, run.end_date) if moment]
    return identity.nanoseconds(max(known)) if known else run.start_ns


def link(
    run: RunIdentity, kind: str, of: tuple[str, int, int], about: Mapping[str, Value | None] | None = None
) -> Link:
    """Return a link to a try (task id, map index, number), with what it takes to read it without looking that up."""
    known: dict[str, Value | datetime | None] = {
        names.DAGTRACE_LINK_TYPE: kind,
        names.AIRFLOW_TASK_ID: of[0],
        names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: of[1],
        names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: of[2],
    }
    return Link(run.trace_id, run.try_id(*of), attributes_of({**known, **(about or {})}))


def try_span(run: Run, row: Try, *, links: Sequence[Link] = (), sampled: bool = True) -> SpanRecord:
    """
    Return the ``task_instance`` span of a try that reached a final state.

    ``links`` lead to the try before it and to where its data is from.
    """
    end_ns = try_end_ns(run, row)
    starts = [identity.nanoseconds(moment) for moment in (row.first_start, row.start_date) if moment is not None]
    start_ns = min([*starts, end_ns])
    queued = None
    if row.queued_at and row.start_date and row.queued_at <= row.start_date:
        queued = (row.start_date - row.queued_at).total_seconds()
    failed = row.state == _FAILED
    return SpanRecord(
        name=f"task_instance {row.task_id}",
        trace_id=run.trace_id,
        span_id=row.span_id(run.who),
        parent_id=run.who.span_id or None,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=attributes_of(
            {
                names.AIRFLOW_DAG_ID: run.dag_id,
                names.AIRFLOW_DAG_RUN_RUN_ID: run.run_id,
                names.AIRFLOW_TASK_ID: row.task_id,
                names.AIRFLOW_TASK_GROUP_ID: row.task_group,
                names.AIRFLOW_TASK_INSTANCE_ID: row.id,
                names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: row.try_number,
                names.AIRFLOW_TASK_INSTANCE_MAX_TRIES: row.max_tries,
                names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: row.map_index,
                names.AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX: row.rendered_map_index,
                names.AIRFLOW_TASK_INSTANCE_STATE: row.state,
                names.AIRFLOW_TASK_INSTANCE_START_DATE: row.start_date,
                names.AIRFLOW_TASK_INSTANCE_END_DATE: row.end_date,
                names.AIRFLOW_TASK_INSTANCE_SCHEDULED_AT: row.scheduled_at,
                names.AIRFLOW_TASK_INSTANCE_QUEUED_AT: row.queued_at,
                names.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION: queued,
                **waits.of(row),
                names.AIRFLOW_TASK_INSTANCE_OPERATOR: row.operator,
                names.AIRFLOW_TASK_INSTANCE_POOL: row.pool,
                names.AIRFLOW_TASK_INSTANCE_QUEUE: row.queue,
                names.AIRFLOW_TASK_INSTANCE_EXECUTOR: row.executor,
                names.AIRFLOW_TASK_INSTANCE_HOSTNAME: row.hostname,
                names.AIRFLOW_TASK_INSTANCE_PID: row.pid,
                names.ERROR_TYPE: _FAILED if failed else None,
            }
        ),
        events=waits.events_of(row),
        links=tuple(links)[:MOST_LINKS],
        error=f"try {row.try_number} failed" if failed else None,
        sampled=sampled,
    )


def belongs(run: Run, row: Try) -> bool:
    """
    Whether a try is one of this generation of its run.

    A finished run that is cleared starts again with a new ``start_date`` and a new trace; tries that ended before that
    were told in the old one.
    """
    return covers(run, row.end_date or row.changed_at or row.start_date)


def covers(run: Run, ended: datetime | None) -> bool:
    """Whether what ended at this time was part of this generation of its run, and not of an earlier one."""
    return run.nonce != "" or run.start_date is None or ended is None or ended >= run.start_date


def run_span(
    run: Run,
    *,
    last_end_ns: int = 0,
    before: RunIdentity | None = None,
    links: Sequence[Link] = (),
    sampled: bool = True,
) -> SpanRecord:
    """
    Return the root of a run that reached a final state.

    It ends no earlier than ``last_end_ns``, the end of its last try. ``before`` is the generation that was cleared,
    where it is known; ``links`` lead to what made the run. Its parent is the span outside that its conf names, if any.
    """
    who = run.who
    if before is not None:
        links = (Link(before.trace_id, before.span_id, {names.DAGTRACE_LINK_TYPE: CLEARED}), *links)
    end_ns = max(identity.nanoseconds(run.end_date) if run.end_date else 0, last_end_ns, run.start_ns)
    failed = run.state == _FAILED
    return SpanRecord(
        name=f"dag_run {run.dag_id}",
        trace_id=who.trace_id,
        span_id=who.span_id,
        parent_id=who.parent.span_id if who.parent else None,
        start_ns=run.start_ns,
        end_ns=end_ns,
        attributes=attributes_of(
            {
                names.AIRFLOW_DAG_ID: run.dag_id,
                names.AIRFLOW_DAG_OWNERS: run.owners,
                names.AIRFLOW_DAG_TAGS: run.tags or None,
                names.AIRFLOW_DAG_RUN_RUN_ID: run.run_id,
                names.AIRFLOW_DAG_RUN_RUN_TYPE: run.run_type,
                names.AIRFLOW_DAG_RUN_STATE: run.state,
                names.AIRFLOW_DAG_RUN_LOGICAL_DATE: run.logical_date,
                names.AIRFLOW_DAG_RUN_RUN_AFTER: run.run_after,
                names.AIRFLOW_DAG_RUN_QUEUED_AT: run.queued_at,
                names.AIRFLOW_DAG_RUN_START_DATE: run.start_date,
                names.AIRFLOW_DAG_RUN_SCHEDULE_DELAY: schedule_delay(run),
                names.AIRFLOW_DAG_RUN_END_DATE: run.end_date,
                names.AIRFLOW_DAG_RUN_CLEAR_NUMBER: run.clear_number,
                names.AIRFLOW_DAG_RUN_TRIGGERED_BY: run.triggered_by,
                names.AIRFLOW_DAG_RUN_DAG_VERSION: run.dag_version,
                names.AIRFLOW_DAG_RUN_BUNDLE_VERSION: run.bundle_version,
                names.AIRFLOW_DAG_RUN_PARTITION_KEY: run.partition_key,
                names.AIRFLOW_DAG_RUN_PARTITION_DATE: run.partition_date,
                names.ERROR_TYPE: _FAILED if failed else None,
            }
        ),
        links=tuple(links)[:MOST_LINKS],
        error="the run failed" if failed else None,
        sampled=sampled,
        remote_parent=who.parent is not None,
    )


def schedule_delay(run: Run) -> float | None:
    """Return the seconds from when a run might have started to its start; None of one that was cleared since."""
    if run.start_date is None or run.run_after is None or run.clock_ns is not None or run.clear_number:
        return None
    return max(0.0, (run.start_date - run.run_after).total_seconds())


def try_points(run: Run, row: Try, *, sampled: bool = True) -> list[Point]:
    """Return the measurements of a try: counted once it is final, timed if it ever started."""
    span = identity.SpanContext(run.trace_id, row.span_id(run.who), sampled)
    labels: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_TASK_ID: row.task_id,
        names.AIRFLOW_TASK_INSTANCE_OPERATOR: row.operator or "",
        names.AIRFLOW_TASK_INSTANCE_STATE: row.state,
    }
    points = [Point(metrics.AIRFLOW_TASK_INSTANCE_COUNT, 1, labels, span)]
    if row.start_date and row.end_date:
        seconds = (row.end_date - row.start_date).total_seconds()
        points.append(Point(metrics.AIRFLOW_TASK_INSTANCE_DURATION, max(0.0, seconds), labels, span))
    return points


def run_points(run: Run, *, sampled: bool = True) -> list[Point]:
    """Return the measurements of a run that reached a final state, none where that state is not known."""
    if not run.state:
        return []
    span = identity.SpanContext(run.trace_id, run.who.span_id, sampled)
    labels: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_TYPE: run.run_type,
        names.AIRFLOW_DAG_RUN_STATE: run.state,
    }
    points = [Point(metrics.AIRFLOW_DAG_RUN_COUNT, 1, labels, span)]
    if run.end_date and (run.start_date or run.clock_ns):
        seconds = (identity.nanoseconds(run.end_date) - _run_start_ns(run)) / 1e9
        points.append(Point(metrics.AIRFLOW_DAG_RUN_DURATION, max(0.0, seconds), labels, span))
    return points


def _run_start_ns(run: Run) -> int:
    """Return the run's own start, without its wait in the queue: what Airflow calls its duration begins here."""
    if run.clock_ns is not None or run.start_date is None:
        return run.start_ns
    return identity.nanoseconds(run.start_date)
