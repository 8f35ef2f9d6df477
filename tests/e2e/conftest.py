"""The two ways a DAG runs, each done once for the session: in one process, and under a real scheduler on PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.airflow import Airflow
from support.dag_test import InProcess
from support.postgres import Postgres
from support.runs import Ran


if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
DAGS = Path(__file__).parent.parent / "dags"


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DAGs folder with the demo's DAG and the small one."""
    folder = tmp_path_factory.mktemp("dags")
    for source in (EXAMPLES / "flights.py", DAGS / "small.py"):
        shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="session")
def in_process(tmp_path_factory: pytest.TempPathFactory, dags: Path) -> InProcess:
    """Return an Airflow home for ``airflow dags test``."""
    return InProcess(tmp_path_factory.mktemp("in-process"), AIRFLOW__CORE__DAGS_FOLDER=str(dags))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Return a PostgreSQL server."""
    server = Postgres(tmp_path_factory.mktemp("pg"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def flights_in_process(in_process: InProcess) -> Ran:
    """Run the demo's DAG in one process."""
    done = in_process.test("flights")
    return Ran(done.traces, done.query)


@pytest.fixture(scope="session")
def scheduled(tmp_path_factory: pytest.TempPathFactory, dags: Path, postgres: Postgres) -> dict[str, Ran]:
    """Run both DAGs under a real scheduler with LocalExecutor, then stop it as an operator would."""
    folder = tmp_path_factory.mktemp("scheduled")
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "FLIGHTS_HOME": str(folder / "data")}
    with Airflow(folder, postgres.database(), **settings) as airflow:
        airflow.trigger("small", "first")
        airflow.trigger("flights", "first")
        assert airflow.wait("small", "first") == "success"
        assert airflow.wait("flights", "first") == "success"
        airflow.stop("scheduler")
        log = airflow.log("scheduler")
    assert "dagtrace" not in "".join(line for line in log.splitlines() if "warning" in line), log[-3000:]
    ran = Ran(airflow.traces, airflow.query)
    return {"small": ran, "flights": ran}
