"""Run every application, one after the other, in one process: ``python -m zoo.main FOLDER``."""

# pyright: basic
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext

from zoo import cluster, failures, rdd, sql
from zoo.session import PARENT, settings, start
from zoo.threads import shared_stage, threads
from zoo.truth import truth


def main(folder: Path) -> None:
    """Run them all."""
    spark = start("workload", folder)
    sql.written(spark, folder)
    failures.failing(spark, folder)
    failures.cancelled(spark)
    failures.lost_shuffle(spark, folder)
    threads(spark)
    shared_stage(spark.sparkContext)
    rdd.many_tasks(spark.sparkContext, 20_000)
    facts: dict[str, Any] = {"plans": sql.replanned(spark), "python": sql.python(spark)}
    _end(spark.sparkContext, folder, **facts)

    spark = start("spills", folder, spark__memory__fraction="0.03")
    sql.spills(spark)
    _end(spark.sparkContext, folder)

    conf = SparkConf(loadDefaults=False)
    context = SparkContext(conf=conf.setAll(list(settings("rdd", folder).items())))
    context.setLogLevel("OFF")
    rdd.words(context)
    rdd.many_jobs(context, 100)
    _end(context, folder)

    with cluster.standalone(folder) as master:
        spark = start("cluster", folder, spark__master=master, **cluster.CONF)
        cluster.shuffled(spark.sparkContext)
        cluster.speculated(spark.sparkContext)
        cluster.loses_an_executor(spark.sparkContext)
        _end(spark.sparkContext, folder)

    for name, parent in (("second", PARENT), ("unsampled", PARENT[:-1] + "0")):
        spark = start(name, folder, spark__dagtrace__traceparent=parent)
        spark.range(10).count()
        spark.stop()


def _end(sc: SparkContext, folder: Path, **facts: Any) -> None:
    (folder / f"{sc.appName}.json").write_text(json.dumps(truth(sc) | facts))
    sc.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
