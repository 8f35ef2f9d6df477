"""What queries do: join, aggregate, cache, spill, be planned anew on the way, call Python, write and read."""

# pyright: basic
from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - Spark's own habit

from zoo.session import active_span, conf, plan


if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


def written(spark: SparkSession, folder: Path) -> None:
    """Join, aggregate, cache, write and read files, and nest one execution in another."""
    left = spark.range(0, 20_000, 1, 4).withColumn("k", F.col("id") % 100)
    right = spark.range(0, 100, 1, 2).withColumnRenamed("id", "k").cache()
    joined = left.join(right, "k").groupBy("k").agg(F.sum("id").alias("total"), F.count("*").alias("n"))
    joined.write.parquet(str(folder / "out"))
    spark.read.parquet(str(folder / "out")).orderBy("total").collect()
    right.count()
    right.unpersist()
    joined.write.partitionBy("n").json(str(folder / "json"))
    spark.read.json(str(folder / "json")).groupBy("n").count().collect()
    with active_span(0xC0):
        spark.sql("CREATE TABLE nested USING parquet AS SELECT id FROM range(10)")


def replanned(spark: SparkSession) -> dict[str, str]:
    """Join what AQE splits for its skew, what it coalesces, and what it broadcasts after all; return their plans."""
    few = spark.range(0, 50, 1, 2).withColumnRenamed("id", "k")
    left = spark.range(0, 100_000, 1, 4).withColumn("k", F.expr("if(id % 10 < 8, 0, id % 50)"))
    skewed = {
        "adaptive__skewJoin__skewedPartitionFactor": "2",
        "adaptive__skewJoin__skewedPartitionThresholdInBytes": "10KB",
        "adaptive__advisoryPartitionSizeInBytes": "20KB",
        "shuffle__partitions": "8",
    }
    plans = {}
    with conf(spark, **skewed):
        joined = left.join(few, "k").agg(F.sum("id"))
        joined.collect()
        plans["skew"] = plan(joined)
    with conf(spark, shuffle__partitions="8"):
        grouped = left.groupBy("k").count()
        grouped.collect()
        plans["coalesced"] = plan(grouped)
    with conf(spark, adaptive__autoBroadcastJoinThreshold="10MB"):
        joined = left.join(few.filter("k < 3"), "k").agg(F.sum("id"))
        joined.collect()
        plans["broadcast after all"] = plan(joined)
    broadcast = left.join(F.broadcast(few), "k").agg(F.sum("id"))
    broadcast.collect()
    plans["broadcast"] = plan(broadcast)
    cached = few.cache()
    cached.count()
    again = cached.agg(F.sum("k"))
    again.collect()
    plans["cache"] = plan(again)
    cached.unpersist()
    return plans


def python(spark: SparkSession) -> list[str]:
    """Call Python functions from queries, each described as its kind; return which kinds there were."""
    kinds = {"udf": F.udf}
    if importlib.util.find_spec("pyarrow"):
        kinds["pandas udf"] = F.pandas_udf  # pyright: ignore[reportArgumentType]
    for kind, make in kinds.items():
        plus = make(lambda x: x + 1, "long")  # pyright: ignore[reportArgumentType, reportCallIssue]
        spark.sparkContext.setJobDescription(kind)
        spark.range(0, 1000, 1, 2).select(plus("id").alias("x")).agg(F.sum("x")).collect()
    spark.sparkContext.setJobDescription(None)  # pyright: ignore[reportArgumentType]
    return list(kinds)


def spills(spark: SparkSession) -> None:
    """Sort more than the memory holds."""
    rows = spark.range(0, 1_500_000, 1, 2).withColumn("text", F.expr("repeat(cast(id as string), 6)"))
    rows.repartition(2, "id").sortWithinPartitions("text").write.format("noop").mode("overwrite").save()
