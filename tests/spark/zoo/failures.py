"""What goes wrong: tasks, jobs and queries that fail or are cancelled, and shuffle files that are gone."""

# pyright: basic
from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - Spark's own habit


if TYPE_CHECKING:
    from pathlib import Path

    from pyspark import SparkContext
    from pyspark.sql import SparkSession


def failing(spark: SparkSession, folder: Path) -> None:
    """Let a task fail once, then a job and a query for good, with a task that outlives its stage."""
    sc = spark.sparkContext

    def once(index: int, rows: Any) -> Any:
        from pyspark import TaskContext

        if index == 1 and TaskContext.get().attemptNumber() == 0:  # pyright: ignore[reportOptionalMemberAccess]
            raise ValueError("only the first time")
        return rows

    sc.setJobDescription("task fails once")
    sc.parallelize(range(8), 4).mapPartitionsWithIndex(once).count()

    def always(x: int) -> int:
        if x == 0:
            raise ValueError("password=hunter2 is wrong")
        for _ in range(600):
            if failed.exists():
                break
            time.sleep(0.1)
        return x

    failed = folder / "failed"
    sc.setJobDescription("job fails")
    with contextlib.suppress(Exception):
        sc.parallelize(range(2), 2).map(always).count()
    failed.touch()
    sc.setJobDescription("query fails")
    with contextlib.suppress(Exception):
        spark.range(10).select(F.expr("raise_error('wrong')")).collect()
    sc.setJobDescription(None)  # pyright: ignore[reportArgumentType]


def cancelled(spark: SparkSession) -> None:
    """Cancel a job and a query, each while both of its tasks run."""
    sc = spark.sparkContext

    def slow(x: int) -> int:
        time.sleep(3)
        return x

    asleep = F.udf(slow, "long")
    jobs = {
        "job is cancelled": lambda: sc.parallelize(range(2), 2).map(slow).count(),
        "query is cancelled": lambda: spark.range(0, 2, 1, 2).select(asleep("id")).collect(),
    }
    for name, action in jobs.items():
        sc.setJobGroup(name, name)
        canceller = threading.Thread(target=_cancel, args=(sc, name))
        canceller.start()
        with contextlib.suppress(Exception):
            action()
        canceller.join()
    sc.setLocalProperty("spark.jobGroup.id", None)  # pyright: ignore[reportArgumentType]
    sc.setJobDescription(None)  # pyright: ignore[reportArgumentType]


def _cancel(sc: SparkContext, group: str) -> None:
    tracker = sc.statusTracker()
    for _ in range(600):
        time.sleep(0.1)
        infos = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
        stages = [tracker.getStageInfo(stage) for info in infos if info for stage in info.stageIds]
        if sum(stage.numActiveTasks for stage in stages if stage) >= 2:
            break
    sc.cancelJobGroup(group)


def lost_shuffle(spark: SparkSession, folder: Path) -> None:
    """Take the shuffle files away between two actions: stages are attempted again."""
    pairs = spark.sparkContext.parallelize(range(100), 4).map(lambda x: (x % 5, x)).groupByKey(2)
    pairs.count()
    pairs.count()  # the first of its two stages is skipped
    for file in (folder / "local").rglob("shuffle_*"):
        file.unlink()
    pairs.count()
