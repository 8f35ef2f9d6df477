"""Threads: each with spans of its own, changing ones, or with none."""

# pyright: basic
from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zoo.session import active_span


if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
