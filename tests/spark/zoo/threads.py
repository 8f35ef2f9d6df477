"""Threads: each with spans of its own, changing ones, or with none."""

# pyright: basic
from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from zoo.session import active_span


if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def shared_stage(sc: Any) -> None:
    """Start a job while the stage it shares with another one is running: both wait for that one."""

    def slowly(number: int) -> tuple[int, int]:
        time.sleep(1.5)
        return number, 1

    pairs = sc.parallelize([1, 2], 2).map(slowly).reduceByKey(lambda a, b: a + b, 2)

    def run() -> None:
        sc.setJobDescription("shared stage")
        pairs.count()

    running = [threading.Thread(target=run) for _ in range(2)]
    running[0].start()
    deadline = time.monotonic() + 60
    while not sc.statusTracker().getActiveStageIds() and time.monotonic() < deadline:
        time.sleep(0.05)
    running[1].start()
    for thread in running:
        thread.join()


def threads(spark: SparkSession) -> None:
    """Run queries in two threads with spans of their own, changing ones, in one without any, in one unsampled."""
    sc = spark.sparkContext

    def run(first: int) -> None:
        for n in range(first, first + 3):
            sc.setJobDescription(f"span {n:x}")
            with active_span(n):
                spark.range(0, 100, 1, 2).groupBy("id").count().collect()
                sc.parallelize([1, 2], 1).count()
            sc.setJobDescription("no span")
            sc.parallelize([1, 2], 1).count()

    def plain() -> None:
        sc.setJobDescription("no span")
        spark.range(0, 100, 1, 2).groupBy("id").count().collect()

    def silent() -> None:
        sc.setJobDescription("unsampled")
        with active_span(0xD0, sampled=False):
            spark.range(0, 100, 1, 2).groupBy("id").count().collect()

    running = [threading.Thread(target=run, args=(first,)) for first in (0xA0, 0xB0)]
    running += [threading.Thread(target=plain), threading.Thread(target=silent)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
