"""RDDs alone: no session, no query."""

# pyright: basic
from __future__ import annotations

from typing import Any


def many_tasks(sc: Any, tasks: int) -> None:
    """Run trivial tasks, in the JVM alone: Python's own way to make partitions takes 28 ms for each."""
    sc._jsc.sc().range(0, tasks, 1, tasks).count()


def many_jobs(sc: Any, jobs: int) -> None:
    """Run jobs of two trivial tasks."""
    for number in range(jobs):
        sc.setJobGroup("tiny", f"tiny {number}")
        many_tasks(sc, 2)
    sc.setLocalProperty("spark.jobGroup.id", None)
    sc.setJobDescription(None)


def words(sc: Any) -> None:
    """Count words, sorted: three jobs of Python tasks, one of them to sample the keys, with skipped stages."""
    lines = sc.parallelize(["to be or not to be", "that is the question"] * 50, 4)
    counts = lines.flatMap(str.split).map(lambda word: (word, 1)).reduceByKey(lambda a, b: a + b, 3)
    counts.sortByKey(numPartitions=2).collect()
