"""What Airflow's UI lets a plugin add, and under whose rights."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from dagtrace.airflow.compat import VERSION


HAS_VIEWS = VERSION >= (3, 1)
"""Plugins may add tabs to the UI's pages; in 3.0 and in 2.x they may add links to task instances only."""


def plugin_base() -> type[Any] | None:
    """Return Airflow's class for plugins, of whichever of its two managers is loading them (3.2 and later have two)."""
    managers = ("airflow.plugins_manager", "airflow.sdk.plugins_manager")
    return next((sys.modules[name].AirflowPlugin for name in managers if name in sys.modules), None)


def may_see_run() -> Any:
    """Return the dependency by which a view of the API server requires the right to see a DAG's runs."""
    security: Any = importlib.import_module("airflow.api_fastapi.core_api.security")
    details: Any = importlib.import_module("airflow.api_fastapi.auth.managers.models.resource_details")
    return security.requires_access_dag("GET", details.DagAccessEntity.RUN)
