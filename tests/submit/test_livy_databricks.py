"""Rows of Livy and Databricks: the exact requests, at an HTTP server that stands for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.apache.livy.operators.livy import LivyOperator
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator, DatabricksSubmitRunOperator

from submit.conftest import assert_discreet
from submit.remote import Remote


if TYPE_CHECKING:
    from collections.abc import Iterator

    from submit.conftest import Task


USERS = {"spark.dagtrace.traceparent": "theirs", "spark.x": "1"}


@pytest.fixture
def livy(task: Task) -> Iterator[Remote]:
    """Return a Livy that runs a batch: starting, running, success."""
    states = [{"state": "starting"}, {"state": "running"}, {"state": "success"}]
    answers: dict[str, Any] = {
        "POST /batches": {"id": 7},
        "/7/state": [*states, *states],
        "/7/log": {"total": 0, "log": []},
        "GET /batches/7$": {"id": 7, "appId": "a"},
    }
    with Remote(answers) as remote:
        task.connect("livy_default", conn_type="livy", host="127.0.0.1", port=remote.port)
        yield remote


def test_livy(task: Task, livy: Remote) -> None:
    """LivyOperator: the batch's conf has the context beside the user's; the span its id, address and states."""
    operator: Any = LivyOperator(
        task_id="t", file="a.py", conf={"spark.x": "1"}, polling_interval=1, durable=False,
    )  # fmt: skip
    seen: list[Any] = []
    for _ in range(2):
        task.run(operator)
        seen.append(task.places(livy.sent("POST /batches")[-1]))
        assert task.states() == [("7", None), ("7", "starting"), ("7", "running"), ("7", "success")]
        assert task.span.attributes["remote_job.url"] == f"{livy.url}/batches/7"
    assert (
        seen
        == [
            {"file": "a.py", "conf": {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"}},
        ]
        * 2
    )
    assert operator.spark_params["conf"] == {"spark.x": "1"}
    assert_discreet(livy.raw)


def test_livy_deferred(task: Task, livy: Remote) -> None:
    """A deferred batch: one execution says what it submitted, the one that resumes says how it ended; none submits."""
    operator: Any = LivyOperator(task_id="t", file="a.py", deferrable=True, polling_interval=1)
    with pytest.raises(TaskDeferred) as deferred:
        task.run(operator)
    assert task.places(livy.sent("POST /batches")) == [
        {"file": "a.py", "conf": {"spark.dagtrace.traceparent": "<context>"}}
    ]
    assert task.states() == [("7", None), ("7", "starting")]
    trigger: Any = vars(deferred.value)["trigger"]
    assert "traceparent" not in str(trigger.serialize())
    event = {"status": "success", "batch_id": 7, "response": "done", "log_lines": None}
    task.run(operator, "execute_complete", event=event)
    assert task.states() == [("7", "success")]
    assert len(livy.sent("POST /batches")) == 1


def test_livy_users_value(task: Task, livy: Remote) -> None:
    """A parent that the user gives the job stays his."""
    task.run(LivyOperator(task_id="t", file="a.py", conf=USERS))
    assert livy.sent("POST /batches")[0]["conf"] == USERS


@pytest.fixture
def databricks(task: Task) -> Iterator[Remote]:
    """Return a Databricks that runs anything: pending, running, done."""
    page = "https://dbc.example/run/9"

    def run(**state: str) -> dict[str, Any]:
        return {"run_id": 9, "job_id": 4, "run_page_url": page, "state": {"state_message": "", **state}}

    runs = [
        run(life_cycle_state="PENDING"),
        run(life_cycle_state="RUNNING"),
        run(life_cycle_state="TERMINATED", result_state="SUCCESS"),
    ]
    answers = {"runs/submit": {"run_id": 9}, "jobs/run-now": {"run_id": 9}, "runs/get": [runs[0], *runs, *runs]}
    with Remote(answers) as remote:
        where = {"host": "127.0.0.1", "port": remote.port, "schema": "http"}
        task.connect("databricks_default", conn_type="databricks", password="hunter2-token", **where)
        yield remote


CONF = {"spark.dagtrace.traceparent": "<context>"}
ENV = {"TRACEPARENT": "<context>"}
NEW = {"spark_version": "15", "num_workers": 1}
SUBMITTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "new cluster": (
        {"new_cluster": NEW, "notebook_task": {"notebook_path": "/n"}},
        {"new_cluster": {**NEW, "spark_conf": CONF, "spark_env_vars": ENV}, "notebook_task": {"notebook_path": "/n"}},
    ),
    "the user's own": (
        {"new_cluster": {**NEW, "spark_conf": USERS, "spark_env_vars": {"TRACEPARENT": "theirs"}},
         "spark_python_task": {"python_file": "f", "parameters": ["a"]}},
        {"new_cluster": {**NEW, "spark_conf": USERS, "spark_env_vars": {"TRACEPARENT": "theirs"}},
         "spark_python_task": {"python_file": "f", "parameters": ["a"]}},
    ),
    "existing cluster, notebook": (
        {"existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n", "base_parameters": {"a": "1"}}},
        {"existing_cluster_id": "c",
         "notebook_task": {"notebook_path": "/n", "base_parameters": {"a": "1", **ENV}}},
    ),
    "existing cluster, script": (
        {"existing_cluster_id": "c", "spark_python_task": {"python_file": "f", "parameters": ["a"]}},
        {"existing_cluster_id": "c", "spark_python_task": {"python_file": "f", "parameters": ["a"]}},
    ),
    "spark-submit": (
        {"new_cluster": NEW, "spark_submit_task": {"parameters": ["--class", "C", "a.jar"]}},
        {"new_cluster": NEW, "spark_submit_task": {
            "parameters": ["--conf", "spark.dagtrace.traceparent=<context>", "--class", "C", "a.jar"]}},
    ),
    "several tasks, a job cluster": (
        {"job_clusters": [{"job_cluster_key": "k", "new_cluster": NEW}],
         "tasks": [
             {"task_key": "a", "job_cluster_key": "k", "notebook_task": {"notebook_path": "/n"}},
             {"task_key": "b", "new_cluster": NEW, "spark_jar_task": {"main_class_name": "C"}},
             {"task_key": "c", "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/n"}}]},
        {"job_clusters": [
            {"job_cluster_key": "k", "new_cluster": {**NEW, "spark_conf": CONF, "spark_env_vars": ENV}}],
         "tasks": [
             {"task_key": "a", "job_cluster_key": "k", "notebook_task": {"notebook_path": "/n"}},
             {"task_key": "b", "new_cluster": {**NEW, "spark_conf": CONF, "spark_env_vars": ENV},
              "spark_jar_task": {"main_class_name": "C"}},
             {"task_key": "c", "existing_cluster_id": "c",
              "notebook_task": {"notebook_path": "/n", "base_parameters": ENV}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SUBMITTED)
def test_databricks_submit_run(task: Task, databricks: Remote, kind: str) -> None:
    """DatabricksSubmitRunOperator: a new cluster is told, of what is there only what may be told; states come back."""
    given, wanted = SUBMITTED[kind]
    operator: Any = DatabricksSubmitRunOperator(task_id="t", json=given, polling_period_seconds=0, durable=False)
    for _ in range(2):
        task.run(operator)
        sent = {key: value for key, value in databricks.sent("runs/submit")[-1].items() if key in wanted}
        assert (task.places(sent) if "<context>" in str(wanted) else sent) == _as_strings(wanted)
    assert operator.json == given
    assert_discreet("".join(str(request.body) for request in databricks.requests))


def _as_strings(value: Any) -> Any:
    """Return a payload as Databricks' hook sends it: numbers as text."""
    return json.loads(json.dumps(value), parse_int=str)


