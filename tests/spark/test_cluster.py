"""A Java application on a real standalone cluster in cluster mode: no Python anywhere, and its trace is whole."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from dagtrace.spark.attachment import CLASS, JAR
from support.cluster import REPORT, SPARK, Cluster, java_application
from support.drivers import PYTHON, spans_in
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagtrace.record import SpanRecord

pytestmark = [pytest.mark.real, pytest.mark.matrix]

CLIENT = """
import json, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("loses an executor").getOrCreate()
sc = spark.sparkContext
def once(index, rows):
    from pyspark import TaskContext
    if TaskContext.get().attemptNumber() == 0:
        daemon = os.getppid()
        os.kill(int(open(f"/proc/{daemon}/stat").read().split()[3]), 9)  # the executor's JVM
    return rows
print("ROWS", sc.parallelize(range(10), 1).mapPartitionsWithIndex(once).count())
sc._jsc.sc().listenerBus().waitUntilEmpty(30000)
store = sc._jsc.sc().statusStore().executorList(False)
def of(e):
    return [e.id(), e.totalCores(), e.removeReason().get() if e.removeReason().isDefined() else None]
print("STORE", json.dumps([of(store.apply(i)) for i in range(store.size())]))
spark.stop()
"""
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "hunter2"
EXPORTS = "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED"
OPENS = {} if SPARK.version() >= (4,) else {"spark.driver.extraJavaOptions": EXPORTS}
"""What a driver of Spark 3 needs on Java 17 where a standalone worker starts it."""


class Lines(threading.Thread):
    """Looks at the command lines of all processes that name the application, as long as it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        while not self.over.wait(0.1):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:  # it has ended meanwhile
                    continue
                if "Report" in line:
                    self.seen.add(line)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Submit the application once; the collector asks for a header that only the driver's environment holds."""
    folder = tmp_path_factory.mktemp("cluster")
    events = folder / "events"
    events.mkdir()
    page = folder / "environment.json"
    jar = java_application(folder / "report", "Report", REPORT)
    lines = Lines()
    with Sink() as sink, Cluster(folder, OTEL_EXPORTER_OTLP_HEADERS=f"x-api-key={SECRET}") as cluster:
        lines.start()
        conf = {
            "spark.extraListeners": CLASS,
            "spark.jars": str(JAR),
            "spark.dagtrace.endpoint": sink.url,
            "spark.dagtrace.traceparent": PARENT,
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
            "spark.ui.port": "0",
            **OPENS,
        }
        options = [text for pair in conf.items() for text in ("--conf", "=".join(pair))]
        done = cluster.submit("--deploy-mode", "cluster", "--class", "Report", *options, str(jar), str(page))
        assert done.returncode == 0, done.stderr
        (driver,) = cluster.wait_for_drivers()
        logs = "\n".join(f.read_text(errors="replace") for f in (folder / "work").rglob("std*"))
        assert driver["state"] == "FINISHED", logs[-6000:]
        deadline = time.monotonic() + 20
        while not sink.metrics() and time.monotonic() < deadline:
            time.sleep(0.2)
        lines.over.set()
        yield {"sink": sink, "page": page, "events": events, "logs": logs, "lines": lines.seen}


@pytest.fixture(scope="module")
def spans(ran: dict[str, Any]) -> list[SpanRecord]:
    """Return what came to the collector."""
    return spans_in(ran["sink"].requests["/v1/traces"])


def test_its_spans_arrive_below_the_parent_of_its_conf(ran: dict[str, Any], spans: list[SpanRecord]) -> None:
    """One tree below the traceparent in SparkConf, down to the stages, on the executors of the cluster."""
    assert "ROWS 1000" in ran["logs"]
    (application,) = (s for s in spans if s.name == "spark.application report")
    assert (application.trace_id, application.parent_id) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert application.attributes[names.SPARK_DEPLOY_MODE] == "cluster"
    ids = {s.span_id for s in spans}
    assert len(ids) == len(spans)
    assert all(s.parent_id in ids for s in spans if s is not application)
    assert {"spark.sql", "spark.job", "spark.stage"} < {s.name for s in spans}
    added = [e for e in application.events if e.name == "spark.executor.added"]
    assert [e.attributes[names.SPARK_EXECUTOR_CORES] for e in added] == [1]  # the driver has the other core
    assert application.attributes[names.SPARK_APPLICATION_EXECUTORS_ADDED] == 1


