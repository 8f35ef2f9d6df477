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

from dagtrace.options import options
from dagtrace.submit import spark_submit
from submit.conftest import assert_discreet
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Callable

    from submit.conftest import Task

CONF = "spark.dagtrace.traceparent=<context>"

FAKE = """#!{python}
import json, os, sys
environ = {{key: value for key, value in os.environ.items() if key in ("TRACEPARENT", "TRACESTATE", "MINE")}}
with open({out!r}, "a") as out:
    print(json.dumps({{"command": [os.path.basename(sys.argv[0]), *sys.argv[1:]], "environ": environ}}), file=out)
print({output!r})
"""


class Ran:
    """Programs that stand for Spark's and keep what they are called with."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, output: str = "exit code: 0") -> None:
        self._out = folder / "calls.jsonl"
        binaries = folder / "spark" / "bin"
        binaries.mkdir(parents=True)
        for name in ("spark-submit", "spark-sql", "spark-pipelines"):
            program = binaries / name
            program.write_text(FAKE.format(python=sys.executable, out=str(self._out), output=output))
            program.chmod(0o755)
        self.defaults = folder / "spark" / "conf" / "spark-defaults.conf"
        self.defaults.parent.mkdir()
        monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
        for name in ("SPARK_HOME", "SPARK_CONF_DIR"):
            monkeypatch.delenv(name, raising=False)

    @property
    def last(self) -> dict[str, Any]:
        """Return the last call."""
        text = self._out.read_text()
        assert_discreet(text)
        return json.loads(text.splitlines()[-1])

    def confs(self) -> dict[str, str]:
        """Return the last command's properties."""
        words = self.last["command"]
        return dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "--conf")


@pytest.fixture
def spark(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Return what stands for Spark, with a local master."""
    task.connect("spark_default", conn_type="spark", host="local[2]")
    task.connect("spark_sql_default", conn_type="spark_sql", host="local[2]")
    return Ran(tmp_path, monkeypatch)


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
    """SparkJDBCOperator has its own ``execute``, and the same boundary."""
    task.connect("jdbc_default", conn_type="postgres", host="h", login="u", password="p", schema="s")
    task.run(
        SparkJDBCOperator(
            task_id="t", cmd_type="jdbc_to_spark", jdbc_table="j", metastore_table="m", jdbc_driver="d",
            jdbc_conn_id="jdbc_default", spark_conf={"spark.x": "1"},
        )
    )  # fmt: skip
    assert task.places(spark.confs()) == {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"}


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


JAR = str(spark_submit.JAR)
OURS = "io.dagtrace.spark.TraceListener"
ENDPOINT = {"spark.dagtrace.endpoint": "https://collector.example:4318/otlp"}


def attach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch ``DAGTRACE_SPARK_ATTACH`` on."""
    monkeypatch.setenv("DAGTRACE_SPARK_ATTACH", "true")
    options.cache_clear()


LISTED: dict[str, tuple[dict[str, Any], str, dict[str, str], str | None]] = {
    "nothing": ({}, "", {"spark.jars": JAR, "spark.extraListeners": OURS, **ENDPOINT}, None),
    "with the operator": (
        {"conf": {"spark.extraListeners": "a.B"}, "jars": "x.jar"},
        "",
        {"spark.extraListeners": f"a.B,{OURS}", **ENDPOINT},
        f"x.jar,{JAR}",
    ),
    "in spark-defaults.conf": (
        {},
        "# theirs\nspark.jars  y.jar\nspark.extraListeners=c.D, e.F\nspark.dagtrace.endpoint http://own\n",
        {"spark.jars": f"y.jar,{JAR}", "spark.extraListeners": f"c.D, e.F,{OURS}"},
        None,
    ),
    "all of ours": (
        {"conf": {"spark.jars": "s3://b/dagtrace-spark-0.1.jar", "spark.extraListeners": OURS, **ENDPOINT}},
        "",
        {"spark.jars": "s3://b/dagtrace-spark-0.1.jar", "spark.extraListeners": OURS, **ENDPOINT},
        None,
    ),
}


@pytest.mark.parametrize("listed", LISTED)
def test_attach(task: Task, spark: Ran, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    """DAGTRACE_SPARK_ATTACH: jar and listener after the user's own, wherever he lists them; an endpoint, no secret."""
    attach(monkeypatch)
    given, defaults, wanted, jars = LISTED[listed]
    spark.defaults.write_text(defaults)
    operator: Any = SparkSubmitOperator(task_id="t", application="a.py", **given)
    for _ in range(2):
        task.run(operator)
        assert task.places(spark.confs()) == {"spark.dagtrace.traceparent": "<context>", **wanted}
        words = spark.last["command"]
        assert (words[words.index("--jars") + 1] if "--jars" in words else None) == jars
    assert (operator.conf or None, operator.jars) == (given.get("conf"), given.get("jars"))


def test_attach_properties_file(task: Task, spark: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of properties that the operator names stands instead of Spark's defaults, also to us."""
    attach(monkeypatch)
    spark.defaults.write_text("spark.extraListeners not.Read")
    mine = tmp_path / "mine.conf"
    mine.write_text("spark.extraListeners is.Read")
    task.run(SparkSubmitOperator(task_id="t", application="a.py", properties_file=str(mine)))
    assert spark.confs()["spark.extraListeners"] == f"is.Read,{OURS}"


def test_attach_not_where_the_jar_would_not_be(task: Task, spark: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that cannot find its listener's class does not start: no listener where no jar of ours gets to."""
    attach(monkeypatch)
    from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

    extra = {"deploy-mode": "cluster"}
    task.connect("remote", conn_type="k8s", host="https://k", extra=extra)
    seen: list[dict[str, str]] = []

    def work() -> None:
        for conf in (
            {},
            {"spark.kubernetes.file.upload.path": "s3a://b"},
            {"spark.jars": "s3a://b/dagtrace-spark.jar"},
        ):
            hook = SparkSubmitHook(conn_id="remote", conf=conf)
            hook.submit("a.py")
            seen.append(spark.confs())

    task.run(PythonOperator(task_id="t", python_callable=work))
    assert "spark.extraListeners" not in seen[0]
    assert (seen[1]["spark.jars"], seen[1]["spark.extraListeners"]) == (JAR, OURS)
    assert (seen[2]["spark.jars"], seen[2]["spark.extraListeners"]) == ("s3a://b/dagtrace-spark.jar", OURS)


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:p@c:4318/a/?k=s#f"}, "http://c:4318/a"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x/v1/traces"}, "http://t/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1]:4318"}, "http://[::1]:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, None),
        ({}, None),
    ],
)
def test_endpoint(fresh: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], wanted: str | None) -> None:
    """Of the worker's endpoint only scheme, host, port and path go along, and only where it takes OTLP over HTTP."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert spark_submit.endpoint() == wanted


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
    assert {span["parentSpanId"] for span in spans.values()} <= {*spans, f"{task.span.span_id:016x}"}
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
