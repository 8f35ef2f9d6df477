"""Each scene of the zoo has really happened, by Spark's own word, and our spans say what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from support.spark import milliseconds


if TYPE_CHECKING:
    from conftest import Driver
    from dagtrace.record import SpanRecord
    from support.spark import Application

pytestmark = pytest.mark.real


def described(application: Application, description: str) -> list[tuple[dict[str, Any], SpanRecord]]:
    """Return the stage attempts with this description, as Spark and as we have them."""
    found = [key for key, stage in application.stages.items() if stage.get("description") == description]
    assert found
    return [(application.stages[key], application.told[key]) for key in sorted(found)]


def test_plans_that_changed_on_the_way(zoo: dict[str, Application]) -> None:
    """AQE split a skewed join, coalesced partitions and broadcast after all; a planned broadcast and a cache, too."""
    plans = zoo["workload"].truth["plans"]
    assert "SortMergeJoin(skew=true)" in plans["skew"]
    assert "AQEShuffleRead coalesced" in plans["coalesced"]
    final, _, initial = plans["broadcast after all"].partition("== Initial Plan ==")
    assert "BroadcastHashJoin" in final
    assert "SortMergeJoin" in initial
    assert "BroadcastHashJoin" in plans["broadcast"]
    assert "InMemoryTableScan" in plans["cache"]
    # Their stages run as jobs of their own, each listing the finished ones again: those are skipped.
    queries = zoo["workload"].named("spark.sql")
    jobs = zoo["workload"].named("spark.job")
    assert max(sum(job.parent_id == query.span_id for job in jobs) for query in queries) >= 3


def test_skipped_stages_have_no_span(zoo: dict[str, Application]) -> None:
    """What a job lists and Spark does not run is nobody's work; the count of a job's stages has it."""
    skipped = [s["stageId"] for s in zoo["workload"].truth["rest"]["stages"] if s["status"] == "SKIPPED"]
    assert skipped
    assert not {(stage, 0) for stage in skipped} & set(zoo["workload"].told)


def test_a_stage_that_two_jobs_share_is_skipped_by_none(zoo: dict[str, Application]) -> None:
    """A job that starts while a stage it lists is running waits for it: for Spark, and so for us, it skips nothing."""
    workload = zoo["workload"]
    jobs = [job for job in workload.truth["rest"]["jobs"] if job.get("description") == "shared stage"]
    first, second = (set(job["stageIds"]) for job in jobs)
    assert len(first & second) == 1
    assert [job["numSkippedStages"] for job in jobs] == [0, 0], "the second began too late: the test proves nothing"
    spans = [s for s in workload.named("spark.job") if s.attributes.get(names.SPARK_JOB_DESCRIPTION) == "shared stage"]
    assert [s.attributes[names.SPARK_JOB_STAGE_SKIPPED] for s in spans] == [0, 0]


def test_spilled_bytes_are_told(zoo: dict[str, Application]) -> None:
    """A sort that did not fit into memory says so, in memory and on disk."""
    (stage,) = (s for s in zoo["spills"].told.values() if s.attributes[names.SPARK_STAGE_SPILL_DISK_BYTES])
    assert int(str(stage.attributes[names.SPARK_STAGE_SPILL_MEMORY_BYTES])) > 10_000_000


def test_a_lost_shuffle_is_made_again(zoo: dict[str, Application]) -> None:
    """After a failed fetch both the reading and the writing stage are attempted again: spans of their own, no error."""
    attempts = {key for key in zoo["workload"].told if key[1] > 0}
    assert len(attempts) >= 2
    failed = [s for s in zoo["workload"].truth["rest"]["stages"] if "FetchFailed" in s.get("failureReason", "")]
    assert failed
    for stage in failed:
        span = zoo["workload"].told[stage["stageId"], stage["attemptId"]]
        assert span.error is not None
        (job,) = (s for s in zoo["workload"].spans if s.span_id == span.parent_id)
        assert job.error is None


def test_tasks_later_than_their_failed_stage_count(zoo: dict[str, Application]) -> None:
    """A task that ends when its stage has long failed is in the stage's numbers."""
    ((stage, span),) = described(zoo["workload"], "job fails")
    assert stage["status"] == "FAILED"
    ends = [milliseconds(task["launchTime"]) + task["duration"] for task in stage["tasks"]]
    assert max(ends) > milliseconds(stage["completionTime"]), "the workload proves less than it should"
    total = (names.SPARK_STAGE_TASKS_SUCCEEDED, names.SPARK_STAGE_TASKS_FAILED, names.SPARK_STAGE_TASKS_KILLED)
    assert sum(int(str(span.attributes[name])) for name in total) == len(stage["tasks"])


