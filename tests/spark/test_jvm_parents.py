"""A JVM that no Python of ours drives: parents by local property and by session, logs, tasks and diagnoses."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names
from support.drivers import run, spans_in, submit_args


if TYPE_CHECKING:
    from pathlib import Path

    from dagtrace.record import SpanRecord

pytestmark = pytest.mark.real

TRACE = 0xABC
LOG4J = """
appender.file.type = File
appender.file.name = file
appender.file.fileName = {file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %X{{mdc.trace_id}} %X{{mdc.span_id}} %m%n
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.executor.name = org.apache.spark.executor.Executor
logger.executor.level = info
logger.executor.appenderRef.file.ref = file
logger.driver.name = org.apache.spark.SparkContext
logger.driver.level = info
logger.driver.appenderRef.file.ref = file
"""

PROGRAM = """
import sys
from pyspark.sql import SparkSession
def tp(n): return f"00-{0xABC:032x}-{n:016x}-01"
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("many").getOrCreate()
sc = spark.sparkContext
def query(session, name):
    sc.setJobDescription(name)
    session.range(0, 10, 1, 2).groupBy("id").count().collect()
query(spark, "of the application")
sc.setLocalProperty("dagtrace.traceparent", tp(1))
query(spark, "by local property")
sc._jsc.sc().range(0, 2, 1, 2).count()
sc.setLocalProperty("dagtrace.traceparent", None)
one, two = spark.newSession(), spark.newSession()
one.conf.set("spark.dagtrace.traceparent", tp(2))
two.conf.set("spark.dagtrace.traceparent", tp(3))
query(one, "of session one")
query(two, "of session two")
query(spark, "of the application again")
def slow(index, rows):
    import time
    from pyspark import TaskContext
    if index == 3:
        time.sleep(1)
    if index == 1 and TaskContext.get().attemptNumber() == 0:
        raise ValueError("password=hunter2 only once")
    return rows
sc.setJobDescription("tasks")
sc.parallelize(range(8), 4).mapPartitionsWithIndex(slow).count()
system = sc._jvm.java.lang.System
system.getProperties().list(system.out)  # raises where a property is no text
spark.stop()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run it with the listener attached, dagtrace's Python off, and thresholds that a small job crosses."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "log4j2.properties").write_text(LOG4J.format(file=folder / "spark.log"))
    conf = (
        "spark.master=local[2,2]",
        f"spark.driver.extraJavaOptions=-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "spark.dagtrace.detail=task",
        "spark.dagtrace.diagnosis.skew=2",
        "spark.dagtrace.diagnosis.skew.floor=0.5",
        "spark.dagtrace.diagnosis.idle_cores.floor=0.1",
        "spark.dagtrace.diagnosis.gc=many",
        "spark.sql.shuffle.partitions=2",
        "spark.openlineage.parentRunId=0198a0b1-0000-7000-8000-00000000000b",
        "spark.openlineage.rootParentRunId=0198a0b1-0000-7000-8000-00000000000a",
        "spark.openlineage.parentJobName=dag.task",
    )
    done = run(folder, PROGRAM.replace('.master("local[2]")', ""), PYSPARK_SUBMIT_ARGS=submit_args(*conf))
    assert done.returncode == 0, done.stderr
    (folder / "stderr").write_text(done.stderr)
    return folder


@pytest.fixture(scope="module")
def spans(ran: Path) -> list[SpanRecord]:
    """Return all its spans."""
    (file,) = (ran / "home").glob("traces*.jsonl")
    return spans_in([json.loads(line) for line in file.read_text().splitlines()])


def one(spans: list[SpanRecord], description: str, name: str = "spark.sql") -> SpanRecord:
    """Return the only query, or job, of a description."""
    key = names.SPARK_SQL_DESCRIPTION if name == "spark.sql" else names.SPARK_JOB_DESCRIPTION
    (found,) = (s for s in spans if s.name == name and s.attributes.get(key) == description)
    return found


def test_many_parents_in_one_application(spans: list[SpanRecord]) -> None:
    """A thread's local property goes over its session's configuration, and the application is below both."""
    (application,) = (s for s in spans if s.name == "spark.application many")
    expected = {
        "of the application": application.span_id,
        "by local property": 1,
        "of session one": 2,
        "of session two": 3,
        "of the application again": application.span_id,
    }
    assert {name: one(spans, name).parent_id for name in expected} == expected
    assert {s.trace_id for s in spans} == {application.trace_id, TRACE}


def test_the_trace_of_openlineages_root_run(spans: list[SpanRecord]) -> None:
    """Where only OpenLineage named a parent, the root run's UUID is the trace, and the parent run is an attribute."""
    (application,) = (s for s in spans if s.name == "spark.application many")
    assert application.trace_id == uuid.UUID("0198a0b1-0000-7000-8000-00000000000a").int
    assert application.parent_id is None
    assert application.attributes[names.OPENLINEAGE_PARENT_RUN_ID] == "0198a0b1-0000-7000-8000-00000000000b"
    assert application.attributes[names.OPENLINEAGE_PARENT_JOB_NAME] == "dag.task"


def test_logs_carry_the_trace(ran: Path, spans: list[SpanRecord]) -> None:
    """Lines of executors' tasks have the trace and the application's span in Spark's own log context."""
    (application,) = (s for s in spans if s.name == "spark.application many")
    lines = [line for line in (ran / "spark.log").read_text().splitlines() if "Running task" in line]
    assert lines
    ours = f"{application.trace_id:032x} {application.span_id:016x} "
    assert [line for line in lines if not line.startswith(ours)] == []


def test_failed_and_slowest_tasks(spans: list[SpanRecord]) -> None:
    """With detail=task the task that failed and the slowest have spans within their stage, and say how it was."""
    job = one(spans, "tasks", "spark.job")
    (stage,) = (s for s in spans if s.name == "spark.stage" and s.parent_id == job.span_id)
    tasks = [s for s in spans if s.name == "spark.task" and s.parent_id == stage.span_id]
    (failed,) = (t for t in tasks if t.error is not None)
    assert failed.attributes[names.SPARK_TASK_INDEX] == 1
    assert "ValueError: password=*** only once" in str(failed.error)
    assert "Traceback" in str(failed.events[0].attributes[names.EXCEPTION_STACKTRACE])
    assert "hunter2" not in str(failed)
    slowest = max((t for t in tasks if t.error is None), key=lambda t: t.end_ns - t.start_ns)
    assert 3 in {t.attributes[names.SPARK_TASK_INDEX] for t in tasks}
    assert slowest.end_ns - slowest.start_ns == round(
        1e9 * float(str(stage.attributes[names.SPARK_STAGE_TASK_DURATION_MAX]))
    )
    assert len(tasks) == 4
    assert all(stage.start_ns <= t.start_ns <= t.end_ns <= stage.end_ns for t in tasks)


def test_diagnoses(ran: Path, spans: list[SpanRecord]) -> None:
    """A threshold that was lowered is crossed, a wrong one is one warning, shares are those of Spark's numbers."""
    job = one(spans, "tasks", "spark.job")
    (stage,) = (s for s in spans if s.name == "spark.stage" and s.parent_id == job.span_id)
    assert set(stage.attributes[names.SPARK_DIAGNOSIS]) == {"skew", "failed_tasks"}  # pyright: ignore[reportArgumentType]
    found = {key: float(str(value)) for key, value in stage.attributes.items() if isinstance(value, (int, float))}
    run_time = found[names.SPARK_STAGE_RUN_TIME]
    assert found[names.SPARK_STAGE_GC_SHARE] == pytest.approx(found[names.SPARK_STAGE_GC_TIME] / run_time)
    assert found[names.SPARK_STAGE_CPU_SHARE] == pytest.approx(found[names.SPARK_STAGE_CPU_TIME] / run_time)
    (application,) = (s for s in spans if s.name == "spark.application many")
    assert application.attributes[names.SPARK_DIAGNOSIS] == ["idle_cores"]
    seconds = (application.end_ns - application.start_ns) / 1e9
    assert 0 < float(str(application.attributes[names.SPARK_APPLICATION_CORE_TIME])) <= 2 * seconds
    warnings = [
        line for line in (ran / "stderr").read_text().splitlines() if "spark.dagtrace.diagnosis.gc=many" in line
    ]
    assert len(warnings) == 1
