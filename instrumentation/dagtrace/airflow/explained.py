"""What a run's time went into, as attributes of its span: its critical path, and how much slack the other tries had."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dagtrace.airflow import facts
from dagtrace.airflow.critical_path import Step, critical_path
from dagtrace.airflow.dag_versions import UNKNOWN
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dagtrace.airflow.critical_path import CriticalPath
    from dagtrace.airflow.dag_versions import DagVersion
    from dagtrace.airflow.facts import Try
    from dagtrace.airflow.followed import Followed
    from dagtrace.record import SpanRecord, Value

_MOST = 100
"""Tries named on the path, and beside it. Beyond that the path's last ones are, which decided the end."""


def path(
    record: SpanRecord, followed: Followed, rows: Iterable[Try], versions: Mapping[str | None, DagVersion]
) -> CriticalPath | None:
    """
    Return the critical path of a run with this span, out of all rows of its tries as the database has them.

    Edges are those of the version that each try ran with. Of a version that cannot be read there are none: then nothing
    is said of the path, because the last try alone would be taken for it.
    """
    rows = [row for row in rows if facts.belongs(followed.run, row)]
    if any(versions[row.dag_version_id] is UNKNOWN for row in rows):
        return None
    steps: list[Step] = []
    above: dict[str, set[str]] = {}
    beside: dict[str, set[str]] = {}
    for row in rows:
        began = [moment for moment in (row.start_date, followed.first_start(row)) if moment is not None]
        if not began or row.end_date is None:
            continue
        start, end = min(began).timestamp(), row.end_date.timestamp()  # as its span begins
        steps.append(Step(row.task_id, row.map_index, row.try_number, min(start, end), end))
        task = versions[row.dag_version_id].references.get(row.task_id)
        if task is not None:
            above.setdefault(row.task_id, set()).update(task.above)
            beside.setdefault(row.task_id, set()).update(task.beside)
    begun = followed.run.start_date.timestamp() if followed.run.start_date else record.start_ns / 1e9
    if followed.run.clock_ns is not None:
        begun = record.start_ns / 1e9
    return critical_path(steps, above, beside, (begun, record.end_ns / 1e9))


def span(record: SpanRecord, path: CriticalPath | None) -> SpanRecord:
    """Return the span of a run with its critical path, where there is one."""
    if path is None:
        return record
    others = path.others[:_MOST]
    more: dict[str, Value] = {
        names.AIRFLOW_CRITICAL_PATH_TRIES: [step.name for step in path.steps[-_MOST:]],
        names.AIRFLOW_CRITICAL_PATH_WORKING: round(path.working, 6),
        names.AIRFLOW_CRITICAL_PATH_WAITING: round(path.waiting, 6),
    }
    if others:
        more[names.AIRFLOW_CRITICAL_PATH_OTHER_TRIES] = [name for name, _ in others]
        more[names.AIRFLOW_CRITICAL_PATH_OTHER_SLACK] = [round(slack, 6) for _, slack in others]
    return dataclasses.replace(record, attributes={**record.attributes, **more})
