"""
A note between a supervisor and the task process it forks.

The child says what it has got to, and whether it told its own ``execute`` span; the supervisor says where the try is
over while the process is not. A few bytes of shared memory, made before the fork. A pipe or a file would do as well,
but a process that was killed in the middle of anything still leaves memory readable, and nobody has to clean up.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


_CHILDS = struct.Struct("<BQ100p")
_SUPERVISORS = _CHILDS.size
"""Where the supervisor's byte lies: each side writes its own part."""
_STARTED = struct.Struct("<Q")
"""The supervisor's second part, after that byte."""
_JOBS_SIZE = struct.Struct("<H")
_JOBS = _SUPERVISORS + 1 + _STARTED.size
"""The child's second part: the size of what it last knew of a remote job, and that."""
_JOB = _JOBS + _JOBS_SIZE.size
_JOB_MOST = 2_000
"""Bytes; an id and a page's address have a few hundred."""
_NOTHING, _BEGUN, _DELIVERED = range(3)


class Note(NamedTuple):
    """
    What both left: whether the child's operator began, when (ns since the epoch) and which one, and if it was told.

    ``unwanted`` says that Airflow had ended the try, by hand or with its run, while its process went on.
    """

    begun: bool
    delivered: bool
    start_ns: int
    operator: str
    unwanted: bool
    job: tuple[int, Mapping[str, Any]] | None = None
    """The last remote job the child knew of: since when (ns since the epoch), and its attributes."""


class Handover:
    """The supervisor's and the child's view of the same bytes."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, _JOB + _JOB_MOST)
        self._supervisor = os.getpid()

    def begin(self, start_ns: int, operator: str) -> None:
        """In the child: ``execute`` starts now."""
        _CHILDS.pack_into(self._bytes, 0, _BEGUN, start_ns, operator.encode()[:99])

    def delivered(self) -> None:
        """In the child: its span has been delivered, the supervisor has nothing to add."""
        self._bytes[0] = _DELIVERED

    def job(self, start_ns: int, attributes: Mapping[str, Any]) -> None:
        """In the child: it knows of this remote job; one that is killed in here knew of none."""
        data = json.dumps([start_ns, dict(attributes)]).encode()
        _JOBS_SIZE.pack_into(self._bytes, _JOBS, 0)
        if len(data) <= _JOB_MOST:
            self._bytes[_JOB : _JOB + len(data)] = data
            _JOBS_SIZE.pack_into(self._bytes, _JOBS, len(data))

    def started(self, start_ns: int) -> None:
        """In the supervisor, before the child gets to know its task: when the try starts, as the database will say."""
        _STARTED.pack_into(self._bytes, _SUPERVISORS + 1, start_ns)

    def started_ns(self) -> int:
        """In the child: when its try started; 0 where the supervisor did not say."""
        return int(_STARTED.unpack_from(self._bytes, _SUPERVISORS + 1)[0])

    def unwanted(self) -> None:
        """In the supervisor: the server says that the try is over."""
        self._bytes[_SUPERVISORS] = 1

    def is_over(self) -> bool:
        """In the child: whether the server has said that the try is over."""
        return bool(self._bytes[_SUPERVISORS])

    def outlives(self) -> bool:
        """In the child: whether the try is over already, or may be, because nobody is left to send heartbeats."""
        return self.is_over() or os.getppid() != self._supervisor

    def read(self) -> Note:
        """In the supervisor, after the child's end."""
        state, start_ns, operator = _CHILDS.unpack_from(self._bytes, 0)
        operator_name = operator.decode(errors="replace")
        (size,) = _JOBS_SIZE.unpack_from(self._bytes, _JOBS)
        job = json.loads(self._bytes[_JOB : _JOB + size]) if size else None
        return Note(state != _NOTHING, state == _DELIVERED, start_ns, operator_name, self.is_over(), job)


_current = threading.local()


@contextmanager
def offered() -> Generator[Handover | None]:
    """In the supervisor, around the fork: make a note that the child of this thread will find; None where it cannot."""
    _current.note = _made()
    try:
        yield _current.note
    finally:
        _current.note = None  # the next child is another one's


@guarded
def _made() -> Handover:
    return Handover()


def take() -> Handover | None:
    """In the child: return the note its supervisor made, None where there is no supervisor (``dag.test()``)."""
    return getattr(_current, "note", None)
