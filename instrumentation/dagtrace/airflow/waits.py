"""
What a try waited for, apart from its work: scheduler, executor, a trigger, its next poke. Pure.

Up to its start the row says it all. From there on a row has the last start only, so the states that it went through
come from the audit log (`Database.changes_of`): a process began or took it up again, it was deferred, it waited for its
next poke. A try's first line of the operator's own code is where its first ``execute`` span begins; that span has the
seconds since the try's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagtrace import identity
from dagtrace.airflow.compat import states
from dagtrace.record import Event
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events


if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dagtrace.airflow.facts import Try
    from dagtrace.record import Value

_MOST_EVENTS = 100
"""Events of one try: a sensor may poke for days. Its seconds are all counted."""

_EVENTS = {
    states.RUNNING: events.AIRFLOW_TASK_INSTANCE_RESUMED,
    states.DEFERRED: events.AIRFLOW_TASK_INSTANCE_DEFERRED,
    states.AWAITING_INPUT: events.AIRFLOW_TASK_INSTANCE_DEFERRED,
    states.BETWEEN_POKES: events.AIRFLOW_TASK_INSTANCE_RESCHEDULED,
}


@dataclass(frozen=True)
class Change:
    """A state that a try had from a moment on."""

    state: str
    at: datetime


def may_have_waited(row: Try) -> bool:
    """
    Whether a try may have waited after its start, so that its log is worth a question.

    One that was deferred keeps its start and is scheduled anew; one that pokes has an earlier start than its row's.
    """
    if row.start_date is None:
        return False
    again = any(moment is not None and moment > row.start_date for moment in (row.scheduled_at, row.queued_at))
    return again or (row.first_start is not None and row.first_start < row.start_date)


def of(row: Try) -> dict[str, Value]:
    """Return the seconds of each wait of a try, as attributes of its span."""
    found: dict[str, Value] = {}
    once = not may_have_waited(row)  # else both moments are those of the last time
    if once and row.scheduled_at and row.queued_at and row.scheduled_at <= row.queued_at:
        found[names.AIRFLOW_TASK_INSTANCE_SCHEDULED_DURATION] = (row.queued_at - row.scheduled_at).total_seconds()
    waited = {states.DEFERRED: 0.0, states.BETWEEN_POKES: 0.0}
    seen: set[str] = set()
    for state, began, over in _spans(row):
        kind = states.DEFERRED if state == states.AWAITING_INPUT else state
        if kind in waited:
            waited[kind] += max(0.0, (over - began).total_seconds())
            seen.add(kind)
    for kind, name in (
        (states.DEFERRED, names.AIRFLOW_TASK_INSTANCE_DEFERRED_DURATION),
        (states.BETWEEN_POKES, names.AIRFLOW_TASK_INSTANCE_RESCHEDULED_DURATION),
    ):
        if kind in seen:
            found[name] = round(waited[kind], 6)
    return found


def _spans(row: Try) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield (state, from, to) of what a try went through; the last one ends with it."""
    for i, change in enumerate(row.changes):
        over = row.changes[i + 1].at if i + 1 < len(row.changes) else row.end_date
        if over is not None:
            yield change.state, change.at, over


def events_of(row: Try) -> tuple[Event, ...]:
    """Return when a try was scheduled and queued, which lies before its span, and each wait and resumption."""
    before = (
        (events.AIRFLOW_TASK_INSTANCE_SCHEDULED, row.scheduled_at),
        (events.AIRFLOW_TASK_INSTANCE_QUEUED, row.queued_at),
    )
    found = [Event(name, identity.nanoseconds(moment)) for name, moment in before if moment is not None]
    begun = False
    for change in row.changes:
        if begun or change.state != states.RUNNING:
            found.append(Event(_EVENTS[change.state], identity.nanoseconds(change.at)))
        begun = True
    return tuple(found[:_MOST_EVENTS])