def test_its_resource_is_the_application(ran: dict[str, Any]) -> None:
    """The service is the application, the language Java, and the collector got the environment's header."""
    (resource,) = ran["sink"].requests["/v1/traces"][0]["resourceSpans"]
    found = {a["key"]: next(iter(a["value"].values())) for a in resource["resource"]["attributes"]}
    assert found[names.SERVICE_NAME] == "report"
    assert found[names.TELEMETRY_SDK_LANGUAGE] == "java"
    assert {key.lower(): value for key, value in ran["sink"].headers[0].items()}["x-api-key"] == SECRET


def test_its_log_says_where_the_trace_is(ran: dict[str, Any]) -> None:
    """One line of the driver's log has the trace id and where it went, without whoever may write there."""
    said = [line.partition(" dagtrace: ")[2] for line in ran["logs"].splitlines() if " INFO dagtrace: " in line]
    assert said == [f"trace {PARENT.split('-')[1]} -> {ran['sink'].url}/v1/traces"]


def test_nothing_secret_can_be_seen(ran: dict[str, Any]) -> None:
    """The header is in no command line, not on the environment page, not in the event log and in no log file."""
    (log,) = ran["events"].iterdir()
    texts = {
        "page": ran["page"].read_text(),
        "event log": log.read_text(),
        "logs": ran["logs"],
        **{f"command line {n}": line for n, line in enumerate(ran["lines"])},
    }
    assert len(texts) > 4, "no command line was seen"
    assert "spark.dagtrace.endpoint" in texts["page"]
    assert "spark.dagtrace.endpoint" in texts["event log"]
    assert [where for where, text in texts.items() if SECRET in text] == []


def test_an_executor_that_is_lost(tmp_path: Path) -> None:
    """
    An executor that is killed is an event with Spark's own reason, its successor another; the stage has its lost task.

    PySpark in client mode, traced by Python: executors come and go as the status store says.
    """
    program = tmp_path / "program.py"
    program.write_text(CLIENT)
    on = {"DAGTRACE_ENABLED": "true", "DAGTRACE_FLUSH_TIMEOUT": "20", "PYSPARK_PYTHON": PYTHON}
    with Sink() as sink, Cluster(tmp_path, **on, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url) as cluster:
        done = cluster.submit("--conf", "spark.cores.max=1", "--conf", "spark.ui.enabled=false", str(program))
        assert done.returncode == 0, done.stderr
        spans = spans_in(sink.requests["/v1/traces"])
    assert "ROWS 10" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("STORE"))
    store = {id_: (cores, reason) for id_, cores, reason in json.loads(line.removeprefix("STORE")) if id_ != "driver"}
    assert len(store) == 2
    (application,) = (s for s in spans if s.name.startswith("spark.application"))
    added = [e.attributes for e in application.events if e.name == "spark.executor.added"]
    removed = [e.attributes for e in application.events if e.name == "spark.executor.removed"]
    assert {e[names.SPARK_EXECUTOR_ID]: e[names.SPARK_EXECUTOR_CORES] for e in added} == {
        id_: cores for id_, (cores, _) in store.items()
    }
    reasons = {id_: reason for id_, (_, reason) in store.items() if reason is not None}
    assert len(reasons) == 1
    assert {e[names.SPARK_EXECUTOR_ID]: e[names.SPARK_EXECUTOR_REMOVED_REASON] for e in removed} == reasons
    assert application.attributes[names.SPARK_APPLICATION_EXECUTORS_PEAK] == 1
    (stage,) = (s for s in spans if s.name == "spark.stage")
    assert stage.attributes[names.SPARK_STAGE_TASKS_FAILED] == 1
    assert "ExecutorLostFailure" in str(stage.attributes[names.SPARK_STAGE_TASK_ERROR])
