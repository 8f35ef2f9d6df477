"""Airflow's REST API, asked as its administrator: what a user does in the UI, on every Airflow under test."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from support.cells import AIRFLOW


if TYPE_CHECKING:
    from pathlib import Path

    from support.airflow import Airflow

ALL_ADMINS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",
    "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",  # Airflow 2, as its public role
}
"""The settings that let ``Api`` in without a password."""

USER, PASSWORD = "someone", "a password"


def with_login(folder: Path) -> dict[str, str]:
    """Return the settings of an Airflow 3 that nobody enters without a password; of an Airflow 2 ``ALL_ADMINS``."""
    if AIRFLOW < (3,):
        return ALL_ADMINS
    passwords = folder / "passwords.json"
    passwords.write_text(json.dumps({USER: PASSWORD}))
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
    }


_PUBLIC_ADMIN = "AUTH_ROLE_PUBLIC = 'Admin'\nWTF_CSRF_ENABLED = False\n"


class Api:
    """Asks the API of a running Airflow that was started with ``ALL_ADMINS``, or as the user of ``with_login``."""

    def __init__(self, airflow: Airflow) -> None:
        self._root = f"http://127.0.0.1:{airflow.env['AIRFLOW__API__PORT']}"
        self._token: str | None = None
        if "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE" in airflow.env:
            self._token = str(
                self._ask("POST", "/auth/token", {"username": USER, "password": PASSWORD})["access_token"]
            )
        elif AIRFLOW >= (3,):
            self._token = str(self._ask("GET", "/auth/token")["access_token"])
        elif not airflow.runs("webserver"):  # nothing else of an Airflow 2 needs it
            (airflow.folder / "airflow" / "webserver_config.py").write_text(_PUBLIC_ADMIN)
            port = airflow.env["AIRFLOW__API__PORT"]
            airflow.start("webserver", "airflow", "webserver", "--workers", "1", "--port", port)

    @property
    def token(self) -> str:
        """What a browser has as the cookie ``_token``, empty where nobody has to log in."""
        return self._token or ""

    def get(self, path: str) -> Any:
        """Return what lies below ``/api/v2`` (Airflow 2: ``/api/v1``)."""
        return self._ask("GET", self._path(path))

    def post(self, path: str, **body: Any) -> Any:
        """Make something."""
        return self._ask("POST", self._path(path), body)

    def patch(self, path: str, **body: Any) -> Any:
        """Change something."""
        return self._ask("PATCH", self._path(path), body)

    def trigger(self, dag_id: str, run_id: str, **body: Any) -> None:
        """Make a manual run, cheaper than ``airflow dags trigger`` by a whole process."""
        date = {"logical_date": None} if AIRFLOW >= (3,) else {}
        self.post(f"dags/{dag_id}/dagRuns", **{"dag_run_id": run_id, **date, **body})

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Set the state of a task, as the button "Mark as …" does."""
        real = {} if AIRFLOW >= (3,) else {"dry_run": False}
        self.patch(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", new_state=state, **real)

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Set the state of a run, as its button does."""
        self.patch(f"dags/{dag_id}/dagRuns/{run_id}", state=state)

    def clear(self, dag_id: str, run_id: str, *task_ids: str, downstream: bool = False) -> None:
        """Clear tasks of a run, as the button does."""
        self.post(
            f"dags/{dag_id}/clearTaskInstances",
            dry_run=False,
            dag_run_id=run_id,
            task_ids=task_ids,
            only_failed=False,
            include_downstream=downstream,
            reset_dag_runs=True,
        )

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear a run with all of its tasks."""
        self.post(f"dags/{dag_id}/dagRuns/{run_id}/clear", dry_run=False)

    @staticmethod
    def _path(path: str) -> str:
        return f"/api/{'v2' if AIRFLOW >= (3,) else 'v1'}/{path}"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise AssertionError(f"{method} {path} {body}: {error.code} {said}") from None
