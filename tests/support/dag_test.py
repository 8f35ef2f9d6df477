"""``airflow dags test`` in a process of its own, on SQLite: how a user tries a DAG."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from support.airflow import environment, run
from support.cells import AIRFLOW, BIN


if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Finished:
    """What a test run left behind."""

    output: str
    traces: Path
    database: Path
    ended: float
    """Epoch seconds when the process was gone."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the database, past Airflow's code and ours; dates come back aware, in UTC."""
        with sqlite3.connect(self.database) as connection:
            connection.row_factory = sqlite3.Row
            return [{key: _date(row[key]) for key in row.keys()} for row in connection.execute(sql)]  # noqa: SIM118


def _date(value: Any) -> Any:
    if isinstance(value, str) and len(value) >= 19 and value[4:5] == "-" and value[10:11] == " ":
        return datetime.fromisoformat(value).replace(tzinfo=timezone.utc)
    return value


class InProcess:
    """An Airflow home on SQLite; each ``test()`` is one process."""

    def __init__(self, folder: Path, **extra: str) -> None:
        self.folder = folder
        self.database = folder / "airflow.db"
        self.traces = folder / "traces"
        own = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "FLIGHTS_HOME": str(folder / "data"),
        }
        if AIRFLOW >= (3,):  # Airflow 2 refuses that on SQLite, in each command and with a traceback
            own["AIRFLOW__CORE__EXECUTOR"] = "LocalExecutor"
        self.env = environment(folder / "airflow", self.traces, {**own, **extra})
        run({**self.env, "DAGTRACE_ENABLED": "false"}, "airflow", "db", "migrate")

    def test(self, dag_id: str, *arguments: str, **extra: str) -> Finished:
        """Run ``airflow dags test``; raise with its output where the process failed."""
        done = subprocess.run(
            [str(BIN / "airflow"), "dags", "test", dag_id, *arguments],
            env={**self.env, **extra},
            timeout=240,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        ended = time.time()
        assert done.returncode == 0, done.stdout[-6000:]
        return Finished(done.stdout, self.traces, self.database, ended)
