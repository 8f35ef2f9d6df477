"""Rows of Dataproc: the clients are Google's own, over their REST transport to an HTTP server on loopback."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.google.cloud.hooks import dataproc as hooks
from airflow.providers.google.cloud.operators.dataproc import (
    DataprocCreateBatchOperator,
    DataprocInstantiateInlineWorkflowTemplateOperator,
    DataprocSubmitJobOperator,
)

from submit.conftest import assert_discreet, returning
from submit.remote import Remote


if TYPE_CHECKING:
    from collections.abc import Callable

    from submit.conftest import Task

WHERE: dict[str, Any] = {"region": "eu", "project_id": "p"}
CONF = {"spark.dagtrace.traceparent": "<context>"}
USERS = {"spark.dagtrace.traceparent": "theirs", "spark.x": "1"}
dataproc: Any = import_module("google.cloud.dataproc_v1")
services = "google.cloud.dataproc_v1.services."


class ByLocation:
    """A client whose requests say ``locations``: over REST, unlike gRPC, batches are not found in ``regions``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if not name.endswith("_batch"):
            return getattr(self._client, name)

        def call(request: dict[str, Any], **more: Any) -> Any:
            where = {
                key: request[key].replace("/regions/", "/locations/") for key in ("parent", "name") if key in request
            }
            return getattr(self._client, name)(request={**request, **where}, **more)

        return call


_WHERE = ("parent", "name")


@pytest.fixture
def google(task: Task, monkeypatch: pytest.MonkeyPatch) -> Callable[[Remote], None]:
    """Return what points Dataproc's hook to a server that stands for Google."""
    extra = {"extra__google_cloud_platform__project": "p", "is_anonymous": True}
    task.connect("google_cloud_default", conn_type="google_cloud_platform", extra=extra)

    def point(remote: Remote) -> None:
        for get, service, client in (
            ("get_job_client", "job_controller", "JobController"),
            ("get_batch_client", "batch_controller", "BatchController"),
            ("get_template_client", "workflow_template_service", "WorkflowTemplateService"),
        ):
            module: Any = import_module(f"{services}{service}")
            transports: Any = import_module(f"{services}{service}.transports")
            credentials: Any = import_module("google.auth.credentials").AnonymousCredentials()
            transport = getattr(transports, f"{client}RestTransport")(
                host=f"127.0.0.1:{remote.port}", credentials=credentials, url_scheme="http"
            )
            made = ByLocation(getattr(module, f"{client}Client")(transport=transport))
            monkeypatch.setattr(hooks.DataprocHook, get, returning(made))
        monkeypatch.setattr("time.sleep", returning(None))

    return point


def job(kind: str, **more: Any) -> dict[str, Any]:
    """Return a job of a kind."""
    return {"placement": {"cluster_name": "c"}, kind: {"main_python_file_uri": "gs://a.py", **more}}


JOBS: dict[str, tuple[dict[str, Any], Any]] = {
    "pyspark": (job("pyspark_job", properties={"spark.x": "1"}), {"spark.x": "1", **CONF}),
    "pyspark without": (job("pyspark_job"), CONF),
    "the user's own": (job("pyspark_job", properties=USERS), USERS),
}


@pytest.mark.parametrize("message", [False, True])
@pytest.mark.parametrize("kind", JOBS)
def test_submit_job(
    task: Task,
    google: Callable[[Remote], None],
    kind: str,
    message: bool,  # noqa: FBT001 - a parameter
) -> None:
    """DataprocSubmitJobOperator: properties of a Spark job, in a mapping or a message; states come back."""
    given, wanted = JOBS[kind]
    operator: Any = DataprocSubmitJobOperator(task_id="t", job=dataproc.Job(given) if message else given, **WHERE)
    found = [
        {"reference": {"jobId": "j-1", "projectId": "p"}, "status": {"state": state}}
        for state in ("PENDING", "RUNNING", "DONE")
    ]
    with Remote({"POST .*jobs:submit": found[0], "GET .*/jobs/j-1": found}) as remote:
        google(remote)
        for _ in range(2):
            task.run(operator)
            sent = remote.sent("jobs:submit")[-1]
            sent = task.places(sent) if "<context>" in str(wanted) else sent
            assert sent["job"]["pysparkJob"] == {"mainPythonFileUri": "gs://a.py", "properties": wanted}
        assert_discreet(remote.raw)
    left = operator.job.pyspark_job.properties if message else operator.job["pyspark_job"].get("properties", {})
    assert dict(left) == given["pyspark_job"].get("properties", {})
    assert task.states()[-1] == ("j-1", "DONE")
    assert task.span.attributes["remote_job.url"] == (
        "https://console.cloud.google.com/dataproc/jobs/j-1?region=eu&project=p"
    )


