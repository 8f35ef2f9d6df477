"""What people do to tasks and runs from outside: through the REST API, with ``kill``, by changing a DAG."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from support.airflow import run


if TYPE_CHECKING:
    from support.airflow import Airflow

RUN = "by_hand"

MARKED = {("hands", RUN, "marked_late", -1, 1): "failed"}
"""Tries that somebody marks after their end, and the state they had ended in."""


SETTINGS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor,Pods:support.pods.Pods",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "PYTHONPATH": str(Path(__file__).parent.parent),
}


class Hands:
    """An operator of an Airflow 3 whose API server lets everybody do everything (SETTINGS)."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._home = Path(airflow.env["FATES_HOME"])

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Make a manual run; the command line would take seconds for it."""
        self._call("POST", f"dags/{dag_id}/dagRuns", dag_run_id=run_id, logical_date=None)

    def mark(self, task_id: str, state: str, dag_id: str = "hands", run_id: str = RUN) -> None:
        """Set the state of a task, as the button "Mark as …" does."""
        self._call("PATCH", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", new_state=state)

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Set the state of a run, as its button does."""
        self._call("PATCH", f"dags/{dag_id}/dagRuns/{run_id}", state=state)

    def clear(self, *task_ids: str, dag_id: str = "hands", run_id: str = RUN, downstream: bool = False) -> None:
        """Clear tasks of a run, as the button does."""
        self._call(
            "POST",
            f"dags/{dag_id}/clearTaskInstances",
            dry_run=False,
            dag_run_id=run_id,
            task_ids=task_ids,
            only_failed=False,
            include_downstream=downstream,
        )

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear a run with all of its tasks."""
        self._call("POST", f"dags/{dag_id}/dagRuns/{run_id}/clear", dry_run=False)

    def wait_for(self, state: str, *task_ids: str, dag_id: str = "hands", run_id: str = RUN) -> None:
        """Wait until each of these tasks, all of its map indices, is in a state."""
        deadline, states = time.monotonic() + 180, {}
        while time.monotonic() < deadline:
            rows = self._airflow.query(
                "select task_id, state from task_instance where dag_id = %s and run_id = %s and task_id = any(%s)",
                *(dag_id, run_id, list(task_ids)),
            )
            states = {(row["task_id"], row["state"]) for row in rows}
            if states == {(task_id, state) for task_id in task_ids}:
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
        waiting = ("marked_success", "marked_failed", "restarted", "is_killed_by_another", "outlives", "holds")
        self.wait_for("running", *waiting)
        self.wait_for("running", "sleeps_on", dag_id="stopped", run_id="success")
        self.wait_for("running", "sleeps_on", dag_id="stopped", run_id="failed")
        self.wait_for("success", "cleared", "shrinks", "of_shrunk")
        self.wait_for("upstream_failed", "after_marked_late")

        orphan, victim = self.process("outlives"), self.process("is_killed_by_another")
        os.kill(orphan.ppid(), signal.SIGKILL)
        os.kill(victim.pid, signal.SIGKILL)
        self.mark("marked_success", "success")
        self.mark("marked_failed", "failed")
        self.mark("marked_late", "success")
        self.clear("cleared")
        self.clear("shrinks", downstream=True)
        self.clear("restarted")
        self.clear("ends")
        self.mark_run("stopped", "success", "success")
        self.mark_run("stopped", "failed", "failed")
        self.say("shrunk")
        run(self._airflow.env, "airflow", "dags", "reserialize")

        self.wait_for("success", "cleared", "restarted", "shrinks", "after_marked_late", "in_pod", "in_untraced_pod")
        self.wait_for("failed", "is_killed_by_another", "outlives")
        self.wait_for("removed", "goes")
        self.say("outlived")
        orphan.wait(60)
        self.say("release")

    def _call(self, method: str, path: str, **body: Any) -> None:
        request = urllib.request.Request(
            f"{self._airflow.api}/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60):
                pass
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path} {body}: {error.code} {error.read().decode()}") from None
