"""Queries that Spark refuses: each is one failed ``spark.sql``, whoever tells it, and Spark's own store says which."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from opentelemetry.trace import NonRecordingSpan, TraceFlags, use_span
from opentelemetry.trace import SpanContext as Context

from dagtrace.identity import SpanContext
from dagtrace.semconv import attributes as names
from dagtrace.spark import analysis
from dagtrace.spark.client import Place


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver
    from dagtrace.record import SpanRecord

CODE = """
import json, time
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("analysis")
spark = builder.config("spark.sql.crossJoin.enabled", "false").config("spark.sql.ansi.enabled", "true").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
attempts = {}
def attempt(name, work):
    began = time.time_ns()
    try:
        work()
    except Exception as error:
        attempts[name] = [type(error).__name__, began, time.time_ns()]
def under(number, work):
    with use_span(NonRecordingSpan(SpanContext(0xABC, number, is_remote=False, trace_flags=TraceFlags(1)))):
        work()
sql = spark.sql
sql("create table t (a int) using parquet")
attempt("missing table", lambda: sql("select * from nope"))
attempt("missing column", lambda: spark.range(3).select("nope"))
attempt("syntax", lambda: sql("select * FRM nope"))
attempt("literal", lambda: sql("select 1 x 'hunter2'"))
attempt("syntax under a span", lambda: under(1, lambda: sql("select * FRM nope")))
attempt("expression", lambda: spark.range(3).selectExpr("id +"))
attempt("catalog", lambda: spark.catalog.listColumns("nope"))
attempt("insert into a missing table", lambda: sql("insert into nope values (1)"))
attempt("create what exists", lambda: sql("create table t (a int) using parquet"))
attempt("save what exists", lambda: spark.range(3).write.saveAsTable("t"))
attempt("drop what is missing", lambda: sql("drop table nope"))
attempt("missing path", lambda: spark.read.parquet("/nonexistent/path"))
attempt("planning", lambda: sql("select 1 / 0").collect())
attempt("optimizer", lambda: spark.range(3).join(spark.range(3).selectExpr("id b")).collect())
attempt("execution", lambda: sql("select raise_error('x')").collect())
from pyspark.sql.functions import udf  # types that do not parse are no queries: before 4.0 "long" is tried as a schema
spark.range(1).select(udf(lambda x: x, "long")("id"))
try:
    spark.createDataFrame([(1,)], "no type < at all")
except Exception as error:
    print("TYPE", type(error).__name__)
bus = spark.sparkContext._jsc.sc().listenerBus()
bus.waitUntilEmpty(30000)
found = spark._jsparkSession.sharedState().statusStore().executionsList()
failed = [found.apply(i) for i in range(found.size())]
failed = [e.executionId() for e in failed if e.errorMessage().isDefined() and e.errorMessage().get()]
print("TRUTH", json.dumps({"attempts": attempts, "failed": failed}))
spark.stop()
"""


@pytest.fixture(scope="module")
def driver(drive: Callable[..., Driver], tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Run the refused queries once for all tests of this module."""
    done = drive(CODE, tmp_path_factory.mktemp("analysis"))
    assert done.process.returncode == 0, done.process.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def truth(driver: Driver) -> dict[str, Any]:
    """Return what the program caught, and which executions Spark's SQL store has as failed."""
    (line,) = (line for line in driver.process.stdout.splitlines() if line.startswith("TRUTH"))
    return json.loads(line.removeprefix("TRUTH"))


@pytest.fixture(scope="module")
def told(driver: Driver, truth: dict[str, Any]) -> dict[str, list[SpanRecord]]:
    """Return the failed queries of each attempt: those that ended while it was being made."""
    return {
        name: [
            span
            for span in driver.spans
            if span.name == "spark.sql"
            and span.error is not None
            and began // 10**6 <= span.end_ns // 10**6 <= ended // 10**6
        ]
        for name, (_, began, ended) in truth["attempts"].items()
    }


