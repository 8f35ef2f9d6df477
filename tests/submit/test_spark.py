"""Rows of the Spark provider: the command lines and environments of the processes that it starts, and one real run."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.apache.spark.operators.spark_jdbc import SparkJDBCOperator
from airflow.providers.apache.spark.operators.spark_pipelines import SparkPipelinesOperator
from airflow.providers.apache.spark.operators.spark_sql import SparkSqlOperator
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.python import PythonOperator

from dagtrace.semconv import attributes as names
from submit.conftest import assert_discreet, returning
from submit.remote import Remote
from submit.spark_binaries import Ran
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Callable

    from submit.conftest import Task


CONF = "spark.dagtrace.traceparent=<context>"


def test_spark_submit(task: Task, spark: Ran) -> None:
    """SparkSubmitOperator: one property after the user's, the environment inherited, the operator as it was; twice."""
    operator: Any = SparkSubmitOperator(
        task_id="t", application="a.py", conf={"spark.x": "1"}, env_vars={"MINE": "1"}, jars="b.jar", name="n"
    )
    for _ in range(2):
        task.run(operator)
        assert task.places(spark.last) == {
            "command": ["spark-submit", "--master", "local[2]", "--conf", "spark.x=1", "--conf", CONF,
                        "--jars", "b.jar", "--name", "n", "a.py"],
            "environ": {"TRACEPARENT": "<context>", "MINE": "1"},
        }  # fmt: skip
    assert operator.conf == {"spark.x": "1"}
    assert operator._hook._conf == {"spark.x": "1"}


def test_spark_submit_users_value(task: Task, spark: Ran) -> None:
    """A parent that the user gives the application stays his."""
    task.run(SparkSubmitOperator(task_id="t", application="a.py", conf={"spark.dagtrace.traceparent": "theirs"}))
    assert spark.confs() == {"spark.dagtrace.traceparent": "theirs"}


@pytest.mark.parametrize(
    ("connection", "prefix"),
    [
        ({"conn_type": "spark", "host": "yarn", "extra": {"deploy-mode": "cluster"}}, "spark.yarn.appMasterEnv."),
        (
            {"conn_type": "k8s", "host": "https://k", "extra": {"deploy-mode": "cluster"}},
            "spark.kubernetes.driverEnv.",
        ),
        ({"conn_type": "spark", "host": "yarn"}, None),
    ],
)
def test_spark_submit_in_containers(task: Task, spark: Ran, connection: dict[str, Any], prefix: str | None) -> None:
    """Where the driver runs in a container of YARN's or Kubernetes', its environment has the context as well."""
    task.connect("remote", **connection)
    from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

    def work() -> None:
        hook = SparkSubmitHook(conn_id="remote")
        hook.submit("a.py")

    task.run(PythonOperator(task_id="t", python_callable=work))
    wanted = {f"{prefix}TRACEPARENT": "<context>"} if prefix else {}
    assert task.places(spark.confs()) == {"spark.dagtrace.traceparent": "<context>", **wanted}


def test_spark_jdbc(task: Task, spark: Ran) -> None:
    """SparkJDBCOperator has its own ``execute``, and the same boundary; twice, and what the user wrote as it was."""
    task.connect("jdbc_default", conn_type="postgres", host="h", login="u", password="p", schema="s")
    conf = {"spark.x": "1"}
    operator: Any = SparkJDBCOperator(
        task_id="t", cmd_type="jdbc_to_spark", jdbc_table="j", metastore_table="m", jdbc_driver="d",
        jdbc_conn_id="jdbc_default", spark_conf=conf,
    )  # fmt: skip
    for _ in range(2):
        task.run(operator)
        assert task.places(spark.confs()) == {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"}
    assert conf == {"spark.x": "1"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ["--conf", CONF]),
        ({"spark.x": "1"}, ["--conf", "spark.x=1", "--conf", CONF]),
        ("spark.x=1", ["--conf", "spark.x=1", "--conf", CONF]),
        ("spark.dagtrace.traceparent=theirs", ["--conf", "spark.dagtrace.traceparent=theirs"]),
    ],
)
def test_spark_sql(task: Task, spark: Ran, given: Any, wanted: list[str]) -> None:
    """SparkSqlOperator: its conf may be a mapping or a text."""
    operator: Any = SparkSqlOperator(task_id="t", sql="SELECT 1", conf=given, master="local", name="n")
    for _ in range(2):
        task.run(operator)
        ran = task.places(spark.last)
        assert ran["command"][1:-9] == wanted
        assert ran["environ"] == {"TRACEPARENT": "<context>"}
    assert operator._conf == given


