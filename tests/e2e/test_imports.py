"""What dagtrace leaves alone: no listener is registered, and each DAG imports, or does not, as without it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.airflow import DAGS, run


if TYPE_CHECKING:
    from pathlib import Path

    from support.dag_test import InProcess

pytestmark = pytest.mark.real

IMPORTS = """
import json
from airflow.configuration import conf
from airflow.listeners.listener import get_listener_manager as core

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
try:
    from airflow.sdk.listener import get_listener_manager as sdk
except ImportError:
    sdk = core
bag = DagBag(conf.get("core", "dags_folder"))
print(json.dumps({
    "dags": {dag_id: sorted(dag.task_ids) for dag_id, dag in bag.dags.items()},
    "errors": {file.rpartition("/")[2]: error.splitlines()[-1] for file, error in bag.import_errors.items()},
    "listeners": [str(plugin) for manager in (core(), sdk()) for plugin in manager.pm.get_plugins()],
}))
"""

LISTENER = """
from types import ModuleType

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

listener = ModuleType("listener")

@hookimpl
def on_starting(component):
    pass

listener.on_starting = on_starting

class Listens(AirflowPlugin):
    name = "listens"
    listeners = [listener]
"""


def test_no_listener_and_the_same_imports(in_process: InProcess, tmp_path: Path) -> None:
    """Nothing listens because of us; a real listener is seen here, and makes Airflow refuse a DAG."""
    (tmp_path / "dags").mkdir()
    for name in ("small.py", "versions.py", "ends_in_trigger.py"):
        (tmp_path / "dags" / name).write_text((DAGS / name).read_text())
    (tmp_path / "dags" / "broken.py").write_text("from airflow import no_such_thing\n")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "listens.py").write_text(LISTENER)

    def imports(**extra: str) -> dict[str, Any]:
        env = {**in_process.env, "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"), **extra}
        env["PYTHONPATH"] = env["AIRFLOW__CORE__DAGS_FOLDER"]
        return json.loads(run(env, "python", "-c", IMPORTS).stdout.splitlines()[-1])

    on = imports()
    assert on == imports(DAGTRACE_ENABLED="false")
    assert on == imports(DAGTRACE_TRACE_URL="http://localhost/{trace_id}")  # with a plugin of ours, which has none
    assert on["listeners"] == []
    assert on["dags"].keys() == {"small", "ends_in_trigger"}
    assert on["errors"].keys() == {"broken.py"}
    control = imports(AIRFLOW__CORE__PLUGINS_FOLDER=str(tmp_path / "plugins"))
    assert control["listeners"] != []
    assert control["errors"].keys() == {"broken.py", "ends_in_trigger.py"}
