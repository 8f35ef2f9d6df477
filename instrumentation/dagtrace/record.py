"""
The one shape facts travel in.

*Watch* rooms (``airflow/``, ``spark/``) make these out of what they see, *tell* (``telemetry/``) sends them. A record
is complete when it is made: ids, parent and times are explicit, so any process that knows the facts can make the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dagtrace.identity import SpanContext


if TYPE_CHECKING:
    from dagtrace.semconv.metrics import Metric

Value: TypeAlias = "str | bool | int | float | Sequence[str] | Sequence[int] | Sequence[float]"
Attributes: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True)
class Event:
    """Something that happened within a span; ``time_ns`` is nanoseconds since the epoch, UTC."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class Link:
    """A pointer to another span."""

    trace_id: int
    span_id: int
    attributes: Attributes = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class SpanRecord:
    """
    One finished span.

    ``start_ns`` and ``end_ns`` are nanoseconds since the epoch, UTC. ``parent_id`` is None for a root. ``error`` is the
    status message of a failed span and None where nothing failed: success leaves the status unset, as OpenTelemetry
    asks of instrumentations. ``sampled=False`` means that whoever decided at the root wants no part of this trace.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    attributes: Attributes = field(default_factory=dict[str, Value])
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()
    error: str | None = None
    sampled: bool = True
    remote_parent: bool = False
    """The parent is somebody else's, in another system: it will be in no file of ours."""
    client: bool = False
    """It is a request to another system: OpenTelemetry's kind *client*, where all others are *internal*."""

    @property
    def context(self) -> SpanContext:
        """What points to this span."""
        return SpanContext(self.trace_id, self.span_id, self.sampled)


@dataclass(frozen=True)
class Point:
    """
    One measurement: which instrument, how much, and the bounded attributes it is counted under.

    ``span`` is the one it was measured at, where that is a single one: an exemplar leads from the number to it.
    """

    metric: Metric
    value: float
    attributes: Attributes = field(default_factory=dict[str, Value])
    span: SpanContext | None = None
