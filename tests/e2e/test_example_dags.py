"""
Airflow's own example DAGs under dagtrace: they end as they do without it, and every try has its span.

The few minutes that all of them take are for the full tier; one of each sort runs always.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.audit import audit
from support.cells import AIRFLOW
from support.examples import FILE, LEFT_OUT, outcomes_of, run_examples
from support.runs import Ran


if TYPE_CHECKING:
    from support.airflow import Airflow
    from support.postgres import Postgres

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.real,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(AIRFLOW[:2] not in ((2, 11), (3, 3)), reason="the examples of 2.11 and 3.3 are compared"),
]

OUTCOMES: dict[str, dict[str, str]] = json.loads(FILE.read_text()) if FILE.exists() else {}
"""From a run with dagtrace off (``support.examples``)."""

VARIES = {
    "example_branch_datetime_operator_2": "branches by the time of day",
    "example_branch_datetime_operator_3": "branches by the time of day",
    "example_weekday_branch_operator": "branches by the day of the week",
    "example_branch_dop_operator_v3": "branches by whether the minute is even",
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


@pytest.fixture(scope="module", params=["some", pytest.param("the rest", marks=pytest.mark.full)])
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> tuple[Airflow, set[str], set[str]]:
    """Run the examples; return the Airflow, which were triggered, and which DAGs there are."""
    some = OUTCOMES.keys() & set(ALWAYS)
    wanted = some if request.param == "some" else OUTCOMES.keys() - some
    airflow, known = run_examples(tmp_path_factory.mktemp("examples") / "airflow", postgres.database(), wanted)
    return airflow, wanted, known


def test_every_example_is_run_or_left_out_with_a_reason(ran: tuple[Airflow, set[str], set[str]]) -> None:
    """A new Airflow's new examples are noticed."""
    _, _, known = ran
    assert known - LEFT_OUT.keys() == OUTCOMES.keys()


def test_examples_end_as_they_do_without(ran: tuple[Airflow, set[str], set[str]]) -> None:
    """Each task of each example is in the state it ends in where dagtrace is off."""
    airflow, wanted, _ = ran
    found = outcomes_of(airflow)
    different = {
        dag_id: (found.get(dag_id), OUTCOMES[dag_id])
        for dag_id in wanted - VARIES.keys()
        if found.get(dag_id) != OUTCOMES[dag_id]
    }
    assert different == {}


def test_every_try_of_every_example_is_told(ran: tuple[Airflow, set[str], set[str]]) -> None:
    """Runs and tries are told once, as the database has them, and so are the runs that examples trigger."""
    airflow, wanted, _ = ran
    found = audit(Ran(airflow.traces, airflow.query, airflow.env))
    assert found.runs == found.traces >= len(wanted)
    assert found.tries >= sum(len(OUTCOMES[dag_id]) for dag_id in wanted)
