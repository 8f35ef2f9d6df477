"""
A note between a supervisor and the task process it forks: whether the child told its own ``execute`` span.

A few bytes of shared memory, made before the fork. A pipe or a file would do as well, but a process that was killed in
the middle of anything still leaves memory readable, and nobody has to clean up.
"""

from __future__ import annotations

import mmap
import struct
import threading
from typing import NamedTuple


_LAYOUT = struct.Struct("<BQ100p")
_NOTHING, _BEGUN, _DELIVERED = range(3)


class Note(NamedTuple):
    """What a child left: whether its operator began, when (ns since the epoch) and which one, and if it was told."""

    begun: bool
    delivered: bool
    start_ns: int
    operator: str


class Handover:
    """The supervisor's and the child's view of the same bytes."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, _LAYOUT.size)

    def begin(self, start_ns: int, operator: str) -> None:
        """In the child: ``execute`` starts now."""
        _LAYOUT.pack_into(self._bytes, 0, _BEGUN, start_ns, operator.encode()[:99])

    def delivered(self) -> None:
        """In the child: its span has been delivered, the supervisor has nothing to add."""
        self._bytes[0] = _DELIVERED

    def read(self) -> Note:
        """In the supervisor, after the child's end."""
        state, start_ns, operator = _LAYOUT.unpack_from(self._bytes, 0)
        return Note(state != _NOTHING, state == _DELIVERED, start_ns, operator.decode(errors="replace"))


_current = threading.local()


def offer() -> Handover:
    """In the supervisor, before the fork: make a note that the child of this thread will find."""
    _current.note = Handover()
    return _current.note


def take() -> Handover | None:
    """In the child: return the note its supervisor made, None where there is no supervisor (``dag.test()``)."""
    return getattr(_current, "note", None)


def withdraw() -> None:
    """In the supervisor, after the fork: the next child is another one's."""
    _current.note = None
