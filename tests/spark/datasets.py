"""
A driver that reads and writes files and tables, run in a process of its own: ``datasets.py FOLDER [V2]``.

It knows nothing of dagtrace. Each case is a job description. To ``FOLDER/truth.json`` go, by case: what lies on disk
(counted with ``os.stat``), and what Spark's own SQL status store says of the scans and writes of each execution.
"""

# pyright: basic
from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own habit


FORMATS = ("parquet", "orc", "csv", "json")


class Cases:
    """Runs cases and takes down what Spark and the disk say."""

    def __init__(self, folder: Path, **conf: str) -> None:
        """Start a small Spark."""
        self.folder = folder
        self.disk: dict[str, list[int]] = {}
        builder = SparkSession.builder.master("local[2]").appName("datasets")
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.local.dir": str(folder / "local"),
            **{key.replace("__", "."): value for key, value in conf.items()},
        }
        for key, value in settings.items():
            builder = builder.config(key, value)
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("OFF")

    @contextlib.contextmanager
    def case(self, name: str) -> Any:
        """Whatever runs in here is this case."""
        self.spark.sparkContext.setJobDescription(name)
        yield self.spark
        self.spark.sparkContext.setJobDescription("")

    def path(self, name: str) -> str:
        """Return where a dataset lies."""
        return str(self.folder / "data" / name)

    def stat(self, case: str, place: str) -> None:
        """Take down how many part files with how many bytes lie there."""
        parts = [part.stat().st_size for part in Path(place).rglob("part-*")]
        self.disk[case] = [len(parts), sum(parts)]

    def truth(self) -> dict[str, Any]:
        """Return what was taken down, and by description what Spark says of each execution's scans and writes."""
        context: Any = self.spark.sparkContext
        context._jsc.sc().listenerBus().waitUntilEmpty(30_000)
        session: Any = self.spark
        store = session._jsparkSession.sharedState().statusStore()
        listed = store.executionsList()
        nodes: dict[str, list[Any]] = {}
        for i in range(listed.size()):
            execution = listed.apply(i)
            values = store.executionMetrics(execution.executionId())
            found = store.planGraph(execution.executionId()).allNodes()
            for n in range(found.size()):
                node = found.apply(n)
                if not any(word in node.name() for word in ("Scan parquet", "BatchScan", "Insert")):
                    continue
                counted = {}
                for m in range(node.metrics().size()):
                    metric = node.metrics().apply(m)
                    value = values.get(metric.accumulatorId())
                    counted[metric.name()] = value.get() if value.isDefined() else None
                nodes.setdefault(execution.description(), []).append([execution.executionId(), node.name(), counted])
        of_ours = (x for x in context._jsc.sc().listenerBus().listeners() if "TraceListener" in x.getClass().getName())
        listener = next(of_ours, None)
        problem = listener and [listener.lost(), listener.problem()]
        return {"disk": self.disk, "nodes": nodes, "problem": problem}


def files(cases: Cases) -> None:
    """Write and read files of each format, partitioned, empty, failed, several at once."""
    for kind in FORMATS:
        place = cases.path(kind)
        with cases.case(f"write {kind}") as spark:
            frame = spark.range(0, 1000, 1, 3).select("id", (F.col("id") * 2).alias("twice"))
            frame.write.format(kind).save(place)
        cases.stat(f"write {kind}", place)
        with cases.case(f"infer {kind}") as spark:
            back = spark.read.schema("id BIGINT, twice BIGINT").format(kind).load(place)
        with cases.case(f"read {kind}"):
            assert len(back.collect()) == 1000
    with cases.case("append") as spark:
        spark.range(0, 10, 1, 1).select("id", F.lit(1).cast("bigint").alias("twice")).write.mode("append").parquet(
            cases.path("parquet")
        )
    with cases.case("ignored") as spark:
        spark.range(5).write.mode("ignore").parquet(cases.path("parquet"))
    with cases.case("empty") as spark:
        assert not spark.read.parquet(cases.path("parquet")).where("id < 0").collect()
    with cases.case("write nothing") as spark:
        spark.read.parquet(cases.path("parquet")).where("id < 0").write.parquet(cases.path("nothing"))
    cases.stat("write nothing", cases.path("nothing"))
    with cases.case("write fails"), contextlib.suppress(Exception):
        cases.spark.range(10).select(F.expr("raise_error('wrong')").alias("x")).write.parquet(cases.path("never"))
    with cases.case("one file") as spark:
        file = next(Path(cases.path("csv")).glob("part-*.csv"))
        plain = file.parent.parent / "plain.csv"
        plain.write_text("a,b\n1,2\n3,4\n")
        spark.read.schema("a INT, b INT").option("header", "true").csv(str(plain)).collect()


