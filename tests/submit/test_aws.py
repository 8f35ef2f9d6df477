"""Rows of Amazon's services: what boto3 really sends, at an HTTP server that stands for them."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.amazon.aws.operators.batch import BatchOperator
from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator
from airflow.providers.amazon.aws.operators.emr import (
    EmrAddStepsOperator,
    EmrContainerOperator,
    EmrCreateJobFlowOperator,
    EmrServerlessStartJobOperator,
)
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.standard.operators.python import PythonOperator

from submit.conftest import assert_discreet
from submit.remote import Remote


if TYPE_CHECKING:
    from collections.abc import Generator

    from submit.conftest import Task

CONF = "spark.dagtrace.traceparent=<context>"


@pytest.fixture(autouse=True)
def aws(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 have keys and a region, and wait for nothing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-aws")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    task.connect("aws_default", conn_type="aws")


@contextmanager
def amazon(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> Generator[Remote]:
    """Stand for every service."""
    with Remote(answers) as remote:
        monkeypatch.setenv("AWS_ENDPOINT_URL", remote.url)
        yield remote
        assert_discreet(remote.raw)


def step(*words: str, jar: str = "command-runner.jar") -> dict[str, Any]:
    """Return a step of EMR."""
    return {"Name": "s", "HadoopJarStep": {"Jar": jar, "Args": list(words)}}


STEPS = {
    "spark-submit": (
        step("spark-submit", "--deploy-mode", "cluster", "a.py"),
        step("spark-submit", "--conf", CONF, "--deploy-mode", "cluster", "a.py"),
    ),
    "the user's own": (
        step("spark-submit", "--conf", "spark.dagtrace.traceparent=theirs", "a.py"),
        step("spark-submit", "--conf", "spark.dagtrace.traceparent=theirs", "a.py"),
    ),
    "another command": (step("hive", "-f", "q.sql"), step("hive", "-f", "q.sql")),
    "another jar": (step("spark-submit", jar="s3://b/j.jar"), step("spark-submit", jar="s3://b/j.jar")),
}


def test_emr_steps(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """EmrAddStepsOperator: each step that runs spark-submit has the context, every other is as it was."""
    given = [before for before, _ in STEPS.values()]
    operator: Any = EmrAddStepsOperator(task_id="t", job_flow_id="j-1", steps=given, wait_for_completion=True)
    answers = {
        "AddJobFlowSteps": {"StepIds": ["s-1", "s-2", "s-3", "s-4"]},
        "DescribeCluster": {"Cluster": {"Id": "j-1", "Status": {"State": "WAITING"}}},
        "DescribeStep": {"Step": {"Id": "s-4", "Status": {"State": "COMPLETED"}}},
    }
    with amazon(monkeypatch, answers) as remote:
        for _ in range(2):
            task.run(operator)
            sent = task.places(remote.sent("AddJobFlowSteps")[-1])
            assert sent == {"JobFlowId": "j-1", "Steps": [after for _, after in STEPS.values()]}
            assert task.states() == [("s-4", None), ("s-4", "COMPLETED")]
    assert "#/clusterDetails/j-1" in str(task.span.attributes["remote_job.url"])
    assert operator.steps == [before for before, _ in STEPS.values()]


def test_emr_on_eks(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """EmrContainerOperator: the driver's parameters go on after the user's, and name its environment; states come."""
    driver = {"sparkSubmitJobDriver": {"entryPoint": "a.py", "sparkSubmitParameters": "--conf spark.x=1"}}
    operator: Any = EmrContainerOperator(
        task_id="t", name="n", virtual_cluster_id="v", execution_role_arn="arn:aws:iam::1:role/r1234567890",
        release_label="emr-7", job_driver=driver, client_request_token="c", poll_interval=0,
    )  # fmt: skip
    answers = {
        "POST .*/jobruns": {"id": "r-1", "virtualClusterId": "v"},
        "GET .*/jobruns/r-1": [
            {"jobRun": {"id": "r-1", "state": state}} for state in ("PENDING", "RUNNING", "COMPLETED")
        ],
    }
    wanted = f"--conf spark.x=1 --conf {CONF} --conf spark.kubernetes.driverEnv.TRACEPARENT=<context>"
    with amazon(monkeypatch, answers) as remote:
        task.run(operator)
        assert task.states()[-3:] == [("r-1", "PENDING"), ("r-1", "RUNNING"), ("r-1", "COMPLETED")]
        first = task.places(remote.sent("POST .*/jobruns")[-1])
        task.run(operator)
        assert task.places(remote.sent("POST .*/jobruns")[-1]) == first
    assert first["jobDriver"] == {"sparkSubmitJobDriver": {"entryPoint": "a.py", "sparkSubmitParameters": wanted}}
    assert first["configurationOverrides"] == {}
    assert operator.job_driver == driver


@pytest.mark.parametrize(
    ("driver", "wanted"),
    [
        (
            {"sparkSubmit": {"entryPoint": "a.py"}},
            {"sparkSubmit": {
                "entryPoint": "a.py",
                "sparkSubmitParameters":
                    f"--conf {CONF} --conf spark.emr-serverless.driverEnv.TRACEPARENT=<context>"}},
        ),
        ({"hive": {"query": "q.sql"}}, {"hive": {"query": "q.sql"}}),
    ],
)  # fmt: skip
def test_emr_serverless(
    task: Task, monkeypatch: pytest.MonkeyPatch, driver: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """EmrServerlessStartJobOperator: a Spark job's parameters have the context, a Hive job's request is as it was."""
    operator: Any = EmrServerlessStartJobOperator(
        task_id="t", application_id="a1", execution_role_arn="arn:aws:iam::1:role/r1234567890", job_driver=driver,
        client_request_token="c", name="n", waiter_delay=0, configuration_overrides={"monitoringConfiguration": {}},
    )  # fmt: skip
    answers = {
        "POST /applications/a1/jobruns": {"jobRunId": "r-1", "applicationId": "a1", "arn": "arn"},
        "GET /applications/a1/jobruns": {"jobRun": {"jobRunId": "r-1", "state": "SUCCESS"}},
        "GET /applications/a1": {"application": {"applicationId": "a1", "state": "STARTED"}},
    }
    with amazon(monkeypatch, answers) as remote:
        for _ in range(2):
            task.run(operator)
            sent = remote.sent("POST /applications/a1/jobruns")[-1]
            sent = task.places(sent) if "<context>" in str(wanted) else sent
            assert sent["jobDriver"] == wanted
            assert sent["configurationOverrides"] == {"monitoringConfiguration": {}}
            assert task.states() == [("r-1", None), ("r-1", "SUCCESS")]
    assert operator.job_driver == driver


@pytest.mark.parametrize(
    ("default", "given", "wanted"),
    [
        ({}, {}, {"--conf": CONF}),
        ({"--conf": "spark.d=1"}, {}, {"--conf": f"spark.d=1 --conf {CONF}"}),
        ({}, {"--conf": "spark.x=1 --conf spark.y=2", "--in": "s3"},
         {"--conf": f"spark.x=1 --conf spark.y=2 --conf {CONF}", "--in": "s3"}),
        ({}, {"--conf": "spark.dagtrace.traceparent=theirs"}, {"--conf": "spark.dagtrace.traceparent=theirs"}),
    ],
)  # fmt: skip
def test_glue(
    task: Task, monkeypatch: pytest.MonkeyPatch, default: dict[str, str], given: dict[str, str], wanted: dict[str, str]
) -> None:
    """GlueJobOperator: one argument has all properties, so the user's, the run's or else the job's, go before ours."""
    operator: Any = GlueJobOperator(
        task_id="t", job_name="j", script_args=given, iam_role_name="r", job_poll_interval=0, durable=False
    )
    answers = {
        "AWSGlue.GetJobRun": {"JobRun": {"Id": "jr_1", "JobRunState": "SUCCEEDED"}},
        "AWSGlue.GetJob": {"Job": {"Name": "j", "DefaultArguments": default}},
        "AWSGlue.StartJobRun": {"JobRunId": "jr_1"},
        "POST /": {},
    }
    with amazon(monkeypatch, answers) as remote:
        for _ in range(2):
            task.run(operator)
            sent = remote.sent("StartJobRun")[-1]
            sent = task.places(sent) if "<context>" in str(wanted) else sent
            assert sent == {"JobName": "j", "Arguments": wanted}
            assert task.states() == [("jr_1", None), ("jr_1", "SUCCEEDED")]
    assert operator.script_args == given


