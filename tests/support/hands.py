"""What people do to tasks and runs from outside: through the REST API, with ``kill``, by changing a DAG."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from support.airflow import run
from support.api import ALL_ADMINS, Api
from support.cells import AIRFLOW


if TYPE_CHECKING:
    from support.airflow import Airflow

RUN = "by_hand"

MARKED = {("hands", RUN, "marked_late", -1, 1): "failed"}
"""Tries that somebody marks after their end, and the state they had ended in."""


SETTINGS = {
    **ALL_ADMINS,
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,Pods:support.pods.Pods",
    "AIRFLOW__CORE__PARALLELISM": "16",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "20",  # the same two in Airflow 2
    "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
}


class Hands:
    """An operator of an Airflow that was started with SETTINGS, and has ``support`` on its PYTHONPATH."""

    def __init__(self, airflow: Airflow) -> None:
        self.api = Api(airflow)
        self._airflow = airflow
        self._home = Path(airflow.env["FATES_HOME"])

    def wait_for(
        self, state: str, *task_ids: str, dag_id: str = "hands", run_id: str = RUN, instead: str | None = None
    ) -> None:
        """Wait until each of these tasks, all of its map indices, is in a state, or each in the one ``instead``."""
        deadline, states = time.monotonic() + 180, {}
        while time.monotonic() < deadline:
            rows = self._airflow.query(
                "select task_id, state from task_instance where dag_id = %s and run_id = %s and task_id = any(%s)",
                *(dag_id, run_id, list(task_ids)),
            )
            states = {(row["task_id"], row["state"]) for row in rows}
            if states in [{(task_id, wanted) for task_id in task_ids} for wanted in (state, instead) if wanted]:
                return
            time.sleep(0.3)
        log = self._airflow.log("scheduler")[-4000:] + self._airflow.log("scheduler-2")[-4000:]
        raise AssertionError(f"{dag_id}: {states}, expected {state}\n{log}")

    def process(self, task_id: str) -> psutil.Process:
        """Return the process a task runs in, once its code runs: Airflow calls a task running that is only about to."""
        (row,) = self._airflow.query("select pid from task_instance where dag_id = 'hands' and task_id = %s", task_id)
        began, deadline = self._home / f"began-{row['pid']}", time.monotonic() + 60
        while not began.exists():
            assert time.monotonic() < deadline, f"{task_id} did not begin"
            time.sleep(0.1)
        return psutil.Process(row["pid"])

    def say(self, word: str) -> None:
        """Let the tasks go on that wait for this word; they look for a file of that name."""
        (self._home / word).touch()

    def __call__(self) -> None:
        """Do all of it to the run ``by_hand`` and its neighbours, which wait for it."""
        restarted = ("restarted",) if AIRFLOW >= (3, 1) else ()  # see dags/hands.py
        outlives = ("outlives",) if AIRFLOW >= (3,) else ()
        waiting = ("marked_success", "marked_failed", "is_killed_by_another", "holds")
        self.wait_for("running", *waiting, *restarted, *outlives)
        self.wait_for("running", "sleeps_on", dag_id="stopped", run_id="success")
        self.wait_for("running", "sleeps_on", dag_id="stopped", run_id="failed")
        self.wait_for("success", "cleared", "shrinks", "of_shrunk")
        self.wait_for("upstream_failed", "after_marked_late")

        orphans = [self.process(task_id) for task_id in outlives]
        victim = self.process("is_killed_by_another")
        for orphan in orphans:
            os.kill(orphan.ppid(), signal.SIGKILL)
        os.kill(victim.pid, signal.SIGKILL)
        api = self.api
        api.mark("hands", RUN, "marked_success", "success")
        api.mark("hands", RUN, "marked_failed", "failed")
        api.mark("hands", RUN, "marked_late", "success")
        api.clear("hands", RUN, "cleared")
        api.clear("hands", RUN, "shrinks", downstream=True)
        if restarted:
            api.clear("hands", RUN, *restarted)
        api.clear("hands", RUN, "ends")
        api.mark_run("stopped", "success", "success")
        api.mark_run("stopped", "failed", "failed")
        self.say("shrunk")
        run(self._airflow.env, "airflow", "dags", "reserialize")

        self.wait_for("success", "cleared", "shrinks", "in_pod", "in_untraced_pod", *restarted)
        # Airflow clears it, and its scheduler may have read before that what is above it: then it fails it again.
        self.wait_for("success", "after_marked_late", instead="upstream_failed")
        self.wait_for("failed", "is_killed_by_another", *outlives)
        self.wait_for("removed", "goes")
        self.say("outlived")
        psutil.wait_procs(orphans, 60)
        self.say("release")
