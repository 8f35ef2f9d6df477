"""A session made under an active span, as every one in an Airflow task is: queries under other spans are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver

pytestmark = pytest.mark.real

CODE = """
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

def under(number):
    return use_span(NonRecordingSpan(SpanContext(0xABC, number, is_remote=False, trace_flags=TraceFlags(1))))

def query(number):
    with under(number):
        spark.sparkContext.setJobDescription(f"of {number}")
        spark.range(100).groupBy("id").count().collect()

from pyspark.sql import SparkSession
with under(1):
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.sql.shuffle.partitions", "2").appName("active").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    query(1)
    threads = [threading.Thread(target=query, args=(number,)) for number in (2, 3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: contextvars.copy_context().run(query, n), range(4, 10)))
    spark.sql("select 1").collect()
    spark.stop()
"""


def test_queries_belong_to_the_span_that_is_active(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """With the session under span 1, each query is below its own thread's span; span 1's are below the application."""
    done = drive(CODE, tmp_path)
    assert done.process.returncode == 0, done.process.stderr[-3000:]
    (application,) = (s for s in done.spans if s.name == "spark.application active")
    assert (application.trace_id, application.parent_id) == (0xABC, 1)
    queries = [s for s in done.spans if s.name == "spark.sql"]
    parents = {s.attributes.get(names.SPARK_SQL_DESCRIPTION): s.parent_id for s in queries}
    assert {f"of {number}": number for number in range(2, 10)}.items() <= parents.items()
    assert parents["of 1"] == application.span_id
    assert {s.trace_id for s in done.spans} == {0xABC}
