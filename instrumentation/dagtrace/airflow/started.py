"""
Markers: what has been going on for a while is seen before it ends.

A span is told when it is over, so a trace backend knows nothing of a run that hangs. After ``DAGTRACE_STARTED_AFTER``
seconds the reader tells a span without duration where the run or the try began: its child to be, with an id derived
from its. The run's trace is there under its id from then on; once the span itself comes, the marker hangs below it.
Who ends sooner has none, so short tasks cost nothing. Why spans and no log events: docs/adr/0011.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from dagtrace import identity, telemetry
from dagtrace.airflow.facts import attributes_of
from dagtrace.options import options
from dagtrace.record import SpanRecord
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagtrace.airflow.carriers import Carriers
    from dagtrace.airflow.database import Database, Key
    from dagtrace.airflow.facts import Run, Try
    from dagtrace.airflow.followed import Followed
    from dagtrace.record import Value

_EVERY = 10.0
"""Seconds between two looks for what is at work: one query for 200 runs, on an index."""


class Started:
    """Tells the markers of open runs, each once: their ids are remembered with those of the tries that were told."""

    def __init__(self, database: Database, carriers: Carriers) -> None:
        self._database = database
        self._carriers = carriers
        self._looked = float("-inf")

    def look(self, running: Mapping[Key, Followed]) -> None:
        """Tell what has been going on for long enough, of runs whose tries have been looked at just now."""
        after = options().started_after
        if after == float("inf") or time.monotonic() - self._looked < min(_EVERY, after):
            return
        self._looked = time.monotonic()
        before = datetime.now(timezone.utc) - timedelta(seconds=after)
        for followed in running.values():
            run = followed.run
            if run.start_date is not None and run.start_date <= before and run.who.span_id:
                name = f"dag_run.started {run.dag_id}"
                _tell(followed, _marker(run, run.who.span_id, name, run.start_date, _of_run(run)))
        for key, row in self._database.at_work(running, before):
            followed = running[key]
            run, span_id = self._carriers.place(key, followed.run, row), row.span_id(followed.run.who)
            began = followed.first_start(row) or row.start_date
            if began is not None:
                name = f"task_instance.started {row.task_id}"
                _tell(followed, _marker(run, span_id, name, began, _of_try(run, row)))
                followed.began(span_id, began)  # the next poke overwrites it


def _tell(followed: Followed, marker: SpanRecord) -> None:
    """Tell a marker, unless it or the span itself was told before."""
    if not {marker.span_id, marker.parent_id} & followed.told:
        followed.told.add(marker.span_id)
        telemetry.tell(marker)


def _marker(
    run: Run, span_id: int, name: str, at: datetime, attributes: dict[str, Value | datetime | None]
) -> SpanRecord:
    return SpanRecord(
        name=name,
        trace_id=run.trace_id,
        span_id=identity.started_span_id(span_id),
        parent_id=span_id,
        start_ns=identity.nanoseconds(at),
        end_ns=identity.nanoseconds(at),
        attributes=attributes_of({**attributes, names.DAGTRACE_STARTED: True}),
        sampled=run.who.sampled,
    )


def _of_run(run: Run) -> dict[str, Value | datetime | None]:
    return {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_ID: run.run_id,
        names.AIRFLOW_DAG_RUN_RUN_TYPE: run.run_type,
        names.AIRFLOW_DAG_RUN_LOGICAL_DATE: run.logical_date,
        names.AIRFLOW_DAG_RUN_START_DATE: run.start_date,
    }


def _of_try(run: Run, row: Try) -> dict[str, Value | datetime | None]:
    return {
        names.AIRFLOW_DAG_ID: run.dag_id,
        names.AIRFLOW_DAG_RUN_RUN_ID: run.run_id,
        names.AIRFLOW_TASK_ID: row.task_id,
        names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: row.try_number,
        names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: row.map_index,
        names.AIRFLOW_TASK_INSTANCE_START_DATE: row.start_date,
        names.AIRFLOW_TASK_INSTANCE_OPERATOR: row.operator,
        names.AIRFLOW_TASK_INSTANCE_POOL: row.pool,
        names.AIRFLOW_TASK_INSTANCE_HOSTNAME: row.hostname,
        names.AIRFLOW_TASK_INSTANCE_PID: row.pid,
    }
