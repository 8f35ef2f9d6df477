"""Event names. Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit."""

from __future__ import annotations

from typing import Final


AIRFLOW_TASK_INSTANCE_SCHEDULED: Final = "airflow.task_instance.scheduled"
"""The scheduler found the try ready; before the span begins. Of one that was deferred or rescheduled: for the last time, which may lie within."""

AIRFLOW_TASK_INSTANCE_QUEUED: Final = "airflow.task_instance.queued"
"""It was handed to the executor, in the same way."""

AIRFLOW_TASK_INSTANCE_DEFERRED: Final = "airflow.task_instance.deferred"
"""Its process ended, and it waits for a trigger or for a person (Airflow 3.2)."""

AIRFLOW_TASK_INSTANCE_RESCHEDULED: Final = "airflow.task_instance.rescheduled"
"""A sensor's process ended, and it waits for its next poke (Airflow 2, 3.2 and later)."""

AIRFLOW_TASK_INSTANCE_RESUMED: Final = "airflow.task_instance.resumed"
"""A process took it up again."""

DATA_READ: Final = "data.read"
"""A query has read a dataset: once per dataset, all scans of it summed up. What lay in a cache was read by the query that filled it. On a span that failed: what was read until then."""

DATA_WRITE: Final = "data.write"
"""A query has written a dataset; on a span that failed, it meant to."""

SPARK_EXECUTOR_ADDED: Final = "spark.executor.added"
"""An executor was added to the application."""

SPARK_EXECUTOR_REMOVED: Final = "spark.executor.removed"
"""An executor went before the application did."""

REMOTE_JOB: Final = "remote_job"
"""A job was submitted, or its state changed; on its span and on `execute`."""