@pytest.mark.real
def test_each_is_told_once(driver: Driver, told: dict[str, list[SpanRecord]], truth: dict[str, Any]) -> None:
    """15 refused queries, 15 failed spans; those with an execution are the ones that Spark's store has, one by one."""
    assert {name: len(spans) for name, spans in told.items()} == dict.fromkeys(truth["attempts"], 1)
    assert len(told) == 15
    assert "TYPE ParseException" in driver.process.stdout, "a type that parses proves nothing"
    failed = [span for span in driver.spans if span.name == "spark.sql" and span.error is not None]
    executions = [span.attributes.get(names.SPARK_SQL_EXECUTION_ID) for span in failed]
    assert sorted(number for number in executions if isinstance(number, int)) == sorted(truth["failed"])
    assert len(failed) == 15
    assert len({span.span_id for span in driver.spans}) == len(driver.spans)
    assert driver.warnings == []


@pytest.mark.real
def test_what_python_tells(driver: Driver, told: dict[str, list[SpanRecord]], truth: dict[str, Any]) -> None:
    """A syntax error: class, condition and SQLSTATE, one masked line, the command's own time, below the application."""
    (application,) = (span for span in driver.spans if span.name == "spark.application analysis")
    (query,) = told["syntax"]
    assert (query.trace_id, query.parent_id) == (application.trace_id, application.span_id)
    assert dict(query.attributes) == {
        names.ERROR_TYPE: "ParseException",
        names.SPARK_ERROR_CONDITION: "PARSE_SYNTAX_ERROR",
        names.SPARK_ERROR_SQLSTATE: "42601",
        names.SPARK_APPLICATION_ID: application.attributes[names.SPARK_APPLICATION_ID],
        names.SPARK_APPLICATION_NAME: "analysis",
    }
    assert query.error is not None
    assert query.error.startswith("[PARSE_SYNTAX_ERROR] Syntax error at or near")
    assert "\n" not in query.error
    _, began, ended = truth["attempts"]["syntax"]
    assert began <= query.start_ns < query.end_ns <= ended
    (literal,) = told["literal"]
    assert "hunter2" not in str(literal)


@pytest.mark.real
def test_below_the_active_span(told: dict[str, list[SpanRecord]]) -> None:
    """Under a span of the user's own, the query is that span's."""
    (query,) = told["syntax under a span"]
    assert (query.trace_id, query.parent_id) == (0xABC, 1)