def test_spark_pipelines(task: Task, spark: Ran) -> None:
    """SparkPipelinesOperator: the pipeline's application has the context."""
    operator: Any = SparkPipelinesOperator(task_id="t", pipeline_spec="p.yml", conf={"spark.x": "1"})
    for _ in range(2):
        task.run(operator)
        assert task.places(spark.last)["command"][:8] == [
            *("spark-pipelines", "run", "--spec", "p.yml", "--master", "local[2]"),
            *("--conf", "spark.x=1"),
        ]
        assert task.places(spark.confs()) == {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"}
    assert operator.conf == {"spark.x": "1"}


APPLICATION = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("submitted").getOrCreate()
assert spark.range(1000).repartition(3).count() == 1000
spark.stop()
"""


@pytest.mark.real
def test_a_real_spark_submit_is_one_trace(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Callable[[Path], list[Any]]
) -> None:
    """A real spark-submit: application, query, job and stage below the execution; no secret in the event log."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DAGTRACE_ENABLED", "true")
    monkeypatch.setenv("DAGTRACE_SPARK_ATTACH", "false")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    task.connect("spark_default", conn_type="spark", host="local[2]")
    program, events = tmp_path / "a.py", tmp_path / "events"
    program.write_text(APPLICATION)
    events.mkdir()
    conf = {"spark.ui.enabled": "false", "spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    conf |= {"spark.eventLog.compress": "false"}
    with Sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url.replace("://", "://u:hunter2-url@"))
        task.run(SparkSubmitOperator(task_id="t", application=str(program), conf=conf))
        sink.save_traces(tmp_path / "traces.jsonl")
    spans = {span["spanId"]: span for span in records(tmp_path / "traces.jsonl")}
    (application,) = (span for span in spans.values() if span["name"].startswith("spark.application"))
    assert application["parentSpanId"] == f"{task.span.span_id:016x}"
    assert {span["traceId"] for span in spans.values()} == {f"{task.span.trace_id:032x}"}
    assert {span["name"].split(" ")[0] for span in spans.values()} == {
        *("spark.application", "spark.sql", "spark.job", "spark.stage"),
    }
    above = {span["name"].split(" ")[0]: spans.get(span["parentSpanId"], {}).get("name") for span in spans.values()}
    assert above == {
        "spark.application": None, "spark.sql": application["name"],
        "spark.job": "spark.sql", "spark.stage": "spark.job",
    }  # fmt: skip
    log = "".join(path.read_text() for path in events.rglob("*") if path.is_file())
    assert task.traceparent in log
    assert_discreet(log)


@pytest.fixture
def records() -> Callable[[Path], list[Any]]:
    """Return what reads the spans of a file."""

    def read(path: Path) -> list[Any]:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        scopes = [scope for line in lines for resource in line["resourceSpans"] for scope in resource["scopeSpans"]]
        return [span for scope in scopes for span in scope["spans"]]

    return read


