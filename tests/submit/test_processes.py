"""Rows of processes on the worker: what a child really has in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import ExternalPythonOperator, PythonOperator
from airflow.sdk import DAG


if TYPE_CHECKING:
    from submit.conftest import Task


PRINT = "echo $TRACEPARENT,$TRACESTATE,$MINE"


def test_any_child_process_inherits_it(task: Task) -> None:
    """What a Python callable starts by itself has the context, and the process is as it was when the task is over."""

    def work() -> str:
        code = "import os; print(os.environ['TRACEPARENT'])"
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    assert task.run(PythonOperator(task_id="t", python_callable=work)) == task.traceparent
    assert "TRACEPARENT" not in os.environ


def test_the_workers_own_parent_goes_under(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """What started the worker is not what started the task's child; afterwards the worker has its own again."""
    with monkeypatch.context() as patch:
        patch.setenv("TRACEPARENT", "00-11111111111111111111111111111111-1111111111111111-01")
        patch.setenv("TRACESTATE", "worker=1")
        assert task.run(BashOperator(task_id="t", bash_command=PRINT)) == f"{task.traceparent},,"
        assert os.environ["TRACEPARENT"].startswith("00-1111")
        assert os.environ["TRACESTATE"] == "worker=1"


def test_what_the_tasks_code_sets_stays(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that user code gives its children goes over ours, and is not taken away at the end."""
    with monkeypatch.context() as patch:
        task.run(PythonOperator(task_id="t", python_callable=lambda: patch.setenv("TRACEPARENT", "theirs")))
        assert os.environ["TRACEPARENT"] == "theirs"
    os.environ.pop("TRACEPARENT", None)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({}, "<context>,,"),
        ({"env": {"MINE": "1"}}, "<context>,,1"),
        ({"env": {"MINE": "1"}, "append_env": True}, "<context>,,1"),
        ({"env": {"TRACEPARENT": "theirs", "MINE": "1"}}, "theirs,,1"),
        ({"env": {"TRACEPARENT": ""}}, ",,"),
    ],
)
def test_bash(task: Task, given: dict[str, Any], seen: str) -> None:
    """BashOperator: with its own environment or the worker's; a user's value stays, an empty one, too; twice."""
    operator: Any = BashOperator(task_id="t", bash_command=PRINT, **given)
    for _ in range(2):
        assert task.run(operator).replace(task.traceparent, "<context>") == seen
        left: dict[str, str] = operator.env or {}
        assert left.get("TRACEPARENT") in (None, "theirs", "")


@pytest.mark.parametrize("inherit", [True, False])
def test_external_python(task: Task, inherit: bool) -> None:  # noqa: FBT001 - a parameter
    """@task.external_python and virtualenv: the other Python has the context, also where it inherits nothing."""

    def work() -> Any:
        import os

        return os.environ["TRACEPARENT"], os.environ.get("MINE")

    operator: Any = ExternalPythonOperator(
        task_id="t", python=str(Path(sys.base_prefix) / "bin/python3"), python_callable=work,
        env_vars={"MINE": "1"}, inherit_env=inherit, expect_airflow=False, dag=DAG("d"),
    )  # fmt: skip
    for _ in range(2):
        assert task.run(operator) == (task.traceparent, "1")
    assert operator.env_vars == {"MINE": "1"}


def test_an_excluded_dag_carries_nothing(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a DAG that is not traced starts its processes as if dagtrace were not there."""
    from dagtrace.options import options

    monkeypatch.setenv("DAGTRACE_EXCLUDE", "private*")
    options.cache_clear()
    own = BashOperator(task_id="t", bash_command=PRINT, env={"MINE": "1"})
    for operator in (own, BashOperator(task_id="t", bash_command=PRINT)):
        seen = task.do(operator.execute, operator, dag_id="private_1")
        assert seen.startswith(",,")
