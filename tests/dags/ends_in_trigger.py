"""A task that its trigger ends: Airflow refuses this DAG wherever any plugin has a listener."""

from __future__ import annotations

from datetime import timedelta

from versions import DAG, TimeDeltaSensorAsync


with DAG("ends_in_trigger", schedule=None, tags=["test"]):
    TimeDeltaSensorAsync(task_id="waits", delta=timedelta(seconds=1), end_from_trigger=True)
