"""
Who a run is: the one place its trace id, root span id, parent and sampling are made from what every process knows.

Scheduler, task process, supervisor and triggerer each have a run's names, start date and conf, and so agree. A run may
be part of somebody else's trace: whoever triggers it puts a W3C ``traceparent`` into its conf, under the key that
Airflow's own tracing reads, too (apache/airflow#69633). Then it lives in that trace. Its span ids still come from its
own names alone, because two runs in one trace must not share any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from dagtrace import identity, telemetry
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from datetime import datetime

    from dagtrace.identity import SpanContext
    from dagtrace.record import Value

PARENT_KEY = "airflow/dagrun_parent_trace_context"
"""Key in a run's conf; its value is a ``traceparent``, or a mapping that has one under ``traceparent``."""


class MalformedParentError(ValueError):
    """The conf names a parent that is no W3C ``traceparent``."""


@dataclass(frozen=True)
class RunIdentity:
    """One generation of a run, as all its spans know it."""

    own_id: int
    """Derived from the run's names; it is the trace id, too, unless the run is part of another trace."""
    parent: SpanContext | None = None
    """The span outside of Airflow that the run is a part of."""
    native: SpanContext | None = None
    """Airflow's own span of the run, where that is kept: it is the root then (`native`)."""

    def below(self, native: SpanContext | None) -> RunIdentity:
        """Return the run as part of the trace that Airflow's own span is in, if there is one."""
        return self if native is None else replace(self, parent=None, native=native)

    @property
    def trace_id(self) -> int:
        """The trace that the run's spans are told in."""
        outer = self.native or self.parent
        return outer.trace_id if outer else self.own_id

    @property
    def span_id(self) -> int:
        """The root's span id; 0 where it is Airflow's own and nobody knows it any more (`carriers`)."""
        return self.native.span_id if self.native else identity.run_span_id(self.own_id)

    @cached_property
    def sampled(self) -> bool:
        """The sampler's verdict, by trace id and the parent's own; the same in every process."""
        if self.native is not None:
            return self.native.sampled
        return telemetry.sampled(self.trace_id, self.parent)

    def try_id(self, task_id: str, map_index: int | None, try_number: int) -> int:
        """Return the span id of one try; ``map_index`` is None or -1 where the task is not mapped."""
        return identity.try_span_id(self.own_id, task_id, -1 if map_index is None else map_index, try_number)


def attributes_of(ti: Any) -> dict[str, Value]:
    """Return the names of a try, which each span below it carries, from a task instance as any process has it."""
    return {
        names.AIRFLOW_DAG_ID: ti.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_ID: ti.run_id,
        names.AIRFLOW_TASK_ID: ti.task_id,
        names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ti.try_number,
        names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: -1 if ti.map_index is None else ti.map_index,
    }


def identify(dag_id: str, run_id: str, started: datetime | None, conf: Any, nonce: str = "") -> RunIdentity:
    """Return who a run is, in a process that has its conf; a parent that is malformed is none."""
    try:
        parent = parent_in(conf)
    except MalformedParentError:
        parent = None  # the scheduler's reader says so, once for the run
    return with_parent(dag_id, run_id, started, parent, nonce)


def with_parent(
    dag_id: str, run_id: str, started: datetime | None, parent: SpanContext | None, nonce: str = ""
) -> RunIdentity:
    """Return who a run is, where its conf has been read before."""
    generation = identity.microseconds(started) if started else 0
    return RunIdentity(identity.run_trace_id(dag_id, run_id, generation, nonce), parent)


def parent_in(conf: Any) -> SpanContext | None:
    """Return the parent that a run's conf names, None where it names none; raise where it cannot be read."""
    value: Any = cast("Mapping[str, Any]", conf).get(PARENT_KEY) if isinstance(conf, Mapping) else None
    if isinstance(value, Mapping):
        value = cast("Mapping[str, Any]", value).get("traceparent", value)
    if value is None or value == "":
        return None
    parent = identity.SpanContext.parse(value) if isinstance(value, str) else None
    if parent is None:
        raise MalformedParentError
    return parent
