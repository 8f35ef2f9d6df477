"""Airflow's REST API, asked as its administrator: what a user does in the UI."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from support.airflow import Airflow

ALL_ADMINS = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true"}
"""The setting that lets ``Api`` in without a password."""


class Api:
    """Asks the API server of a running Airflow (3) that was started with ``ALL_ADMINS``."""

    def __init__(self, airflow: Airflow) -> None:
        self._root = f"http://127.0.0.1:{airflow.env['AIRFLOW__API__PORT']}"
        self._token = str(self._ask("GET", "/auth/token")["access_token"])

    def get(self, path: str) -> Any:
        """Return what lies below ``/api/v2``."""
        return self._ask("GET", f"/api/v2/{path}")

    def post(self, path: str, **body: Any) -> Any:
        """Make something."""
        return self._ask("POST", f"/api/v2/{path}", body)

    def patch(self, path: str, **body: Any) -> Any:
        """Change something."""
        return self._ask("PATCH", f"/api/v2/{path}", body)

    def trigger(self, dag_id: str, run_id: str, **body: Any) -> None:
        """Make a manual run, cheaper than ``airflow dags trigger`` by a whole process."""
        self.post(f"dags/{dag_id}/dagRuns", **{"dag_run_id": run_id, "logical_date": None, **body})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if token := getattr(self, "_token", None):
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
