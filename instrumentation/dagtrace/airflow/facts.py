"""Rows of Airflow's database as spans and measurements. Pure functions: the same rows always say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagtrace import identity
from dagtrace.record import Link, Point, SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from datetime import datetime

_FAILED = "failed"


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
    clear_number: int
    triggered_by: str | None = None
    dag_version: int | None = None
    bundle_version: str | None = None
    owners: str | None = None
    tags: tuple[str, ...] = ()
    nonce: str = ""
    """Set where ``start_date`` is not unique: see ``dag_test``."""
    clock_ns: int | None = None
    """The root's start by the clock, where the row's is not one."""

    @property
    def trace_id(self) -> int:
        """The run's trace: a run that never started is known by its queue or creation time."""
        moment = self.start_date or self.queued_at or self.created_at
        return identity.run_trace_id(
            self.dag_id, self.run_id, identity.microseconds(moment) if moment else 0, self.nonce
        )

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
    first_start: datetime | None = None
    """When its first poke started, where each poke overwrites ``start_date`` (reschedule mode)."""

    def span_id(self, trace_id: int) -> int:
        """Return the span id of this try in the trace of its run."""
        return identity.try_span_id(trace_id, self.task_id, self.map_index, self.try_number)


def _attributes(pairs: dict[str, Value | datetime | None]) -> dict[str, Value]:
    """Drop what is not known and write dates as ISO 8601."""
    return {
        key: value.isoformat() if hasattr(value, "isoformat") else value  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
        for key, value in pairs.items()
        if value is not None and value != ""
    }


def try_end_ns(run: Run, row: Try) -> int:
    """Return the end of a try's span; a try without one (never started, never ended) takes the nearest date known."""
    end = row.end_date or row.start_date or run.end_date
    return identity.nanoseconds(end) if end else run.start_ns


def try_span(run: Run, row: Try, *, sampled: bool = True) -> SpanRecord:
    """Return the ``task_instance`` span of a try that reached a final state."""
    trace_id = run.trace_id
    end_ns = try_end_ns(run, row)
    starts = [identity.nanoseconds(moment) for moment in (row.first_start, row.start_date) if moment is not None]
    start_ns = min([*starts, end_ns])
    queued = None
    if row.queued_at and row.start_date and row.queued_at <= row.start_date:
        queued = (row.start_date - row.queued_at).total_seconds()
    links: tuple[Link, ...] = ()
    if row.try_number > 1:
        links = (Link(trace_id, identity.try_span_id(trace_id, row.task_id, row.map_index, row.try_number - 1)),)
    failed = row.state == _FAILED
    return SpanRecord(
        name=f"task_instance {row.task_id}",
        trace_id=trace_id,
        span_id=row.span_id(trace_id),
        parent_id=identity.run_span_id(trace_id),
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=_attributes(
            {
                names.AIRFLOW_DAG_ID: run.dag_id,
                names.AIRFLOW_DAG_RUN_RUN_ID: run.run_id,
                names.AIRFLOW_TASK_ID: row.task_id,
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
                names.AIRFLOW_TASK_INSTANCE_OPERATOR: row.operator,
                names.AIRFLOW_TASK_INSTANCE_POOL: row.pool,
                names.AIRFLOW_TASK_INSTANCE_QUEUE: row.queue,
                names.AIRFLOW_TASK_INSTANCE_EXECUTOR: row.executor,
                names.AIRFLOW_TASK_INSTANCE_HOSTNAME: row.hostname,
                names.AIRFLOW_TASK_INSTANCE_PID: row.pid,
                names.ERROR_TYPE: _FAILED if failed else None,
            }
        ),
        links=links,
        error=f"try {row.try_number} failed" if failed else None,
        sampled=sampled,
    )


def belongs(run: Run, row: Try) -> bool:
    """
    Whether a try is one of this generation of its run.

    A finished run that is cleared starts again with a new ``start_date`` and a new trace; tries that ended before that
    were told in the old one.
    """
    return run.nonce != "" or run.start_date is None or row.end_date is None or row.end_date >= run.start_date


def run_span(run: Run, *, last_end_ns: int = 0, before: int | None = None, sampled: bool = True) -> SpanRecord:
    """
    Return the root of a run that reached a final state.

    It ends no earlier than ``last_end_ns``, the end of its last try. ``before`` is the trace of the generation that was
    cleared, where it is known.
    """
    trace_id = run.trace_id
    end_ns = max(identity.nanoseconds(run.end_date) if run.end_date else 0, last_end_ns, run.start_ns)
    failed = run.state == _FAILED
    return SpanRecord(
        name=f"dag_run {run.dag_id}",
        trace_id=trace_id,
        span_id=identity.run_span_id(trace_id),
        parent_id=None,
        start_ns=run.start_ns,
        end_ns=end_ns,
        attributes=_attributes(
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
                names.AIRFLOW_DAG_RUN_END_DATE: run.end_date,
                names.AIRFLOW_DAG_RUN_CLEAR_NUMBER: run.clear_number,
                names.AIRFLOW_DAG_RUN_TRIGGERED_BY: run.triggered_by,
                names.AIRFLOW_DAG_RUN_DAG_VERSION: run.dag_version,
                names.AIRFLOW_DAG_RUN_BUNDLE_VERSION: run.bundle_version,
                names.ERROR_TYPE: _FAILED if failed else None,
            }
        ),
        links=() if before is None else (Link(before, identity.run_span_id(before)),),
        error="the run failed" if failed else None,
        sampled=sampled,
    )


def try_points(run: Run, row: Try) -> list[Point]:
    """Return the measurements of a try: counted once it is final, timed if it ever started."""
    labels: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_TASK_ID: row.task_id,
        names.AIRFLOW_TASK_INSTANCE_OPERATOR: row.operator or "",
        names.AIRFLOW_TASK_INSTANCE_STATE: row.state,
    }
    points = [Point(metrics.AIRFLOW_TASK_INSTANCE_COUNT, 1, labels)]
    if row.start_date and row.end_date:
        seconds = (row.end_date - row.start_date).total_seconds()
        points.append(Point(metrics.AIRFLOW_TASK_INSTANCE_DURATION, max(0.0, seconds), labels))
    return points


def run_points(run: Run) -> list[Point]:
    """Return the measurements of a run that reached a final state."""
    labels: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_TYPE: run.run_type,
        names.AIRFLOW_DAG_RUN_STATE: run.state,
    }
    points = [Point(metrics.AIRFLOW_DAG_RUN_COUNT, 1, labels)]
    if run.end_date and (run.start_date or run.clock_ns):
        seconds = (identity.nanoseconds(run.end_date) - _run_start_ns(run)) / 1e9
        points.append(Point(metrics.AIRFLOW_DAG_RUN_DURATION, max(0.0, seconds), labels))
    return points


def _run_start_ns(run: Run) -> int:
    """Return the run's own start, without its wait in the queue: what Airflow calls its duration begins here."""
    if run.clock_ns is not None or run.start_date is None:
        return run.start_ns
    return identity.nanoseconds(run.start_date)
