"""A DAG whose tasks wait in every way there is: for a file, for a trigger, for the next poke."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from versions import BaseOperator, PokeReturnValue, TimeDeltaTrigger, dag, task


HOME = Path(os.environ.get("WAITING_HOME", "."))


class Defers(BaseOperator):
    """Waits in the triggerer, twice."""

    def execute(self, context):
        self._wait("again")

    def again(self, context, event=None):
        self._wait("finish")

    def finish(self, context, event=None):
        pass

    def _wait(self, method_name):
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=3)), method_name=method_name)


@task
def holds() -> None:
    """Work until somebody says stop."""
    while not (HOME / "released").exists():
        time.sleep(0.2)


@task.sensor(poke_interval=3, mode="reschedule", timeout=600)
def reschedules() -> PokeReturnValue:
    seen = HOME / "pokes"
    with seen.open("a") as file:
        file.write("x")
    return PokeReturnValue(is_done=seen.stat().st_size >= 3)


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def waiting() -> None:
    holds()
    reschedules()
    Defers(task_id="defers")


waiting()
