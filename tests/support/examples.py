"""
Airflow's own example DAGs, each triggered once: which are run, which cannot be, and how they end without dagtrace.

``python -m support.examples`` (in ``tests``, with ``DAGTRACE_CELL`` for another Airflow) runs them with dagtrace off
and writes their outcomes, which ``test_example_dags`` compares with.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.airflow import Airflow
from support.api import ALL_ADMINS, Api
from support.cells import AIRFLOW
from support.postgres import Postgres


if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = Path(__file__).parent.parent / "e2e" / f"example_dags-{AIRFLOW[0]}.{AIRFLOW[1]}.json"

LEFT_OUT = {
    "example_analytics": "reads from S3",
    "example_kubernetes_executor": "needs a Kubernetes cluster",
    "example_local_kubernetes_executor": "needs a Kubernetes cluster",
    "example_dag_decorator": "asks a web service",
    "tutorial_objectstorage": "asks a web service",
    "tutorial_taskflow_api_virtualenv": "installs packages from an index",
    "example_branch_operator": "installs packages from an index, and chooses at random",
    "example_branch_python_operator_decorator": "installs packages from an index, and chooses at random",
    "example_python_operator": "installs packages from an index",
    "example_python_decorator": "installs packages from an index",
    "example_hitl_operator": "waits for people (test_kinds answers)",
    "example_external_task": "waits for a run of another DAG that nobody makes",
    "example_external_task_marker_child": "waits for a run of another DAG that nobody makes",
    "example_sensors": "waits for times of day",
    "example_retry_policy": "retries for minutes",
    "tutorial": "retries after five minutes",
    "example_params_ui_tutorial": "cannot be triggered without parameters",
}

UNFINISHED = "select dag_id, run_id, state from dag_run where state not in ('success', 'failed')"

STATES = "select dag_id, task_id, map_index, state from task_instance where run_id = 'one'"


def run_examples(
    folder: Path, database: str, dag_ids: Iterable[str] | None = None, **extra: str
) -> tuple[Airflow, set[str]]:
    """Trigger these examples once each, or all that are not left out, and wait; return which DAGs there are, too."""
    (folder / "dags").mkdir(parents=True)
    settings = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "true",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "true",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "false",  # no runs but those that are triggered
        # What a machine does that is too busy is not the question here.
        "DAGTRACE_FLUSH_TIMEOUT": "30",
        **ALL_ADMINS,
        **extra,
    }
    with Airflow(folder, database, **settings) as airflow:
        airflow.start("triggerer")
        known = {row["dag_id"] for row in airflow.query("select dag_id from dag")}
        wanted = known - LEFT_OUT.keys() if dag_ids is None else set(dag_ids)
        api = Api(airflow)
        for dag_id in sorted({*wanted, "example_trigger_target_dag"}):
            api.patch(f"dags/{dag_id}", is_paused=False)
        for dag_id in sorted(wanted):
            api.trigger(dag_id, "one")
        deadline = time.monotonic() + 900
        while rows := airflow.query(UNFINISHED):
            assert time.monotonic() < deadline, rows
            time.sleep(1)
        airflow.stop("scheduler")
        airflow.stop("triggerer")
    return airflow, known


def outcomes_of(airflow: Airflow) -> dict[str, dict[str, str]]:
    """Return, by DAG, the state of each task (``task[map index]`` where it is mapped)."""
    found: dict[str, dict[str, str]] = {}
    for row in airflow.query(STATES):
        index = "" if row["map_index"] < 0 else f"[{row['map_index']}]"
        found.setdefault(row["dag_id"], {})[row["task_id"] + index] = row["state"]
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        server = Postgres()
        try:
            done, _ = run_examples(Path(name) / "examples", server.database(), DAGTRACE_ENABLED="false")
            lines = [
                f"  {json.dumps(dag_id)}: {json.dumps(dict(sorted(states.items())))}"
                for dag_id, states in sorted(outcomes_of(done).items())
            ]
            FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
            print(f"{len(lines)} DAGs in {FILE}")
        finally:
            server.stop()