@pytest.mark.real
def test_task_pyspark(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """@task.pyspark: Spark runs in the task's own process, and its application's parent is the execution."""
    import pyspark  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from airflow.providers.apache.spark.decorators.pyspark import _PySparkDecoratedOperator

    from dagtrace import spark

    spark.watch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    task.connect("spark_default", conn_type="spark", host="local[1]")

    def work(spark: Any) -> str:
        found = spark.conf.get("spark.dagtrace.traceparent")
        spark.stop()
        return str(found)

    operator: Any = _PySparkDecoratedOperator(
        task_id="t", python_callable=work, conn_id="spark_default", op_args=[], op_kwargs={},
        config_kwargs={"spark.ui.enabled": "false"},
    )  # fmt: skip
    assert task.run(operator) == task.traceparent


def test_the_application_that_yarn_has_is_named(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What spark-submit says of the application it has started on YARN is on the span."""
    task.connect("yarn", conn_type="spark", host="yarn", extra={"deploy-mode": "cluster"})
    Ran(tmp_path, monkeypatch, "INFO Client: Submitted application application_1700000000000_0001")
    task.run(SparkSubmitOperator(task_id="t", application="a.py", conn_id="yarn", durable=False))
    assert task.span.attributes["remote_job.id"] == "application_1700000000000_0001"
    assert task.span.attributes["remote_job.system"] == "spark"
    (job,) = task.jobs
    assert (job.name, job.parent_id) == ("remote_job spark", task.span.span_id)
    assert task.span.start_ns < job.start_ns < job.end_ns < task.span.end_ns


def test_a_failed_submission_names_its_job(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What spark-submit has said of its application before it failed is told; the exception is Airflow's own."""
    task.connect("yarn", conn_type="spark", host="yarn", extra={"deploy-mode": "cluster"})
    Ran(tmp_path, monkeypatch, "INFO Client: Submitted application application_1700000000000_0002", code=1)
    operator: Any = SparkSubmitOperator(task_id="t", application="a.py", conn_id="yarn", durable=False)
    with pytest.raises(Exception, match="Cannot execute"):
        task.run(operator)
    assert task.span.attributes["remote_job.id"] == "application_1700000000000_0002"
    assert [job.attributes["remote_job.id"] for job in task.jobs] == ["application_1700000000000_0002"]


def test_a_yarn_application_is_followed(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its resource manager says is the job's state: where it is, and then how it ended."""
    app = "application_1700000000000_0003"
    answers = [("ACCEPTED", "UNDEFINED"), ("RUNNING", "UNDEFINED"), ("FINISHED", "SUCCEEDED")]
    told = [{"app": {"state": state, "finalStatus": final, "diagnostics": ""}} for state, final in answers]
    Ran(tmp_path, monkeypatch, f"INFO Client: Submitted application {app}")
    monkeypatch.setattr("airflow.providers.apache.spark.hooks.spark_submit.time.sleep", returning(None))
    with Remote({f"GET /ws/v1/cluster/apps/{app}": told}) as remote:
        extra = {"deploy-mode": "cluster", "yarn_resourcemanager_webapp_address": f"127.0.0.1:{remote.port}"}
        task.connect("yarn", conn_type="spark", host="yarn", extra=extra)
        operator: Any = SparkSubmitOperator(
            task_id="t", application="a.py", conn_id="yarn", durable=False, yarn_track_via_rm_api=True
        )
        task.run(operator)
    (job,) = task.jobs
    assert [event.attributes.get(names.REMOTE_JOB_STATE) for event in job.events][-3:] == [
        *("ACCEPTED", "RUNNING", "SUCCEEDED")
    ]
    assert (job.attributes[names.REMOTE_JOB_ID], job.error) == (app, None)


def test_a_job_that_is_taken_up_is_known(task: Task) -> None:
    """A try that resumes submits nothing: the driver of the try before it is a job of its own execution, too."""
    with Remote({"GET /v1/submissions/status/driver-1": {"success": True, "driverState": "FAILED"}}) as remote:
        extra = {"deploy-mode": "cluster", "rest-port": remote.port}
        task.connect("cluster", conn_type="spark", host="spark://127.0.0.1:7077", extra=extra)
        operator: Any = SparkSubmitOperator(task_id="t", application="a.jar", conn_id="cluster")
        assert task.do(lambda context: operator.get_job_status("driver-1", context), operator) == "FAILED"
    (job,) = task.jobs
    assert (job.attributes[names.REMOTE_JOB_ID], job.error) == ("driver-1", "spark says FAILED")
