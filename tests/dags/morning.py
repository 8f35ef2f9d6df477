"""What boards and alerts are looked at for: short Spark applications, a run of hours, one that fails and recovers."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from versions import Asset, dag, task


HOME = Path(os.environ["MORNING_HOME"])


@dag(schedule=None, max_active_tasks=2)
def applications() -> None:
    """Ten short Spark applications, and what Spark itself says they did."""

    @task
    def application(number: int, run_id: str | None = None) -> dict[str, int]:
        from pyspark.sql import SparkSession

        spark = (
            SparkSession.builder.appName("short")
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "2")
            .getOrCreate()
        )
        try:
            rows = spark.range(1000 * number).selectExpr("id", "id % 7 as day").repartition(2, "day")
            rows.write.mode("overwrite").parquet(str(HOME / "short.parquet" / f"part={run_id}-{number}"))
            context = spark.sparkContext
            quantiles = context._gateway.new_array(context._jvm.double, 0)
            store = context._jsc.sc().statusStore()
            stages = store.stageList(None, False, False, quantiles, context._jvm.java.util.ArrayList())  # noqa: FBT003 - a Scala method
            done = [stages.apply(at) for at in range(stages.size())]
            return {
                "rows": sum(stage.outputRecords() for stage in done),
                "bytes": sum(stage.outputBytes() for stage in done),
                "tasks": sum(stage.numCompleteTasks() for stage in done),
                "shuffled": sum(stage.shuffleWriteBytes() for stage in done),
            }
        finally:
            spark.stop()

    @task
    def breaks() -> None:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        spark = (
            SparkSession.builder.appName("breaks").master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
        )
        try:
            spark.sql("select assert_true(id < 5, 'a row is broken') from range(10)").collect()
        except PySparkException:
            pass
        else:
            raise AssertionError("it did not break")
        finally:
            spark.stop()

    application.expand(number=list(range(10)))
    breaks()


@dag(schedule=None, is_paused_upon_creation=True)
def hours() -> None:
    """Be made, have its row say that it began hours ago, and then be let run."""

    @task
    def first() -> int:
        return 1

    @task
    def second(number: int) -> int:
        return number + 1

    second(first())


@dag(schedule=timedelta(days=1), catchup=False, tags=["team:harbour", "morning"], default_args={"owner": "ana"})
def deliveries() -> None:
    """Fail as long as a file is there."""

    @task(outlets=[Asset("file://morning/deliveries")])
    def deliver() -> None:
        if (HOME / "broken").exists():
            raise ConnectionError("the harbour does not answer")

    deliver()


applications()
hours()
deliveries()
