"""Every span of the zoo's applications, held against Spark's REST API and status store, number by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from support.spark import milliseconds


if TYPE_CHECKING:
    from conftest import Driver
    from dagtrace.record import SpanRecord
    from support.spark import Application

pytestmark = [pytest.mark.real, pytest.mark.parametrize("name", ["workload", "spills", "rdd", "cluster"])]

INTEGERS = {
    "numTasks": names.SPARK_STAGE_TASKS_TOTAL,
    "numCompleteTasks": names.SPARK_STAGE_TASKS_SUCCEEDED,
    "numFailedTasks": names.SPARK_STAGE_TASKS_FAILED,
    "numKilledTasks": names.SPARK_STAGE_TASKS_KILLED,
    "inputBytes": names.SPARK_STAGE_INPUT_BYTES,
    "inputRecords": names.SPARK_STAGE_INPUT_RECORDS,
    "outputBytes": names.SPARK_STAGE_OUTPUT_BYTES,
    "outputRecords": names.SPARK_STAGE_OUTPUT_RECORDS,
    "shuffleReadBytes": names.SPARK_STAGE_SHUFFLE_READ_BYTES,
    "shuffleLocalBytesRead": names.SPARK_STAGE_SHUFFLE_READ_LOCAL_BYTES,
    "shuffleRemoteBytesRead": names.SPARK_STAGE_SHUFFLE_READ_REMOTE_BYTES,
    "shuffleReadRecords": names.SPARK_STAGE_SHUFFLE_READ_RECORDS,
    "shuffleWriteBytes": names.SPARK_STAGE_SHUFFLE_WRITE_BYTES,
    "shuffleWriteRecords": names.SPARK_STAGE_SHUFFLE_WRITE_RECORDS,
    "memoryBytesSpilled": names.SPARK_STAGE_SPILL_MEMORY_BYTES,
    "diskBytesSpilled": names.SPARK_STAGE_SPILL_DISK_BYTES,
    "resultSize": names.SPARK_STAGE_RESULT_BYTES,
    "name": names.SPARK_STAGE_NAME,
}
SECONDS = {
    "shuffleFetchWaitTime": (names.SPARK_STAGE_SHUFFLE_READ_FETCH_WAIT, 1e3),
    "shuffleWriteTime": (names.SPARK_STAGE_SHUFFLE_WRITE_TIME, 1e9),
    "executorRunTime": (names.SPARK_STAGE_RUN_TIME, 1e3),
    "executorCpuTime": (names.SPARK_STAGE_CPU_TIME, 1e9),
    "jvmGcTime": (names.SPARK_STAGE_GC_TIME, 1e3),
    "executorDeserializeTime": (names.SPARK_STAGE_DESERIALIZE_TIME, 1e3),
}
METRICS = {
    ("spark.stage.tasks", "succeeded"): ("numCompleteTasks", 1),
    ("spark.stage.tasks", "failed"): ("numFailedTasks", 1),
    ("spark.stage.tasks", "killed"): ("numKilledTasks", 1),
    ("spark.stage.input", ""): ("inputBytes", 1),
    ("spark.stage.input.records", ""): ("inputRecords", 1),
    ("spark.stage.output", ""): ("outputBytes", 1),
    ("spark.stage.output.records", ""): ("outputRecords", 1),
    ("spark.stage.shuffle", "read"): ("shuffleReadBytes", 1),
    ("spark.stage.shuffle", "write"): ("shuffleWriteBytes", 1),
    ("spark.stage.shuffle.records", "read"): ("shuffleReadRecords", 1),
    ("spark.stage.shuffle.records", "write"): ("shuffleWriteRecords", 1),
    ("spark.stage.spill", "memory"): ("memoryBytesSpilled", 1),
    ("spark.stage.spill", "disk"): ("diskBytesSpilled", 1),
    ("spark.stage.run_time", ""): ("executorRunTime", 1e3),
    ("spark.stage.cpu_time", ""): ("executorCpuTime", 1e9),
    ("spark.stage.gc_time", ""): ("jvmGcTime", 1e3),
}


@pytest.fixture
def application(zoo: dict[str, Application], name: str) -> Application:
    """Return the application that the test is about."""
    return zoo[name]


def lasts(span: SpanRecord, start: int, end: int, application: Application) -> bool:
    """Return whether these, in ms, are the span's times, but for children that began before or ended after."""
    children = [s for s in application.spans if s.parent_id == span.span_id]
    first = min([start * 1_000_000, *(s.start_ns for s in children)])
    last = max([end * 1_000_000, *(s.end_ns for s in children)])
    return (span.start_ns, span.end_ns) == (first, last)