def test_a_cancelled_query_is_no_error(zoo: dict[str, Application]) -> None:
    """A query whose job group was cancelled ends with a cancelled job, and nothing of it is an error."""
    ((_, stage),) = described(zoo["workload"], "query is cancelled")
    spans = {s.span_id: s for s in zoo["workload"].spans}
    job = spans[stage.parent_id or 0]
    assert job.attributes[names.SPARK_JOB_RESULT] == "cancelled"
    assert job.attributes[names.SPARK_JOB_GROUP] == "query is cancelled"
    query = spans[job.parent_id or 0]
    assert query.name == "spark.sql"
    assert (query.error, job.error, stage.error) == (None, None, None)


def test_python_functions(zoo: dict[str, Application]) -> None:
    """Queries that call a UDF, and a pandas UDF where there is pyarrow, have their stages, and these their tasks."""
    kinds = zoo["workload"].truth["python"]
    assert kinds[0] == "udf"
    for kind in kinds:
        assert (
            sum(int(str(s.attributes[names.SPARK_STAGE_TASKS_SUCCEEDED])) for _, s in described(zoo["workload"], kind))
            >= 2
        )


def test_rdds_alone(zoo: dict[str, Application]) -> None:
    """An application without a session: jobs and stages below the application, and no query."""
    application = zoo["rdd"]
    assert application.named("spark.sql") == []
    (root,) = application.named("spark.application")
    jobs = application.named("spark.job")
    assert {job.parent_id for job in jobs} == {root.span_id}
    assert sum(job.attributes.get(names.SPARK_JOB_GROUP) == "tiny" for job in jobs) == 100


def test_a_speculated_task(zoo: dict[str, Application]) -> None:
    """The copy that won and the original that was killed are both counted, and no error is made of it."""
    ((stage, span),) = described(zoo["cluster"], "speculated")
    assert [task["status"] for task in stage["tasks"] if task["speculative"] and task["index"] == 0] == ["SUCCESS"]
    assert [task["status"] for task in stage["tasks"] if not task["speculative"] and task["index"] == 0] == ["KILLED"]
    assert int(str(span.attributes[names.SPARK_STAGE_TASKS_SPECULATIVE])) >= 1
    assert int(str(span.attributes[names.SPARK_STAGE_TASKS_KILLED])) >= 1
    assert span.error is None


def test_a_lost_executor(zoo: dict[str, Application]) -> None:
    """An executor dies with what it had made: the lost task and those that are done again count as failed ones."""
    application = zoo["cluster"]
    (lost,) = (e for e in application.truth["rest"]["allexecutors"] if not e["isActive"])
    assert lost["removeReason"]
    stage, span = described(application, "loses an executor")[0]
    again = {task["index"] for task in stage["tasks"] if task["attempt"] > 0}
    assert len(again) >= 2, "nothing was resubmitted: the workload proves less than it should"
    assert span.attributes[names.SPARK_STAGE_TASKS_FAILED] == stage["numFailedTasks"] >= 2
    assert span.attributes[names.SPARK_STAGE_TASK_ERROR]
    assert span.error is None


def test_bytes_from_another_executor(zoo: dict[str, Application]) -> None:
    """On a cluster, a part of a shuffle is read from elsewhere."""
    assert any(s.attributes[names.SPARK_STAGE_SHUFFLE_READ_REMOTE_BYTES] for s in zoo["cluster"].told.values())


def test_nothing_is_lost_in_many_tasks(zoo: dict[str, Application]) -> None:
    """20,000 trivial tasks: our queue drops no event, the listener loses no record, and every task is counted."""
    truth = zoo["workload"].truth
    assert truth["dropped"]["queue.dagtrace.numDroppedEvents"] == 0
    assert (truth["lost"], truth["problem"]) == (0, "")
    tasks = (s.attributes[names.SPARK_STAGE_TASKS_SUCCEEDED] for s in zoo["workload"].told.values())
    assert max(int(str(number)) for number in tasks) == 20_000


def test_no_word_from_us(driver: Driver) -> None:
    """Four applications, two more contexts, everything that can go wrong: dagtrace has nothing to complain of."""
    assert driver.warnings == []