@pytest.mark.real
def test_the_listener_says_the_condition_too(told: dict[str, list[SpanRecord]]) -> None:
    """A missing table and a table that exists have executions of Spark's, with the same two attributes."""
    expected = {
        "missing table": ("TABLE_OR_VIEW_NOT_FOUND", "42P01"),
        "create what exists": ("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
        "planning": ("DIVIDE_BY_ZERO", "22012"),
        "catalog": ("TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    }
    for name, pair in expected.items():
        (query,) = told[name]
        found = query.attributes
        assert (found[names.SPARK_ERROR_CONDITION], found[names.SPARK_ERROR_SQLSTATE]) == pair, name


class Refusal(Exception):  # noqa: N818 - the classes below have PySpark's names
    """Stands for PySpark's exceptions of 3.x: what one says, and where in the JVM it was thrown."""

    desc = "[NOPE] token=hunter2 is wrong\nPlan"

    def __init__(self, *frames: str) -> None:
        super().__init__(self.desc)
        self.stackTrace = "\n\tat ".join((self.desc, *frames))

    def getErrorClass(self) -> str:  # noqa: N802 - Spark's name
        """Return the condition."""
        return "NOPE"

    def getSqlState(self) -> None:  # noqa: N802 - Spark's name
        """Return no state: not every condition has one."""


AnalysisException = type("AnalysisException", (Refusal,), {})
ParseException = type("ParseException", (AnalysisException,), {})
ArithmeticException = type("ArithmeticException", (Refusal,), {})

EXECUTION = "org.apache.spark.sql.execution.SQLExecution$.withNewExecutionId(SQLExecution.scala:66)"
PLANNING = (
    "org.apache.spark.sql.execution.QueryExecution.explainString(QueryExecution.scala:252)",
    "org.apache.spark.sql.execution.SQLExecution$.$anonfun$withNewExecutionId$6(SQLExecution.scala:117)",
    EXECUTION,
)
ASSERTED = "org.apache.spark.sql.execution.QueryExecution.assertAnalyzed(QueryExecution.scala:167)"
CALLED = "py4j.Gateway.invoke(Gateway.java:282)"


@pytest.fixture
def convert(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[SpanRecord]]:
    """Return a function that converts an exception in an application (0xA, 0xB) below 0xC; it gives what is told."""
    told: list[SpanRecord] = []
    place = Place(SpanContext(0xA, 0xB), 0xC, "local-1", "app")
    context = SimpleNamespace(_dagtrace=SimpleNamespace(place=lambda: place))
    monkeypatch.setattr(analysis.telemetry, "tell", told.append)

    def run(error: Exception, version: str = "3.5.9", wrapped: Callable[[Any], Any] | None = None) -> list[SpanRecord]:
        pyspark = SimpleNamespace(__version__=version, SparkContext=SimpleNamespace(_active_spark_context=context))
        monkeypatch.setitem(sys.modules, "pyspark", pyspark)  # pyright: ignore[reportArgumentType]
        converted = analysis.convert_exception(wrapped or mock.Mock(return_value=error), None, (object(),), {})
        assert converted is error
        return told

    return run


@pytest.mark.parametrize(
    ("error", "version", "ours"),
    [
        (AnalysisException(CALLED), "3.4.4", True),
        (ParseException(CALLED), "4.3.0", True),
        (ArithmeticException(CALLED), "4.3.0", False),
        (AnalysisException(EXECUTION, CALLED), "3.4.4", False),
        (AnalysisException(ASSERTED, CALLED), "3.5.9", True),
        (AnalysisException(ASSERTED, CALLED), "4.0.5", False),
        (ArithmeticException(*PLANNING, CALLED), "3.5.9", True),
        (ArithmeticException(*PLANNING, EXECUTION, CALLED), "3.5.9", False),
        (AnalysisException(CALLED, EXECUTION), "3.5.9", True),
    ],
    ids=[
        "analysis",
        "syntax",
        "of another kind",
        "while executing",
        "asserted in 3",
        "asserted in 4",
        "while planning",
        "planning within an execution",
        "in a micro-batch",
    ],
)
def test_who_tells_it(convert: Callable[..., list[SpanRecord]], error: Refusal, version: str, *, ours: bool) -> None:
    """The JVM's stack decides: an execution that started has ended with the error, and the listener tells it."""
    assert len(convert(error, version)) == ours


def test_causes_are_part_of_it(convert: Callable[..., list[SpanRecord]]) -> None:
    """PySpark converts an exception's causes by the same function: one failure is one span."""
    error = AnalysisException(CALLED)

    def with_its_cause(_: object) -> Exception:
        assert convert(AnalysisException(CALLED)) == []
        return error

    (query,) = convert(error, wrapped=with_its_cause)
    assert query.error == "[NOPE] token=*** is wrong"
    assert names.SPARK_ERROR_SQLSTATE not in query.attributes


def test_the_parent_of_the_application_has_none(convert: Callable[..., list[SpanRecord]]) -> None:
    """What fails under the span that the application is below is the application's, as its jobs are."""
    for number, parent in ((0xC, (0xA, 0xB)), (0xD, (0xA, 0xD))):
        with use_span(NonRecordingSpan(Context(0xA, number, is_remote=False, trace_flags=TraceFlags(1)))):
            query = convert(AnalysisException(CALLED))[-1]
        assert (query.trace_id, query.parent_id) == parent


def test_detail_application_has_no_queries(
    convert: Callable[..., list[SpanRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``DAGTRACE_SPARK_DETAIL=application`` asks for no spans of queries, refused ones included."""
    monkeypatch.setenv("DAGTRACE_SPARK_DETAIL", "application")
    assert convert(AnalysisException(CALLED)) == []


def test_what_conversion_raises_is_the_users(convert: Callable[..., list[SpanRecord]]) -> None:
    """An exception of PySpark's own conversion passes, and the next one is told."""
    with pytest.raises(ZeroDivisionError):
        convert(ValueError(), wrapped=mock.Mock(side_effect=ZeroDivisionError))
    assert len(convert(AnalysisException(CALLED))) == 1
