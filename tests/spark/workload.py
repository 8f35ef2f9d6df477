"""
A driver with a bit of everything, run in a process of its own: ``workload.py FOLDER``.

It knows nothing of dagtrace. Before it stops, it writes what Spark's own status store says of its stages, and what the
listener bus says of our queue, to ``FOLDER/truth.json``.
"""

# pyright: basic
from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from opentelemetry import context, trace
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own habit


TRACE = 0xABC0000000000000000000000000000F
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
COLUMNS = [
    "numTasks",
    "numCompleteTasks",
    "numFailedTasks",
    "numKilledTasks",
    "inputBytes",
    "inputRecords",
    "outputBytes",
    "outputRecords",
    "shuffleReadBytes",
    "shuffleLocalBytesRead",
    "shuffleRemoteBytesRead",
    "shuffleReadRecords",
    "shuffleFetchWaitTime",
    "shuffleWriteBytes",
    "shuffleWriteRecords",
    "shuffleWriteTime",
    "memoryBytesSpilled",
    "diskBytesSpilled",
    "executorRunTime",
    "executorCpuTime",
    "jvmGcTime",
    "executorDeserializeTime",
    "resultSize",
    "name",
]


def start(name: str, folder: Path, **conf: str) -> SparkSession:
    """Start a small Spark."""
    builder = SparkSession.builder.master("local[2,2]").appName(name)
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.shuffle.io.maxRetries": "0",
        **{key.replace("__", "."): value for key, value in conf.items()},
    }
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


@contextlib.contextmanager
def active_span(span_id: int, *, sampled: bool = True) -> Any:
    """Make a span of somebody else's the active one of this thread."""
    flags = trace.TraceFlags(int(sampled))
    span = trace.NonRecordingSpan(trace.SpanContext(TRACE, span_id, is_remote=False, trace_flags=flags))
    token = context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        context.detach(token)


def sql(spark: SparkSession, folder: Path) -> None:
    """Join, aggregate, cache, write and read Parquet, and nest one execution in another."""
    left = spark.range(0, 20_000, 1, 4).withColumn("k", F.col("id") % 100)
    right = spark.range(0, 100, 1, 2).withColumnRenamed("id", "k").cache()
    joined = left.join(right, "k").groupBy("k").agg(F.sum("id").alias("total"), F.count("*").alias("n"))
    joined.write.parquet(str(folder / "out"))
    spark.read.parquet(str(folder / "out")).orderBy("total").collect()
    right.count()
    with active_span(0xC0):
        spark.sql("CREATE TABLE nested USING parquet AS SELECT id FROM range(10)")


def failures(spark: SparkSession) -> None:
    """Let a task fail once, a job fail for good, and cancel one, each with tasks that outlive their stage."""
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
        time.sleep(1)
        return x

    sc.setJobDescription("job fails")
    with contextlib.suppress(Exception):
        sc.parallelize(range(4), 2).map(always).count()
    sc.setJobDescription("query fails")
    with contextlib.suppress(Exception):
        spark.range(10).select(F.expr("raise_error('wrong')")).collect()
    sc.setJobDescription("job is cancelled")
    threading.Timer(1, sc.cancelAllJobs).start()
    with contextlib.suppress(Exception):
        sc.parallelize(range(2), 2).map(lambda _: time.sleep(3)).count()
    sc.setJobDescription("")


def lost_shuffle(spark: SparkSession, folder: Path) -> None:
    """Take the shuffle files away between two actions: stages are attempted again."""
    pairs = spark.sparkContext.parallelize(range(100), 4).map(lambda x: (x % 5, x)).groupByKey(2)
    pairs.count()
    for file in (folder / "local").rglob("shuffle_*"):
        file.unlink()
    pairs.count()


def threads(spark: SparkSession) -> None:
    """Run queries in two threads with spans of their own, changing ones, and in one without any."""
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


def many_tasks(spark: SparkSession, tasks: int) -> None:
    """Run trivial tasks, in the JVM alone: Python's own way to make partitions takes 28 ms for each."""
    sc: Any = spark.sparkContext
    sc._jsc.sc().range(0, tasks, 1, tasks).count()


def truth(spark: SparkSession) -> dict[str, Any]:
    """Return what Spark's own status store has of each stage attempt, and the counters of our queue."""
    sc: Any = spark.sparkContext
    bus = sc._jsc.sc().listenerBus()
    bus.waitUntilEmpty(30_000)
    store = sc._jsc.sc().statusStore()
    quantiles = sc._gateway.new_array(sc._jvm.double, 0)
    empty = sc._jvm.java.util.ArrayList()
    listed = store.stageList(None, False, False, quantiles, empty)  # noqa: FBT003 - a Scala method
    stages: list[dict[str, Any]] = []
    for i in range(listed.size()):
        stage = listed.apply(i)
        if stage.status().toString() in {"SKIPPED", "PENDING"}:
            continue
        found = {column: getattr(stage, column)() for column in COLUMNS}
        found |= {"id": stage.stageId(), "attempt": stage.attemptId(), "status": stage.status().toString()}
        found["description"] = stage.description().get() if stage.description().isDefined() else ""
        found |= {
            "submitted": stage.submissionTime().get().getTime(),
            "completed": stage.completionTime().get().getTime(),
        }
        if found["numTasks"] < 100:
            tasks = store.taskList(stage.stageId(), stage.attemptId(), 1000)
            each = [tasks.apply(n) for n in range(tasks.size())]
            found["schedulerDelay"] = sum(task.schedulerDelay() for task in each)
            found["durations"] = sorted(task.duration().get() for task in each if task.status() == "SUCCESS")
            peaks = [task.taskMetrics().get().peakExecutionMemory() for task in each if task.taskMetrics().isDefined()]
            found["peak"] = max(peaks, default=0)
        stages.append(found)
    counters = bus.metrics().metricRegistry().getCounters()
    dropped = {name: counters[name].getCount() for name in counters if "numDroppedEvents" in name}
    listener = sc._jvm.java.lang.System.getProperties().get("dagtrace.listener." + sc.applicationId)
    return {
        "trace": TRACE,
        "host": sc.getConf().get("spark.driver.host"),
        "application": sc.applicationId,
        "stages": stages,
        "dropped": dropped,
        "lost": listener and listener.lost(),
        "problem": listener and listener.problem(),
    }


def main(folder: Path) -> None:
    """Run it all."""
    spark = start("workload", folder)
    sql(spark, folder)
    failures(spark)
    lost_shuffle(spark, folder)
    threads(spark)
    many_tasks(spark, 20_000)
    (folder / "truth.json").write_text(json.dumps(truth(spark)))
    spark.stop()
    for name, parent in (("second", PARENT), ("unsampled", PARENT[:-1] + "0")):
        again = start(name, folder, spark__dagtrace__traceparent=parent)
        again.range(10).count()
        again.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
