"""What real tasks start: each process is told the span of the task that started it, and no other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dagtrace.cli.traces import read
from dagtrace.identity import SpanContext
from dagtrace.semconv import attributes as names
from support.airflow import dags_in
from support.dag_test import InProcess


if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.real


def test_each_process_is_told_its_own_task(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Shells, a subprocess, another Python and a program with spans of its own, in one DAG run by Airflow."""
    folder = tmp_path_factory.mktemp("started")
    home = InProcess(folder, AIRFLOW__CORE__DAGS_FOLDER=str(dags_in(folder, "started.py")))
    done = home.test("started", STARTED_HOME=str(tmp_path))
    (trace,) = [t for t in read(done.traces) if any(n.span.name == "dag_run started" for n in t.roots)]
    executions = {
        str(node.span.attributes[names.AIRFLOW_TASK_ID]): node
        for node in trace.walk()
        if node.span.name.startswith("execute ")
    }
    told = {path.name: SpanContext.parse(path.read_text()) for path in tmp_path.iterdir()}
    assert set(told) == {"bash", "bash_env", "python_subprocess", "external_python"}
    for task_id, context in told.items():
        span = executions[task_id].span
        assert context == SpanContext(span.trace_id, span.span_id), task_id
    assert [child.span.name for child in executions["program"].children] == ["program"]
