"""What is done to tasks and runs from outside (by ``support.hands``): marked, cleared, killed, removed, timed out."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from versions import AIRFLOW, AirflowFailException, dag, task


def said(word: str) -> bool:
    return (Path(os.environ["FATES_HOME"]) / word).exists()


def wait_for(word: str) -> None:
    """Say that the task has begun, and sleep until the test says a word; it never says "never"."""
    (Path(os.environ["FATES_HOME"]) / f"began-{os.getpid()}").touch()
    deadline = time.monotonic() + 600
    while not said(word) and time.monotonic() < deadline:
        time.sleep(0.2)


@task
def marked_success():
    wait_for("never")


@task
def marked_failed():
    wait_for("never")


@task
def marked_late():
    raise AirflowFailException("somebody will say that it does not matter")


@task
def after_marked_late():
    pass


@task
def cleared():
    pass


@task
def restarted(ti=None):
    if ti.try_number == 1:
        wait_for("never")


@task
def is_killed_by_another():
    wait_for("never")


@task
def outlives():
    """Its supervisor is killed; it goes on until after the scheduler has given it up."""
    wait_for("outlived")


@task
def shrinks(ti=None) -> list[int]:
    return [1, 2, 3] if ti.try_number == 1 else [1, 2]


@task
def of_shrunk(value: int) -> int:
    return value


@task(executor="Pods")
def in_pod():
    pass


@task(executor="Pods", queue="untraced")
def in_untraced_pod():
    pass


@task
def holds():
    """Keep the run going."""
    wait_for("release")


@task
def goes():
    """Is removed from the DAG before its turn comes."""


@task
def ends():
    pass


@dag(schedule=None, tags=["test"], default_args={"owner": "tests", "retries": 0})
def hands() -> None:
    marked_success()
    marked_failed()
    marked_late() >> after_marked_late()
    cleared()
    if AIRFLOW >= (3, 1):  # 3.0 leaves it restarting; 2.x fails it, or writes "running" over what the clearing wrote
        restarted()
    is_killed_by_another()
    if AIRFLOW >= (3, 0):  # in 2.x a process that outlives its try writes its own end over the scheduler's
        outlives()
    of_shrunk.expand(value=shrinks())
    in_pod()
    in_untraced_pod()
    last = ends()
    held = holds()
    held >> last
    if not said("shrunk"):
        held >> goes()


hands()


@task
def sleeps_on():
    wait_for("never")


@task
def never_begins():
    raise AssertionError


@dag(schedule=None, tags=["test"])
def stopped() -> None:
    sleeps_on() >> never_begins()


stopped()


@dag(schedule=None, tags=["test"], dagrun_timeout=timedelta(seconds=20))
def timed_out() -> None:
    sleeps_on() >> never_begins()


timed_out()
