"""Events in an order and at times that a small workload never shows, given to the listener by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver

pytestmark = pytest.mark.real

CODE = """
import json, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").appName("order").getOrCreate()
sc = spark.sparkContext
sc.setLogLevel("OFF")
listener = next(x for x in sc._jsc.sc().listenerBus().listeners() if "TraceListener" in x.getClass().getName())
read = sc._jvm.org.apache.spark.util.JsonProtocol.sparkEventFromJson
def stage(kind, id, **more):
    info = {"Stage ID": id, "Stage Attempt ID": 0, "Stage Name": "s", "Number of Tasks": 1, "RDD Info": [],
            "Parent IDs": [], "Details": "", "Accumulables": [], "Resource Profile Id": 0, "Submission Time": T, **more}
    return {"Event": "SparkListenerStage" + kind, "Stage Info": info, "Properties": {}}
def job(id, *stages, **properties):
    infos = [stage("Submitted", s)["Stage Info"] for s in stages]
    return {"Event": "SparkListenerJobStart", "Job ID": id, "Submission Time": T, "Stage Infos": infos,
            "Stage IDs": list(stages), "Properties": {k.replace("__", "."): v for k, v in properties.items()}}
def job_end(id, after):
    return {"Event": "SparkListenerJobEnd", "Job ID": id, "Completion Time": T + after,
            "Job Result": {"Result": "JobSucceeded"}}
SQL = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecution"
PLAN = {"nodeName": "x", "simpleString": "x", "children": [], "metadata": {}, "metrics": []}
T = int(time.time() * 1000)
events = [
    {"Event": SQL + "Start", "executionId": 900, "description": "d", "details": "", "physicalPlanDescription": "",
     "sparkPlanInfo": PLAN, "modifiedConfigs": {}, "time": T},
    job(900, 910, spark__sql__execution__id="900"),
    stage("Submitted", 910),
    {"Event": SQL + "End", "executionId": 900, "time": T + 10, "errorMessage": ""},
    job_end(900, 20),
    stage("Completed", 910, **{"Completion Time": T + 70}),
    stage("Completed", 999, **{"Completion Time": T + 70}),  # one that nobody saw begin
    job(901, spark__dagtrace__traceparent="nonsense"),
]
for event in events:
    event = read(json.dumps(event))
    name = event.getClass().getSimpleName().replace("SparkListener", "on")
    getattr(listener, name if not name.startswith("onSQL") else "onOtherEvent")(event)
print("LOST", listener.lost(), listener.problem())
time.sleep(0.2)
spark.stop()
"""


def test_late_ends_widen_what_is_above(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """
    A query ends no earlier than its jobs, a job than its stages; what never ends, ends with the application.

    A stage that began before we listened has no span with half its numbers: it counts as lost.
    """
    done = drive(CODE, tmp_path)
    assert done.process.returncode == 0, done.process.stderr
    (query,) = (s for s in done.spans if s.name == "spark.sql")
    (stage,) = (s for s in done.spans if s.name == "spark.stage")
    jobs = {s.attributes[names.SPARK_JOB_ID]: s for s in done.spans if s.name == "spark.job"}
    (application,) = (s for s in done.spans if s.name.startswith("spark.application"))
    began = query.start_ns
    assert [(s.start_ns - began, s.end_ns - began) for s in (query, jobs[900], stage)] == [(0, 70_000_000)] * 3
    assert (stage.parent_id, jobs[900].parent_id) == (jobs[900].span_id, query.span_id)
    assert jobs[901].parent_id == application.span_id
    assert jobs[901].end_ns == application.end_ns
    assert names.SPARK_JOB_RESULT not in jobs[901].attributes
    assert "LOST 1 " in done.process.stdout
    (warning,) = done.warnings
    assert "1 Spark events or spans were lost (late_start 1: a stage began before the listener)" in warning
    (metric,) = (m for m in done.points if m["name"] == metrics.DAGTRACE_SPARK_RECORDS_LOST.name)
    (point,) = metric["sum"]["dataPoints"]
    reasons = {a["key"]: a["value"]["stringValue"] for a in point["attributes"]}
    assert (int(point["asInt"]), reasons[names.DAGTRACE_LOSS_REASON]) == (1, "late_start")
