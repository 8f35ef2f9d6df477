"""
Airflow's own example DAGs under dagtrace: they end as they do without it, and every try has its span.

``example_dags.json`` has the outcome of each, from runs of Airflow 3.3.2 with dagtrace off (two, which agreed). The few
minutes that all of them take are for the full tier; one of each sort runs always.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.airflow import Airflow
from support.api import ALL_ADMINS, Api
from support.audit import audit
from support.cells import AIRFLOW
from support.runs import Ran


if TYPE_CHECKING:
    from support.postgres import Postgres

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.real,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(AIRFLOW[:2] != (3, 3), reason="the outcomes are those of Airflow 3.3's examples"),
]

OUTCOMES: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("example_dags.json").read_text())
"""By DAG, the state of each task (``task[map index]`` where it is mapped)."""

LEFT_OUT = {
    "example_analytics": "reads from S3",
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

VARIES = {
    "example_branch_datetime_operator_2": "branches by the time of day",
    "example_branch_datetime_operator_3": "branches by the time of day",
    "example_weekday_branch_operator": "branches by the day of the week",
}
"""Run, and compared with the database, but not with the outcome of another day."""

ALWAYS = (
    *("example_bash_operator", "example_branch_labels", "example_dynamic_task_mapping", "example_failed_dag"),
    *("example_nested_branch_dag", "example_setup_teardown", "example_setup_teardown_taskflow", "example_skip_dag"),
    *("example_short_circuit_operator", "example_task_group", "example_task_group_mapping", "latest_only_with_trigger"),
    *("example_task_mapping_second_order", "example_time_delta_sensor_async", "example_trigger_controller_dag"),
    *("example_xcom_args_with_operators", "example_sensor_decorator", "example_task_state_store", "tutorial_dag"),
    *("asset_alias_example_alias_producer", "ingest_regional_sales", "example_measurement_correction_operator"),
)

UNFINISHED = "select dag_id, run_id, state from dag_run where state not in ('success', 'failed')"


@pytest.fixture(scope="module", params=["some", pytest.param("the rest", marks=pytest.mark.full)])
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> tuple[Ran, tuple[str, ...], set[str]]:
    """Trigger the examples once each and wait; return the runs, which they are, and which DAGs there are."""
    dag_ids = ALWAYS if request.param == "some" else tuple(sorted(OUTCOMES.keys() - set(ALWAYS)))
    folder = tmp_path_factory.mktemp("examples")
    (folder / "dags").mkdir()
    settings = {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "true",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "true",
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "false",  # no runs but those that are triggered
        # What a machine does that is too busy is not the question here.
        "DAGTRACE_FLUSH_TIMEOUT": "30",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        **ALL_ADMINS,
    }
    with Airflow(folder, postgres.database(), **settings) as airflow:
        airflow.start("triggerer")
        known = {row["dag_id"] for row in airflow.query("select dag_id from dag")}
        api = Api(airflow)
        for dag_id in {*dag_ids, "example_trigger_target_dag"}:
            api.patch(f"dags/{dag_id}", is_paused=False)
        for dag_id in dag_ids:
            api.trigger(dag_id, "one")
        deadline = time.monotonic() + 900
        while rows := airflow.query(UNFINISHED):
            assert time.monotonic() < deadline, rows
            time.sleep(1)
        airflow.stop("scheduler")
        airflow.stop("triggerer")
    return Ran(airflow.traces, airflow.query, airflow.env), dag_ids, known


def test_every_example_is_run_or_left_out_with_a_reason(ran: tuple[Ran, tuple[str, ...], set[str]]) -> None:
    """A new Airflow's new examples are noticed."""
    _, _, known = ran
    assert known == OUTCOMES.keys() | LEFT_OUT.keys()


def test_examples_end_as_they_do_without(ran: tuple[Ran, tuple[str, ...], set[str]]) -> None:
    """Each task of each example is in the state it ends in where dagtrace is off."""
    airflow, dag_ids, _ = ran
    states: dict[str, dict[str, str]] = {dag_id: {} for dag_id in dag_ids}
    for row in airflow.query("select dag_id, task_id, map_index, state from task_instance where run_id = 'one'"):
        index = "" if row["map_index"] < 0 else f"[{row['map_index']}]"
        states[row["dag_id"]][row["task_id"] + index] = row["state"]
    different = {
        dag_id: (found, OUTCOMES[dag_id])
        for dag_id, found in states.items()
        if dag_id not in VARIES and found != OUTCOMES[dag_id]
    }
    assert different == {}


def test_every_try_of_every_example_is_told(ran: tuple[Ran, tuple[str, ...], set[str]]) -> None:
    """Runs and tries are told once, as the database has them, and so are the runs that examples trigger."""
    airflow, dag_ids, _ = ran
    found = audit(airflow)
    assert found.runs == found.traces >= len(dag_ids)
    assert found.tries >= sum(len(OUTCOMES[dag_id]) for dag_id in dag_ids)