def test_databricks_states(task: Task, databricks: Remote) -> None:
    """The run's id, page, each of its states and the last one are on the span that waited for it."""
    task.run(
        DatabricksSubmitRunOperator(
            task_id="t", json={"new_cluster": NEW, "spark_jar_task": {"main_class_name": "C"}},
            polling_period_seconds=0, durable=False,
        )
    )  # fmt: skip
    assert task.states() == [("9", None), ("9", "PENDING"), ("9", "RUNNING"), ("9", "SUCCESS")]
    assert task.span.attributes["remote_job.url"] == "https://dbc.example/run/9"
    assert task.span.attributes["remote_job.system"] == "databricks"


def test_databricks_deferred(task: Task, databricks: Remote) -> None:
    """A deferred run: submitted once, its page and first state from there, its end from the trigger's event."""
    payload = {"new_cluster": NEW, "spark_jar_task": {"main_class_name": "C"}}
    operator: Any = DatabricksSubmitRunOperator(task_id="t", json=payload, deferrable=True)
    with pytest.raises(TaskDeferred):
        task.run(operator)
    assert task.states() == [("9", None), ("9", "RUNNING")]
    state = '{"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}'
    event: dict[str, Any] = {"run_id": 9, "run_page_url": "https://dbc.example/run/9", "run_state": state, "errors": []}
    task.run(operator, "execute_complete", event=event)
    assert task.states() == [("9", "SUCCESS")]
    assert len(databricks.sent("runs/submit")) == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"notebook_params": {"a": "1"}}, {"notebook_params": {"a": "1", **ENV}}),
        ({"spark_submit_params": ["--class", "C"]},
         {"spark_submit_params": ["--conf", "spark.dagtrace.traceparent=<context>", "--class", "C"]}),
        ({"job_parameters": {"a": "1", "TRACEPARENT": ""}}, {"job_parameters": {"a": "1", **ENV}}),
        ({"job_parameters": {"a": "1"}}, {"job_parameters": {"a": "1"}}),
        ({"python_params": ["a"]}, {"python_params": ["a"]}),
        ({}, {}),
    ],
)  # fmt: skip
def test_databricks_run_now(task: Task, databricks: Remote, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    """DatabricksRunNowOperator: what a job's tasks may not understand goes only where the user has left room."""
    operator: Any = DatabricksRunNowOperator(
        task_id="t", json={"job_id": 4, **given}, polling_period_seconds=0, durable=False
    )
    for _ in range(2):
        task.run(operator)
        sent = databricks.sent("jobs/run-now")[-1]
        assert (task.places(sent) if "<context>" in str(wanted) else sent) == {"job_id": "4", **wanted}
        assert task.span.attributes["remote_job.id"] == "9"
