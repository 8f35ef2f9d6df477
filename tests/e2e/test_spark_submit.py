"""
Real SparkSubmitOperators under a real scheduler, on a real standalone cluster: one trace from the DAG run to the stage.

``DAGTRACE_SPARK_ATTACH`` lets the drivers' JVMs tell by themselves; nothing of ours is in the DAG or in the jobs.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from support.airflow import DAGS, Airflow, dags_in, free_port
from support.cells import AIRFLOW
from support.cluster import REPORT, Cluster, java_application
from support.runs import Ran
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagtrace.cli.traces import Node, Trace
    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.matrix]

SECRET = "hunter2"
PROGRAM = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("program").getOrCreate()
print("ROWS", spark.range(0, 1000, 1, 4).repartition(2).count())
spark.stop()
"""
LOG4J = """
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{1}: %m%n
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[dict[str, Any]]:
    """Run the DAG once; the collector asks for a header that only environments hold."""
    folder = tmp_path_factory.mktemp("spark-submit")
    dags = dags_in(folder, "spark_jobs.py")
    (folder / "program.py").write_text(PROGRAM)
    java_application(folder, "Report", REPORT)
    events = folder / "events"
    events.mkdir()
    conf = folder / "conf"
    conf.mkdir()
    (conf / "log4j2.properties").write_text(LOG4J)  # the hook reads the driver's id out of spark-submit's log
    defaults = {
        "spark.master.rest.enabled": "true",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.ui.port": "0",
    }
    (conf / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in defaults.items()))
    rest = free_port() if AIRFLOW >= (3, 3) else 6066  # where older providers ask, without another word
    with (
        Sink() as sink,
        Cluster(
            folder,
            SPARK_MASTER_OPTS=f"-Dspark.master.rest.enabled=true -Dspark.master.rest.port={rest}",
            SPARK_CONF_DIR=str(conf),
            OTEL_EXPORTER_OTLP_HEADERS=f"x-api-key={SECRET}",
        ) as cluster,
    ):
        extra = {"deploy-mode": "cluster", "rest-port": rest}
        by_rest = {"conn_type": "spark", "host": f"spark://127.0.0.1:{rest}", "extra": extra}
        settings = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "PYTHONPATH": f"{dags}:{DAGS.parent}",
            "AIRFLOW_CONN_SPARK_CLIENT": json.dumps({"conn_type": "spark", "host": cluster.master}),
            "AIRFLOW_CONN_SPARK_CLUSTER": json.dumps(by_rest),
            "SPARK_JOBS_HOME": str(folder),
            "SPARK_HOME": cluster.env["SPARK_HOME"],
            "SPARK_CONF_DIR": str(conf),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PATH": f"{cluster.env['SPARK_HOME']}/bin:{os.environ['PATH']}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={SECRET}",
            "DAGTRACE_SPARK_ATTACH": "true",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",  # what spark-submit says, in the tasks' logs
            "DAGTRACE_FLUSH_TIMEOUT": "30",
        }
        with Airflow(folder, postgres.database(), **settings) as airflow:
            airflow.trigger("spark_jobs", "once")
            assert airflow.wait("spark_jobs", "once", timeout=400) == "failed"  # for the one that Spark refuses
            airflow.stop("scheduler")
            logs = "\n".join(f.read_text(errors="replace") for f in (folder / "airflow" / "logs").rglob("*.log"))
        sink.save_traces(folder / "traces.jsonl")
        yield {
            "folder": folder,
            "events": events,
            "logs": logs,
            "states": airflow.query(STATES),
            "told": Ran(folder / "traces.jsonl", airflow.query),
        }


TASKS = ("python_client", "java_client", "java_cluster", "python_cluster")
REFUSAL = "Cluster deploy mode is currently not supported for python applications on standalone clusters"
STATES = "select task_id, state from task_instance where dag_id = 'spark_jobs'"


@pytest.fixture(scope="module")
def trace(ran: dict[str, Any]) -> Trace:
    """Return the run's only trace."""
    told: Ran = ran["told"]
    return told.trace("spark_jobs", "once")


def below(trace: Trace, task_id: str) -> list[Node]:
    """Return what is below the execution of a task's only try."""
    (root,) = trace.roots
    (task,) = (node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id)
    (execute,) = task.children
    return execute.children


def test_each_job_did_what_its_mode_allows(ran: dict[str, Any]) -> None:
    """Three jobs succeed; Python in a standalone cluster's cluster mode is refused by Spark itself, in these words."""
    states = {row["task_id"]: row["state"] for row in ran["states"]}
    assert states == dict.fromkeys(("python_client", "java_client", "java_cluster"), "success") | {
        "python_cluster": "failed"
    }
    assert (
        "Cluster deploy mode is currently not supported for python applications on standalone clusters" in ran["logs"]
    )


@pytest.mark.parametrize(
    ("task_id", "name", "mode"),
    [
        ("python_client", "program", "client"),
        ("java_client", "report", "client"),
        ("java_cluster", "report", "cluster"),
    ],
)
def test_one_trace_down_to_the_stages(trace: Trace, task_id: str, name: str, mode: str) -> None:
    """The application is below its task's execution, wherever its driver ran, and has queries, jobs and stages."""
    (application,) = (node for node in below(trace, task_id) if node.span.name.startswith("spark."))
    assert application.span.name == f"spark.application {name}"
    assert application.span.attributes[names.SPARK_DEPLOY_MODE] == mode
    kinds = [node.span.name for node in application.walk()]
    assert {"spark.sql", "spark.job", "spark.stage"} < set(kinds)


def test_the_driver_on_the_cluster_is_a_span(trace: Trace) -> None:
    """A driver elsewhere is a remote job, as its master says: with its id and last state, around its application."""
    told = {
        task_id: [node for node in below(trace, task_id) if node.span.name == "remote_job spark"] for task_id in TASKS
    }
    assert [task_id for task_id, jobs in told.items() if jobs] == ["java_cluster"]
    (job,) = told["java_cluster"]
    (application,) = (node for node in below(trace, "java_cluster") if node is not job)
    assert str(job.span.attributes[names.REMOTE_JOB_ID]).startswith("driver-")
    assert job.span.attributes[names.REMOTE_JOB_STATE] == "FINISHED"
    assert job.span.start_ns < application.span.start_ns < application.span.end_ns < job.span.end_ns


def test_it_is_one_tree(trace: Trace) -> None:
    """No orphan, no span twice; the job that Spark refused has no application."""
    assert (trace.orphans, trace.duplicates) == ([], 0)
    assert below(trace, "python_cluster") == []


def test_users_conf_is_kept_and_nothing_secret_is_seen(ran: dict[str, Any]) -> None:
    """Event logs and environment pages have the user's value and our keys, and no secret; nor have the tasks' logs."""
    texts = [path.read_text() for path in (*ran["events"].iterdir(), *ran["folder"].glob("*.json"))]
    assert len(texts) == 5
    for text in texts:
        assert "spark.dagtrace.traceparent" in text
        assert "kept" in text
        assert SECRET not in text
    assert SECRET not in ran["logs"]