def test_glue_job_nobody_looked_at(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's --conf stands instead of the job's own: without knowing that one, a plain client's request stays."""

    def work() -> None:
        boto3: Any = importlib.import_module("boto3")

        boto3.client("glue").start_job_run(JobName="j")

    with amazon(monkeypatch, {"StartJobRun": {"JobRunId": "jr_1"}}) as remote:
        task.run(PythonOperator(task_id="t", python_callable=work))
        assert remote.sent("StartJobRun") == [{"JobName": "j"}]
    assert task.span.attributes["remote_job.id"] == "jr_1"


def test_ecs(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """EcsRunTaskOperator: each container that the overrides name has the context, beside its own variables."""
    overrides: dict[str, Any] = {
        "containerOverrides": [
            {"name": "a", "command": ["x"]},
            {"name": "b", "environment": [{"name": "MINE", "value": "1"}]},
            {"name": "c", "environment": [{"name": "TRACEPARENT", "value": "theirs"}]},
        ]
    }
    operator: Any = EcsRunTaskOperator(
        task_id="t", cluster="c", task_definition="d", overrides=overrides, launch_type="FARGATE", waiter_delay=0
    )
    arn = "arn:aws:ecs:eu-west-1:1:task/c/abc"
    described = {"tasks": [{"taskArn": arn, "lastStatus": "STOPPED", "containers": [{"name": "a", "exitCode": 0}]}]}
    answers = {
        "RunTask": {"failures": [], "tasks": [{"taskArn": arn, "lastStatus": "PROVISIONING"}]},
        "DescribeTasks": {**described, "failures": []},
    }
    with amazon(monkeypatch, answers) as remote:
        for _ in range(2):
            operator.arn = None  # else it waits for the one that it has started
            task.run(operator)
            assert task.places(remote.sent("RunTask")[-1])["overrides"]["containerOverrides"] == [
                {"name": "a", "command": ["x"], "environment": [{"name": "TRACEPARENT", "value": "<context>"}]},
                {"name": "b", "environment": [
                    {"name": "MINE", "value": "1"}, {"name": "TRACEPARENT", "value": "<context>"}]},
                {"name": "c", "environment": [{"name": "TRACEPARENT", "value": "theirs"}]},
            ]  # fmt: skip
            assert task.states() == [(arn, "PROVISIONING"), (arn, "STOPPED")]
    assert [sorted(container) for container in overrides["containerOverrides"]] == [
        ["command", "name"],
        ["environment", "name"],
        ["environment", "name"],
    ]


def test_batch(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchOperator: the container's environment has the context."""
    operator: Any = BatchOperator(
        task_id="t", job_name="n", job_definition="d", job_queue="q", wait_for_completion=False,
        container_overrides={"command": ["x"]}, tags={},
    )  # fmt: skip
    with amazon(monkeypatch, {"POST /v1/submitjob": {"jobId": "b-1", "jobName": "n"}, "POST": {"jobs": []}}) as remote:
        for _ in range(2):
            task.run(operator)
            assert task.places(remote.sent("submitjob")[-1])["containerOverrides"] == {
                "command": ["x"], "environment": [{"name": "TRACEPARENT", "value": "<context>"}],
            }  # fmt: skip
            assert task.span.attributes["remote_job.id"] == "b-1"
    assert operator.container_overrides == {"command": ["x"]}


def test_emr_job_flow(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """EmrCreateJobFlowOperator: the steps that a new cluster begins with have the context."""
    operator: Any = EmrCreateJobFlowOperator(
        task_id="t",
        wait_for_completion=False,
        job_flow_overrides={"Name": "n", "Instances": {}, "Steps": [STEPS["spark-submit"][0]]},
    )
    task.connect("emr_default", conn_type="emr")
    answers = {"RunJobFlow": {"JobFlowId": "j-1"}, "DescribeCluster": {"Cluster": {"Id": "j-1"}}}
    with amazon(monkeypatch, answers) as remote:
        for _ in range(2):
            task.run(operator)
            assert task.places(remote.sent("RunJobFlow")[-1])["Steps"] == [STEPS["spark-submit"][1]]
            assert task.span.attributes["remote_job.id"] == "j-1"
    assert operator.job_flow_overrides["Steps"] == [STEPS["spark-submit"][0]]
