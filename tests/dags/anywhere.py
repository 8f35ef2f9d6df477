"""Tasks for Celery's workers and for pods: one of each kind of end, and one for a worker that is not traced."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from versions import BaseOperator, TimeDeltaTrigger, dag, task


POD = {"executor": "Pods"}


@task
def succeeds():
    from opentelemetry import trace

    with trace.get_tracer("user.code").start_as_current_span("user work"):
        pass


@task
def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


@task
def fails():
    raise ValueError("on purpose")


@task
def loses_its_pod():
    """Kill the supervisor first, as an eviction or the node's memory would: nobody is left to tell how it ended."""
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class Waits(BaseOperator):
    """Waits a second in the triggerer."""

    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=1)), method_name="resume")

    def resume(self, context, event=None):
        return "resumed"


@dag(schedule=None, tags=["test"], default_args={"owner": "tests", "retries": 0})
def anywhere() -> None:
    succeeds()
    is_killed()
    Waits(task_id="waits")
    succeeds.override(task_id="elsewhere", queue="untraced")()


anywhere()


@dag(schedule=None, tags=["test"], default_args={"owner": "tests", "retries": 0})
def pods() -> None:
    succeeds.override(**POD)()
    fails.override(**POD)()
    is_killed.override(**POD)()
    loses_its_pod.override(**POD)()


if "Pods" in os.environ.get("AIRFLOW__CORE__EXECUTOR", ""):  # a DAG may only name executors that are there
    pods()
