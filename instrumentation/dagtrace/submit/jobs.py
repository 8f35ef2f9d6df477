"""
What is known of the job that a task has started elsewhere: on its ``execute`` span, as attributes and events.

The last job's system, id, page and state are attributes; each submission and each change of a state that the task saw
is an event, so that queueing, running and the end have their times, also when the job itself never reports anything.
A deferred task submits in one process and sees the end in another: each says what it saw.
"""

from __future__ import annotations

from typing import NamedTuple

from dagtrace.airflow.current import execution
from dagtrace.masking import redact
from dagtrace.semconv import attributes as names


class Fact(NamedTuple):
    """Something seen of a remote job; what was not seen is None."""

    system: str
    id: object = None
    url: object = None
    state: object = None


def note(fact: Fact) -> None:
    """Keep a fact with the execution this code is a part of."""
    span = execution()
    if span is None:
        return
    found = {
        names.REMOTE_JOB_SYSTEM: fact.system,
        names.REMOTE_JOB_ID: fact.id,
        names.REMOTE_JOB_URL: fact.url,
        names.REMOTE_JOB_STATE: fact.state,
    }
    known = {name: redact(str(value)) for name, value in found.items() if value is not None}
    before = dict(span.attributes)
    span.set_attributes(known)
    job_id = known.get(names.REMOTE_JOB_ID, before.get(names.REMOTE_JOB_ID))
    state = known.get(names.REMOTE_JOB_STATE, before.get(names.REMOTE_JOB_STATE))
    if (job_id, state) != (before.get(names.REMOTE_JOB_ID), before.get(names.REMOTE_JOB_STATE)):
        span.add_event("remote_job", known if job_id is None else {**known, names.REMOTE_JOB_ID: job_id})
