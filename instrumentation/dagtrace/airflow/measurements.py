"""What is counted and timed of runs and tries that are over. Pure functions: the same rows always give the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagtrace import identity
from dagtrace.airflow import facts
from dagtrace.record import Point, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagtrace.airflow.critical_path import CriticalPath
    from dagtrace.airflow.facts import Run, Try

ENDS = ("success", "failed")
"""States whose counters are created at 0."""

_UNTIMELY = "backfill"
"""Type of runs that are late by intention."""


def of_run(run: Run, *, sampled: bool = True) -> list[Point]:
    """Return the measurements of a run that reached a final state, each with its span as exemplar."""
    points = facts.run_points(run, sampled=sampled)
    delay = None if run.run_type == _UNTIMELY else facts.schedule_delay(run)
    if points and delay is not None:
        points.append(Point(metrics.AIRFLOW_DAG_RUN_SCHEDULE_DELAY, delay, points[0].attributes, points[0].span))
    return points


def of_path(run: Run, path: CriticalPath | None, *, sampled: bool = True) -> list[Point]:
    """Return what a run that reached a final state spent on its critical path, by task, and beside it."""
    if path is None or not run.state:
        return []
    span = identity.SpanContext(run.trace_id, run.who.span_id, sampled)
    working: dict[str, float] = {}
    for step in path.steps:
        working[step.task_id] = working.get(step.task_id, 0.0) + step.end - step.start
    dag: dict[str, Value] = {names.AIRFLOW_DAG_ID: run.dag_id}
    return [
        *(
            Point(metrics.AIRFLOW_CRITICAL_PATH_TIME, seconds, {**dag, names.AIRFLOW_TASK_ID: task_id}, span)
            for task_id, seconds in working.items()
        ),
        Point(metrics.AIRFLOW_CRITICAL_PATH_WAITING_TIME, path.waiting, dag, span),
    ]


def of_try(run: Run, row: Try, *, sampled: bool = True) -> list[Point]:
    """Return the measurements of a try that reached a final state, each with its span as exemplar."""
    points = facts.try_points(run, row, sampled=sampled)
    labels, span = points[0].attributes, points[0].span
    task = _without_state(labels)
    if row.queued_at and row.start_date and row.queued_at <= row.start_date:
        waited = (row.start_date - row.queued_at).total_seconds()
        points.append(Point(metrics.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION, waited, labels, span))
    if row.try_number > 1:
        points.append(Point(metrics.AIRFLOW_TASK_INSTANCE_RETRIES, 1, task, span))
    if row.state == "failed" and row.start_date and row.end_date:
        wasted = max(0.0, (row.end_date - row.start_date).total_seconds())
        points.append(Point(metrics.AIRFLOW_TASK_INSTANCE_WASTED_TIME, wasted, task, span))
    return points


def nothing_of_runs(dag_id: str, run_type: str) -> list[Point]:
    """Return counters at 0, so that what counts their growth sees the first failure."""
    labels: dict[str, Value] = {names.AIRFLOW_DAG_ID: dag_id, names.AIRFLOW_DAG_RUN_RUN_TYPE: run_type}
    return [
        *(Point(metrics.AIRFLOW_DAG_RUN_COUNT, 0, {**labels, names.AIRFLOW_DAG_RUN_STATE: state}) for state in ENDS),
        Point(metrics.AIRFLOW_CRITICAL_PATH_WAITING_TIME, 0, {names.AIRFLOW_DAG_ID: dag_id}),
    ]


def nothing_of_tries(dag_id: str, task_id: str, operator: str) -> list[Point]:
    """Return the same of a task's tries."""
    task: dict[str, Value] = {
        names.AIRFLOW_DAG_ID: dag_id,
        names.AIRFLOW_TASK_ID: task_id,
        names.AIRFLOW_TASK_INSTANCE_OPERATOR: operator,
    }
    return [
        *(
            Point(metrics.AIRFLOW_TASK_INSTANCE_COUNT, 0, {**task, names.AIRFLOW_TASK_INSTANCE_STATE: state})
            for state in ENDS
        ),
        Point(metrics.AIRFLOW_TASK_INSTANCE_RETRIES, 0, task),
        Point(metrics.AIRFLOW_TASK_INSTANCE_WASTED_TIME, 0, task),
        Point(metrics.AIRFLOW_CRITICAL_PATH_TIME, 0, {names.AIRFLOW_DAG_ID: dag_id, names.AIRFLOW_TASK_ID: task_id}),
    ]


def _without_state(labels: Mapping[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in labels.items() if key != names.AIRFLOW_TASK_INSTANCE_STATE}