def test_every_stage_attempt_has_one_span(application: Application) -> None:
    """Attempts that ran have exactly one span each, retried and failed ones too; skipped stages have none."""
    keys = (names.SPARK_STAGE_ID, names.SPARK_STAGE_ATTEMPT_ID)
    seen = [(s.attributes[keys[0]], s.attributes[keys[1]]) for s in application.named("spark.stage")]
    assert sorted(seen) == sorted(application.stages)  # pyright: ignore[reportArgumentType]
    assert application.truth["lost"] == 0
    assert application.truth["problem"] == ""


def test_stages(application: Application) -> None:
    """Tasks, bytes, records and times of every stage attempt are those of the REST API, to the last unit."""
    for key, stage in application.stages.items():
        span = application.told[key]
        assert {column: span.attributes[name] for column, name in INTEGERS.items()} == {c: stage[c] for c in INTEGERS}
        for column, (name, per_second) in SECONDS.items():
            assert span.attributes[name] == pytest.approx(stage[column] / per_second, abs=1e-9), column
        if stage.get("description"):
            assert span.attributes[names.SPARK_STAGE_DESCRIPTION] == stage["description"]
        assert span.start_ns == milliseconds(stage["submissionTime"]) * 1_000_000
        assert span.end_ns == milliseconds(stage["completionTime"]) * 1_000_000
        assert (span.error is not None) == (stage["status"] == "FAILED" and stage["numFailedTasks"] > 0)


def test_the_status_store_agrees(application: Application) -> None:
    """What the REST API says of stages is what the status store in the JVM holds: both are asked, none is trusted."""
    store: dict[Any, dict[str, Any]] = {(s["stageId"], s["attemptId"]): s for s in application.truth["store"]}
    assert set(application.stages) <= set(store)
    for key, stage in application.stages.items():
        assert {column: stage[column] for column in store[key]} == store[key]
        span = application.told[key]
        assert {column: span.attributes[name] for column, name in INTEGERS.items()} == {
            column: store[key][column] for column in INTEGERS
        }


