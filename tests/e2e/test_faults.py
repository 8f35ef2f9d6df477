"""An error of ours, thrown at each hook in turn, changes no task's outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.airflow import Airflow


if TYPE_CHECKING:
    from pathlib import Path

    from support.dag_test import InProcess
    from support.postgres import Postgres

pytestmark = pytest.mark.real

INJECT = """
import os
from dagtrace import _startup

def explode(*args, **kwargs):
    raise RuntimeError("injected fault")

def inject(module, attribute):
    import sys
    setattr(sys.modules[module], attribute, explode)

for fault in os.environ["FAULTS"].split(","):
    module, attribute = fault.split(":")
    _startup.when_imported(module, lambda m=module, a=attribute: inject(m, a))
"""
IN_PROCESS = (
    "dagtrace.airflow.compat:patches",
    "dagtrace.airflow.compat:task_of",
    "dagtrace.airflow.execution:failure_of",
    "dagtrace.airflow.execution:Execution",
    "dagtrace.airflow.scheduler:tell_test",
    "dagtrace.options:options",
    "dagtrace.telemetry:current",
)
IN_THE_SCHEDULER = (
    "dagtrace.airflow.handover:Handover",
    "dagtrace.airflow.reader:Reader",
    "dagtrace.telemetry.destination:span_exporter",
)
OUTCOME = {
    ("numbers", "success"),
    ("double", "success"),
    ("flaky", "success"),
    ("traced", "success"),
    ("stop_here", "success"),
    ("never", "skipped"),
}


@pytest.fixture
def faults(tmp_path: Path) -> str:
    """Return a folder for PYTHONPATH in which Python finds the faults at its start."""
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "sitecustomize.py").write_text(INJECT)
    return str(tmp_path / "faults")


@pytest.mark.parametrize("fault", IN_PROCESS)
def test_a_fault_in_the_task_process(in_process: InProcess, faults: str, fault: str, tmp_path: Path) -> None:
    """The DAG ends as it would, retry and skip included, and the one line about it is not a traceback."""
    done = in_process.test("small", PYTHONPATH=faults, FAULTS=fault, DAGTRACE_HOME=str(tmp_path / "home"))
    rows = done.query("select task_id, state, run_id from task_instance")
    newest = done.query("select run_id from dag_run order by id desc limit 1")[0]["run_id"]
    rows = [row for row in rows if row["run_id"] == newest]
    assert {(row["task_id"], row["state"]) for row in rows} == OUTCOME
    assert "injected fault" in done.output
    assert done.output.count("Traceback (most recent") == 1  # the one that the DAG itself raises


def test_faults_in_the_scheduler(tmp_path: Path, dags: Path, postgres: Postgres, faults: str) -> None:
    """With the reader, the note to the child and the destination broken, a real scheduler runs the DAG all the same."""
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "PYTHONPATH": faults, "FAULTS": ",".join(IN_THE_SCHEDULER)}
    with Airflow(tmp_path, postgres.database(), **settings) as airflow:
        airflow.trigger("small", "faulty")
        assert airflow.wait("small", "faulty") == "success"
        airflow.stop("scheduler")
        rows = airflow.query("select task_id, state from task_instance")
        assert {(row["task_id"], row["state"]) for row in rows} == OUTCOME
        assert "injected fault" in airflow.log("scheduler")