def partitions(cases: Cases) -> None:
    """Partitioned files: written whole, overwritten dynamically and by one folder, read with a filter."""
    place = cases.path("days")
    frame = cases.spark.range(0, 300, 1, 2).select("id", (F.col("id") % 3).cast("int").alias("day"))
    with cases.case("partitioned"):
        frame.write.partitionBy("day").parquet(place)
    cases.stat("partitioned", place)
    with cases.case("pruned") as spark:
        assert len(spark.read.parquet(place).where("day = 1").collect()) == 100
    cases.stat("pruned", f"{place}/day=1")
    with cases.case("one partition") as spark:
        assert len(spark.read.parquet(f"{place}/day=2").collect()) == 100
    with cases.case("dynamic overwrite"):
        frame.where("day = 2").write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy(
            "day"
        ).parquet(place)
    cases.stat("dynamic overwrite", f"{place}/day=2")
    with cases.case("overwrite"):
        frame.where("day = 0").write.mode("overwrite").partitionBy("day").parquet(place)
    cases.stat("overwrite", place)
    with cases.case("other"):
        frame.drop("day").write.parquet(cases.path("other"))
    with cases.case("two folders") as spark:
        spark.read.schema("id BIGINT").parquet(cases.path("parquet"), cases.path("other")).count()


def tables(cases: Cases) -> None:
    """Tables of the catalog, made, filled and read in every way."""
    warehouse = cases.folder / "warehouse"
    frame = cases.spark.range(0, 20, 1, 2).select("id", (F.col("id") % 2).cast("int").alias("half"))
    with cases.case("saveAsTable"):
        frame.write.saveAsTable("saved")
    cases.stat("saveAsTable", str(warehouse / "saved"))
    with cases.case("saveAsTable append"):
        frame.write.mode("append").saveAsTable("saved")
    with cases.case("insertInto"):
        frame.limit(5).write.insertInto("saved")
    with cases.case("ctas") as spark:
        spark.sql("CREATE TABLE made USING parquet PARTITIONED BY (half) AS SELECT id, half FROM saved")
    cases.stat("ctas", str(warehouse / "made"))
    with cases.case("insert static") as spark:
        spark.sql("INSERT OVERWRITE made PARTITION (half = 1) SELECT id FROM saved WHERE id < 3")
    cases.stat("insert static", str(warehouse / "made" / "half=1"))
    with cases.case("insert overwrite") as spark:
        spark.sql("INSERT OVERWRITE saved SELECT id, half FROM made")
    cases.stat("insert overwrite", str(warehouse / "saved"))
    with cases.case("read table") as spark:
        spark.sql("SELECT * FROM saved").collect()
    with cases.case("read pruned table") as spark:
        spark.sql("SELECT * FROM made WHERE half = 0").collect()
    with cases.case("read nothing of table") as spark:
        spark.sql("SELECT * FROM made WHERE half = 7").collect()


def queries(cases: Cases) -> None:
    """Plans in which one scan is used often, by another query, or not at all."""
    left, right = cases.path("parquet"), cases.path("orc")
    with cases.case("join") as spark:
        spark.read.parquet(left).join(spark.read.orc(right), "id").count()
    with cases.case("self join") as spark:
        spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
        one = spark.read.parquet(left).groupBy("id").agg(F.sum("twice").alias("sum"))
        one.join(one.withColumnRenamed("sum", "other"), "id").collect()
        spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")
    with cases.case("subquery") as spark:
        spark.read.parquet(left).createOrReplaceTempView("l")
        spark.read.orc(right).createOrReplaceTempView("r")
        average = "> (SELECT avg(id) FROM r)"  # twice the same: the second is the first one's result
        spark.table("l").where(f"id {average}").where(f"twice {average}").count()
    cached = cases.spark.read.parquet(left).cache()
    with cases.case("cache filled"):
        cached.count()
    with cases.case("cache used"):
        cached.count()
    with cases.case("cache used and files") as spark:
        cached.join(spark.read.orc(right), "id").count()
    cached.unpersist()
    again = cases.spark.read.parquet(left)
    for _ in range(5):
        with cases.case("collected again"):
            again.collect()
    with cases.case("taken one by one"):
        frame: Any = again
        assert frame._jdf.toLocalIterator().hasNext()
    with cases.case("no dataset") as spark:
        spark.range(10).groupBy("id").count().collect()
        spark.createDataFrame([(1,)], "a INT").collect()
    with cases.case("missing table"), contextlib.suppress(Exception):
        cases.spark.sql("SELECT * FROM nowhere").collect()


def main(folder: Path, v2: str = "") -> None:
    """Run it all; with ``v2``, files are read by Spark's version 2 sources."""
    cases = Cases(folder, **({"spark__sql__sources__useV1SourceList": ""} if v2 else {}))
    files(cases)
    if not v2:
        partitions(cases)
        tables(cases)
    queries(cases)
    (folder / "truth.json").write_text(json.dumps(cases.truth()))
    cases.spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
