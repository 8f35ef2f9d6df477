"""
What is known of the jobs that a task has started elsewhere: each is a span below the execution that saw it.

``remote_job …`` begins with the request that started the job, or first asked about it, and ends with the last answer
about it: each submission and each change of its state is an event, so that queueing, running and the end have their
times, also when the job itself never reports anything. A deferred task submits in one process and sees the end in
another, and each tells what it saw; of one that is killed its supervisor tells (`dagtrace.airflow.handover`). The last
job's system, id, page and state are attributes of ``execute`` as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dagtrace import identity
from dagtrace.airflow.current import execution
from dagtrace.masking import redact
from dagtrace.record import Event, SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events


if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILED = frozenset(
    {"failed", "failure", "error", "dead", "timedout", "timeout", "timed_out", "internal_error", "upstream_failed"}
)
"""Final states by which these systems say that a job failed, in small letters; one that was cancelled did not."""


_MOST = 128
"""Jobs of an execution that are told, and events of a job: OpenTelemetry's own default limit."""


class Fact(NamedTuple):
    """Something seen of a remote job; what was not seen is None."""

    system: str
    id: object = None
    url: object = None
    state: object = None


@dataclass
class Job:
    """One job as one process saw it; moments are nanoseconds since the epoch."""

    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    events: list[Event] = field(default_factory=list[Event])

    def span(self, parent: SpanRecord) -> SpanRecord:
        """Return its span, below the ``execute`` of the process that saw it."""
        system, job_id, state = (
            str(self.attributes.get(name, ""))
            for name in (names.REMOTE_JOB_SYSTEM, names.REMOTE_JOB_ID, names.REMOTE_JOB_STATE)
        )
        error = f"{system} says {state}" if state.lower() in _FAILED else None
        return SpanRecord(
            name=f"remote_job {system}",
            trace_id=parent.trace_id,
            span_id=identity.remote_job_span_id(parent.span_id, system, job_id),
            parent_id=parent.span_id,
            start_ns=self.start_ns,
            end_ns=max(self.start_ns, self.end_ns),
            attributes=self.attributes if error is None else {**self.attributes, names.ERROR_TYPE: state},
            events=tuple(self.events),
            error=error,
            sampled=parent.sampled,
        )


def note(fact: Fact, start_ns: int | None = None) -> None:
    """Keep a fact with the execution this code is a part of; ``start_ns`` is when what it was learnt by began."""
    span = execution()
    if span is None:
        return
    found = {
        names.REMOTE_JOB_SYSTEM: fact.system,
        names.REMOTE_JOB_ID: fact.id,
        names.REMOTE_JOB_URL: fact.url,
        names.REMOTE_JOB_STATE: fact.state,
    }
    known: dict[str, Value] = {name: redact(str(value)) for name, value in found.items() if value is not None}
    now = time.time_ns()
    job = _of(span.jobs, known)
    if job is None:
        job = Job(start_ns or now, now, {})
        if len(span.jobs) < _MOST:
            span.jobs.append(job)
    before = dict(job.attributes)
    job.attributes.update(known)
    job.end_ns = now
    if any(before.get(name) != job.attributes.get(name) for name in (names.REMOTE_JOB_ID, names.REMOTE_JOB_STATE)):
        told = {name: value for name, value in job.attributes.items() if name in known or name == names.REMOTE_JOB_ID}
        if len(job.events) < _MOST:
            job.events.append(Event(events.REMOTE_JOB, now, told))
        span.add_event(events.REMOTE_JOB, told, now)
    span.set_attributes(job.attributes)
    span.saw(job)


def _of(jobs: list[Job], known: Mapping[str, Value]) -> Job | None:
    """Return the job that a fact is about: the one with its id; one without, where the system's last job is alone."""
    of_system = [one for one in jobs if one.attributes[names.REMOTE_JOB_SYSTEM] == known[names.REMOTE_JOB_SYSTEM]]
    job_id = known.get(names.REMOTE_JOB_ID)
    for one in reversed(of_system):
        if job_id is None or one.attributes.get(names.REMOTE_JOB_ID, job_id) == job_id:
            return one
    return None