def test_other_jobs_stay(task: Task, google: Callable[[Remote], None]) -> None:
    """A job that is not Spark's is submitted as the user wrote it."""
    hive = {"placement": {"cluster_name": "c"}, "hive_job": {"query_file_uri": "gs://q.sql"}}
    answer = {"reference": {"jobId": "j-1"}, "status": {"state": "DONE"}}
    with Remote({"POST .*jobs:submit": answer, "GET": answer}) as remote:
        google(remote)
        task.run(DataprocSubmitJobOperator(task_id="t", job=hive, **WHERE))
        assert remote.sent("jobs:submit")[0]["job"]["hiveJob"] == {"queryFileUri": "gs://q.sql"}
        assert "traceparent" not in remote.raw


@pytest.mark.parametrize("message", [False, True])
def test_create_batch(task: Task, google: Callable[[Remote], None], message: bool) -> None:  # noqa: FBT001
    """DataprocCreateBatchOperator: the batch's properties, and by them its driver's environment."""
    given: dict[str, Any] = {
        "pyspark_batch": {"main_python_file_uri": "gs://a.py"},
        "runtime_config": {"version": "2.2", "properties": {"spark.x": "1"}},
    }
    batch = dataproc.Batch(given) if message else given
    operator: Any = DataprocCreateBatchOperator(task_id="t", batch=batch, batch_id="b-1", **WHERE)
    name = "projects/p/locations/eu/batches/b-1"
    done = {"@type": "type.googleapis.com/google.cloud.dataproc.v1.Batch", "name": name, "state": "SUCCEEDED"}
    answers = {
        "POST .*/batches": {
            "name": "operations/o",
            "done": True,
            "response": done,
            "metadata": {"@type": "type.googleapis.com/google.cloud.dataproc.v1.BatchOperationMetadata", "batch": name},
        },
        "GET .*/batches/b-1": {"name": name, "state": "SUCCEEDED"},
    }
    with Remote(answers) as remote:
        google(remote)
        for _ in range(2):
            task.run(operator)
            sent = task.places(remote.sent("POST .*/batches")[-1])
            assert sent["runtimeConfig"] == {
                "version": "2.2",
                "properties": {"spark.x": "1", **CONF, "spark.dataproc.driverEnv.TRACEPARENT": "<context>"},
            }
        assert_discreet(remote.raw)
    assert given["runtime_config"]["properties"] == {"spark.x": "1"}
    assert task.span.attributes["remote_job.id"] == "b-1"


@pytest.mark.parametrize("message", [False, True])
def test_inline_workflow(task: Task, google: Callable[[Remote], None], message: bool) -> None:  # noqa: FBT001
    """DataprocInstantiateInlineWorkflowTemplateOperator: every Spark job of it, no other."""
    template: dict[str, Any] = {
        "placement": {"cluster_selector": {"cluster_labels": {"a": "b"}}},
        "jobs": [
            {"step_id": "one", "pyspark_job": {"main_python_file_uri": "gs://a.py"}},
            {"step_id": "two", "hive_job": {"query_file_uri": "gs://q.sql"}},
        ],
    }
    operator: Any = DataprocInstantiateInlineWorkflowTemplateOperator(
        task_id="t", template=dataproc.WorkflowTemplate(template) if message else template, **WHERE
    )
    answer = {"name": "projects/p/regions/eu/operations/o", "done": True, "metadata": {
        "@type": "type.googleapis.com/google.cloud.dataproc.v1.WorkflowMetadata"},
        "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}  # fmt: skip
    with Remote({"POST .*instantiateInline": answer, "GET": answer}) as remote:
        google(remote)
        for _ in range(2):
            task.run(operator)
            assert task.places(remote.sent("instantiateInline")[-1])["jobs"] == [
                {"stepId": "one", "pysparkJob": {"mainPythonFileUri": "gs://a.py", "properties": CONF}},
                {"stepId": "two", "hiveJob": {"queryFileUri": "gs://q.sql"}},
            ]
        assert_discreet(remote.raw)
    assert template["jobs"][0] == {"step_id": "one", "pyspark_job": {"main_python_file_uri": "gs://a.py"}}