def test_tasks(application: Application) -> None:
    """What is counted task by task is exact; median and p95 are within the histogram's 19 %."""
    for key, stage in application.stages.items():
        tasks: list[dict[str, Any]] | None = stage.get("tasks")
        if tasks is None:
            continue
        found = application.told[key].attributes
        assert found[names.SPARK_STAGE_TASKS_SPECULATIVE] == sum(task["speculative"] for task in tasks)
        delay = sum(task["schedulerDelay"] for task in tasks)
        assert found[names.SPARK_STAGE_SCHEDULER_DELAY] == pytest.approx(delay / 1e3)
        metrics = [task["taskMetrics"] for task in tasks if "taskMetrics" in task]
        assert found[names.SPARK_STAGE_MEMORY_PEAK] == max((m["peakExecutionMemory"] for m in metrics), default=0)
        durations = sorted(task["duration"] for task in tasks if task["status"] == "SUCCESS")
        if not durations:
            assert names.SPARK_STAGE_SKEW not in found
            continue
        median, p95 = (durations[-(-len(durations) * percent // 100) - 1] / 1e3 for percent in (50, 95))
        assert found[names.SPARK_STAGE_TASK_DURATION_MAX] == durations[-1] / 1e3
        assert found[names.SPARK_STAGE_TASK_DURATION_P50] == pytest.approx(median, rel=0.19)
        assert found[names.SPARK_STAGE_TASK_DURATION_P95] == pytest.approx(p95, rel=0.19)
        skew = max(durations[-1], 1) / max(median * 1e3, 1)
        assert found[names.SPARK_STAGE_SKEW] == pytest.approx(skew, rel=0.25)


def test_jobs(application: Application) -> None:
    """Every job has one span, with the REST API's group, description, stages, outcome and times."""
    jobs = {job["jobId"]: job for job in application.truth["rest"]["jobs"] if job.get("description") != "unsampled"}
    spans = {s.attributes[names.SPARK_JOB_ID]: s for s in application.named("spark.job")}
    assert len(application.named("spark.job")) == len(spans)
    assert sorted(spans) == sorted(jobs)  # pyright: ignore[reportArgumentType]
    results = {"succeeded": "SUCCEEDED", "failed": "FAILED", "cancelled": "FAILED"}
    for key, job in jobs.items():
        span = spans[key]
        found = span.attributes
        assert found.get(names.SPARK_JOB_DESCRIPTION) == job.get("description")
        assert found.get(names.SPARK_JOB_GROUP) == job.get("jobGroup")
        assert found[names.SPARK_JOB_STAGE_COUNT] == len(job["stageIds"])
        assert found[names.SPARK_JOB_STAGE_SKIPPED] == job["numSkippedStages"]
        assert results[str(found[names.SPARK_JOB_RESULT])] == job["status"]
        assert (span.error is not None) == (found[names.SPARK_JOB_RESULT] == "failed")
        assert lasts(
            span,
            milliseconds(job["submissionTime"]),
            milliseconds(job["completionTime"]),
            application,
        )
        below = {s.attributes[names.SPARK_STAGE_ID] for s in application.spans if s.parent_id == span.span_id}
        assert below <= set(job["stageIds"])


def test_queries(application: Application) -> None:
    """Every SQL execution has one span, with the REST API's description, outcome and times, and its jobs below it."""
    queries = {q["id"]: q for q in application.truth["rest"]["sql"] if q["description"] != "unsampled"}
    spans = {s.attributes[names.SPARK_SQL_EXECUTION_ID]: s for s in application.named("spark.sql")}
    assert len(application.named("spark.sql")) == len(spans)
    assert sorted(spans) == sorted(queries)  # pyright: ignore[reportArgumentType]
    jobs = application.named("spark.job")
    for key, query in queries.items():
        span = spans[key]
        assert span.attributes[names.SPARK_SQL_DESCRIPTION] == query["description"]
        start = milliseconds(query["submissionTime"])
        assert lasts(span, start, start + query["duration"], application)
        below = {job.attributes[names.SPARK_JOB_ID]: job for job in jobs if job.parent_id == span.span_id}
        assert sorted(below) == sorted([*query["successJobIds"], *query["failedJobIds"]])  # pyright: ignore[reportArgumentType]
        cancelled = any(job.attributes[names.SPARK_JOB_RESULT] == "cancelled" for job in below.values())
        result = "succeeded" if query["status"] == "COMPLETED" else "cancelled" if cancelled else "failed"
        assert span.attributes[names.SPARK_SQL_RESULT] == result
        assert (span.error is not None) == (result == "failed")


def test_what_executors_did(application: Application) -> None:
    """What the executors did, all stages together, is what our spans add up to."""
    rest = application.truth["rest"]
    for column, stages, attribute in (
        ("completedTasks", "numCompleteTasks", names.SPARK_STAGE_TASKS_SUCCEEDED),
        ("totalInputBytes", "inputBytes", names.SPARK_STAGE_INPUT_BYTES),
        ("totalShuffleRead", "shuffleReadBytes", names.SPARK_STAGE_SHUFFLE_READ_BYTES),
        ("totalShuffleWrite", "shuffleWriteBytes", names.SPARK_STAGE_SHUFFLE_WRITE_BYTES),
    ):
        untold = sum(stage[stages] for stage in rest["stages"] if stage.get("description") == "unsampled")
        ours = sum(int(str(span.attributes[attribute])) for span in application.named("spark.stage"))
        assert ours + untold == sum(executor[column] for executor in rest["allexecutors"]), column


def test_executors(application: Application) -> None:
    """Every executor comes and goes as an event, with the REST API's id, host, cores, time and reason; cores add up."""
    (span,) = application.named("spark.application")
    executors = {e["id"]: e for e in application.truth["rest"]["allexecutors"] if e["totalCores"]}
    events = {
        name: {str(e.attributes[names.SPARK_EXECUTOR_ID]): e for e in span.events if e.name == f"spark.executor.{name}"}
        for name in ("added", "removed")
    }
    # A lost executor's successor may come after the REST API was asked, but not before the last job had ended.
    over = max(milliseconds(job["completionTime"]) for job in application.truth["rest"]["jobs"]) * 1_000_000
    late = {key for key, event in events["added"].items() if key not in executors and event.time_ns >= over}
    assert sorted(set(events["added"]) - late) == sorted(executors)
    # A stopped context removes the executors that are left, which nobody could ask the REST API any more.
    gone = {key for key, executor in executors.items() if not executor["isActive"]}
    assert gone <= set(events["removed"]) <= set(executors) | late
    for key, executor in executors.items():
        event = events["added"][key]
        assert event.time_ns == milliseconds(executor["addTime"]) * 1_000_000
        assert event.attributes[names.SPARK_EXECUTOR_CORES] == executor["totalCores"]
        assert event.attributes[names.SPARK_EXECUTOR_HOST] == executor["hostPort"].partition(":")[0]
        if key in gone:
            event = events["removed"][key]
            assert event.time_ns == milliseconds(executor["removeTime"]) * 1_000_000
            assert event.attributes[names.SPARK_EXECUTOR_REMOVED_REASON] == executor["removeReason"]
    assert span.attributes[names.SPARK_APPLICATION_EXECUTORS_ADDED] == len(executors) + len(late)


def test_time_of_cores(application: Application) -> None:
    """The time of tasks is the sum of what the REST API says of each, where it was asked for each."""
    stages = application.stages.values()
    if not all("tasks" in stage for stage in stages):
        pytest.skip("one of its stages has too many tasks to ask for each")
    (span,) = application.named("spark.application")
    total = sum(task["duration"] for stage in stages for task in stage["tasks"])
    assert span.attributes[names.SPARK_APPLICATION_TASK_TIME] == pytest.approx(total / 1e3)


def test_metrics(driver: Driver, application: Application, name: str) -> None:
    """The points of an application sum up to Spark's totals, those of unsampled work and those of 0 included."""
    sums: dict[tuple[str, str], float] = {}
    kinds = (names.SPARK_TASK_OUTCOME, names.SPARK_IO_DIRECTION, names.SPARK_SPILL_MEDIUM)
    for metric in driver.points:
        for point in metric.get("sum", {}).get("dataPoints", []):
            attributes = {a["key"]: a["value"]["stringValue"] for a in point["attributes"]}
            if attributes.get(names.SPARK_APPLICATION_NAME) == name and metric["name"].startswith("spark."):
                key = (metric["name"], next((attributes[kind] for kind in kinds if kind in attributes), ""))
                sums[key] = sums.get(key, 0) + float(point.get("asInt", point.get("asDouble", 0)))
    store = application.truth["store"]
    expected = {key: sum(stage[column] for stage in store) / unit for key, (column, unit) in METRICS.items()}
    (span,) = application.named("spark.application")
    for attribute in (names.SPARK_APPLICATION_CORE_TIME, names.SPARK_APPLICATION_TASK_TIME):
        expected[attribute, ""] = float(str(span.attributes[attribute]))
    ran = [stage for stage in application.truth["rest"]["stages"] if stage["status"] not in {"SKIPPED", "PENDING"}]
    expected["spark.stage.fetch_wait", ""] = sum(stage["shuffleFetchWaitTime"] for stage in ran) / 1e3
    delay = sums.pop(("spark.stage.scheduler_delay", ""))
    if all("tasks" in stage for stage in ran):
        assert delay == pytest.approx(sum(task["schedulerDelay"] for stage in ran for task in stage["tasks"]) / 1e3)
    assert sums == pytest.approx(expected)
