"""A real Airflow in processes of its own: database, API server and scheduler, as a user runs them."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.cells import AIRFLOW, BIN


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

DAGS = Path(__file__).parent.parent / "dags"


def dags_in(folder: Path, *names: str) -> Path:
    """Return a new DAGs folder with these files and what they import, so that no other test's DAGs are beside them."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    for name in ("versions.py", *names):
        shutil.copy(DAGS / name, dags)
    return dags


_NAMED_LOGGERS = {
    "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "false",
    "AIRFLOW__LOGGING__LOG_FORMAT": "[%(asctime)s] {%(filename)s:%(lineno)d} %(levelname)s - %(name)s: %(message)s",
}
"""Airflow before 3.1 does not say which logger a line is of."""


def warnings_of_ours(log: str) -> list[str]:
    """Return the lines of a log in which dagtrace warns of something."""
    return [line for line in log.splitlines() if "warning" in line.lower() and "dagtrace" in line]


def environment(home: Path, traces: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an Airflow at ``home`` that is traced into ``traces``; ``extra`` goes over it."""
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "false",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "false",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING" if AIRFLOW >= (3,) else "INFO",  # 2.x says a task's trace at INFO
        **({} if AIRFLOW >= (3, 1) else _NAMED_LOGGERS),
        "DAGTRACE_ENABLED": "true",
        "DAGTRACE_HOME": str(traces),
        "NO_COLOR": "1",
        "PYTHONPATH": str(DAGS),  # 3.0's `dags reserialize` does not add the folder itself
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DAGTRACE", "OTEL", "PYTEST"))}
    return {**inherited, **own, **extra}


def run(env: Mapping[str, str], *command: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run a command of the test environment and return what it printed; raise with its output where it failed."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=dict(env),
        timeout=timeout,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
    return done


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asking(database: str) -> Callable[..., list[dict[str, Any]]]:
    """Return what asks a database (SQLAlchemy URL), past Airflow's code and ours: SQL and values to rows."""

    def query(sql: str, *values: Any) -> list[dict[str, Any]]:
        import psycopg2.extras

        with (
            psycopg2.connect(database.replace("postgresql+psycopg2", "postgresql")) as connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute(sql, values)
            return [dict(row) for row in cursor.fetchall()]

    return query


class Airflow:
    """API server and scheduler with LocalExecutor over a PostgreSQL database; a context manager."""

    def __init__(self, folder: Path, database: str, **extra: str) -> None:
        port = free_port()
        self.folder = folder
        self.traces = folder / "traces"
        self.env = environment(
            folder / "airflow",
            self.traces,
            {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
                "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(16),
                "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
                "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # on a busy machine 5 s are few
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
                "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",  # of Airflow 2's supervisors
                **extra,
            },
        )
        self._version = f"http://127.0.0.1:{port}/api/{'v2' if AIRFLOW >= (3,) else 'v1'}/version"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        run(self.env, "airflow", "db", "migrate")
        run(self.env, "airflow", "dags", "reserialize")
        if AIRFLOW >= (3,):  # Airflow 2's tasks speak to the database
            self.start("api-server")
        self.start("scheduler")
        return self

    def __exit__(self, *exception: object) -> None:
        for name in reversed(self._processes.copy()):  # tasks need the API server to end
            self.stop(name)

    def start(self, name: str, *command: str, **extra: str) -> None:
        """
        Start one of Airflow's processes; a second scheduler is ``scheduler-2``. Its output goes to a file.

        ``command`` is for one that is more than ``airflow`` and the name; ``extra`` goes over its environment.
        """
        program, *arguments = command or ("airflow", name.removesuffix("-2"))
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(BIN / program), *arguments],
                env={**self.env, **extra},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if name in ("api-server", "webserver"):
            self._wait_for_api(name)

    def runs(self, name: str) -> bool:
        """Return whether one of the processes was started."""
        return name in self._processes

    def stop(self, name: str, timeout: float = 60) -> float:
        """Ask one of the processes to end as an operator would (SIGTERM); return how long it took, in seconds."""
        process = self._processes.pop(name)
        started = time.monotonic()
        # Asked again after a while: the scheduler's handler raises SystemExit, which Python ignores where the signal
        # comes while an object's finalizer runs ("Exception ignored in ... _collection_gced": seen).
        for _ in range(3):
            process.terminate()
            try:
                process.wait(timeout / 3)
            except subprocess.TimeoutExpired:
                continue
            return time.monotonic() - started
        os.killpg(process.pid, 9)
        raise AssertionError(f"{name} did not end within {timeout} s:\n{self.log(name)[-4000:]}")

    def log(self, name: str) -> str:
        """Return what one of the processes printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def trigger(self, dag_id: str, run_id: str) -> None:
        """Make a manual run."""
        run(self.env, "airflow", "dags", "trigger", dag_id, "--run-id", run_id)

    def command(self, *words: str) -> None:
        """Run one of Airflow's commands."""
        run(self.env, "airflow", *words)

    def wait(self, dag_id: str, run_id: str, timeout: float = 180) -> str:
        """Wait until a run is final in the database and return its state."""
        deadline = time.monotonic() + timeout
        state = None
        while time.monotonic() < deadline:
            rows = self.query("select state from dag_run where dag_id = %s and run_id = %s", dag_id, run_id)
            state = rows[0]["state"] if rows else None
            if state in ("success", "failed"):
                return state
            time.sleep(0.5)
        raise AssertionError(f"{dag_id} {run_id} is {state} after {timeout} s:\n{self.log('scheduler')[-6000:]}")

    def query(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database, past Airflow's code and ours."""
        return asking(self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])(sql, *values)

    def _wait_for_api(self, name: str, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self._version, timeout=5):
                    return
            except OSError:
                time.sleep(0.5)
        raise AssertionError(f"the {name} does not answer:\n{self.log(name)[-4000:]}")
