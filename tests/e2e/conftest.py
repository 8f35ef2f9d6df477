"""The two ways a DAG runs, each done once for the session: in one process, and under a real scheduler on PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import backends
from support.airflow import Airflow, dags_in, warnings_of_ours
from support.dag_test import InProcess
from support.hands import RUN, SETTINGS, Hands
from support.postgres import Postgres
from support.runs import Ran
from support.sink import Sink
from support.told import Told, telling
from support.webhook import Webhook


if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
TESTS = Path(__file__).parent.parent
DAGS = TESTS / "dags"


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DAGs folder with the demo's DAG and the small one."""
    folder = tmp_path_factory.mktemp("dags")
    for source in (EXAMPLES / "flights.py", DAGS / "small.py", DAGS / "versions.py"):
        shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory, dags: Path, postgres: Postgres) -> Iterator[Told]:
    """Run everything with the real backends; what is not built fails with one line."""
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)
    folder = tmp_path_factory.mktemp("told")
    own = folder / "dags"
    shutil.copytree(dags, own)
    for name in ("counted.py", "morning.py"):
        shutil.copy(DAGS / name, own)
    with Sink() as logs, Webhook() as hook:
        yield from telling(folder, own, postgres.database(), logs, hook)


@pytest.fixture(scope="session")
def in_process(tmp_path_factory: pytest.TempPathFactory, dags: Path) -> InProcess:
    """Return an Airflow home for ``airflow dags test``."""
    return InProcess(tmp_path_factory.mktemp("in-process"), AIRFLOW__CORE__DAGS_FOLDER=str(dags))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Return a PostgreSQL server."""
    server = Postgres()
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
        assert warnings_of_ours(airflow.log("scheduler")) == []
    ran = Ran(airflow.traces, airflow.query)
    return {"small": ran, "flights": ran}


@pytest.fixture(scope="session")
def fates(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Ran]:
    """
    Let tasks and runs end in every way there is, and return what became of them.

    A scheduler's restart in the middle of a run, and while it is down a run marked and cleared; then two schedulers at
    once, all fates a task brings about itself, a run cleared after its end, and all that hands do from outside.
    """
    folder = tmp_path_factory.mktemp("fates")
    dags = dags_in(folder, "fates.py", "hands.py", "small.py")
    settings = {
        **SETTINGS,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "PYTHONPATH": f"{dags}:{TESTS}",
        "FATES_HOME": str(folder),
        "DAGTRACE_FLUSH_TIMEOUT": "60",  # a machine that is busy with many tests would lose spans in 2 s
    }
    with Airflow(folder, postgres.database(), **settings) as airflow:
        hands = Hands(airflow)
        api = hands.api
        api.trigger("slow", "restarted")
        api.trigger("slow", "blinked")
        hands.wait_for("running", "sleeps", dag_id="slow", run_id="restarted")
        hands.wait_for("running", "sleeps", dag_id="slow", run_id="blinked")
        airflow.stop("scheduler")
        api.mark_run("slow", "blinked", "success")
        api.clear_run("slow", "blinked")
        airflow.start("scheduler")
        airflow.start("scheduler-2")
        airflow.start("triggerer")
        api.trigger("hands", RUN)
        api.trigger("stopped", "success")
        api.trigger("stopped", "failed")
        api.trigger("timed_out", "late")
        api.trigger("small", "cleared")
        api.trigger("fates", "all")
        hands()
        assert airflow.wait("slow", "restarted") == "success"
        assert airflow.wait("small", "cleared") == "success"
        api.clear("small", "cleared", "traced")
        assert airflow.wait("fates", "all") == "failed"
        assert airflow.wait("hands", RUN) == "failed"
        assert airflow.wait("stopped", "success") == "success"
        assert airflow.wait("stopped", "failed") == "failed"
        assert airflow.wait("timed_out", "late") == "failed"
        assert airflow.wait("slow", "blinked") == "success"
        assert airflow.wait("small", "cleared") == "success"
        airflow.stop("scheduler")
        airflow.stop("scheduler-2")
        airflow.stop("triggerer")
        yield Ran(airflow.traces, airflow.query, airflow.env)
