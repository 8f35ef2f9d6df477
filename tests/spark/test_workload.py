"""One driver with a bit of everything, held against what Spark itself says of it."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.identity import _digest
from dagtrace.semconv import attributes as names
from support.spark import named


if TYPE_CHECKING:
    from conftest import Driver
    from dagtrace.record import SpanRecord
    from support.spark import Application

pytestmark = pytest.mark.real


@pytest.fixture
def spans(zoo: dict[str, Application]) -> list[SpanRecord]:
    """Return the spans of the first application."""
    return zoo["workload"].spans


@pytest.fixture
def truth(zoo: dict[str, Application]) -> dict[str, Any]:
    """Return what Spark said of the first application."""
    return zoo["workload"].truth


def test_one_tree(driver: Driver, spans: list[SpanRecord], truth: dict[str, Any]) -> None:
    """Span ids are unique, one application is the root, parents are there, and each contains its children's times."""
    assert len({s.span_id for s in driver.spans}) == len(driver.spans)
    (application,) = named(spans, "spark.application")
    assert application.name == "spark.application workload"
    assert application.parent_id is None
    ours = {s.span_id: s for s in spans}
    foreign = {0xC0, 0xA0, 0xA1, 0xA2, 0xB0, 0xB1, 0xB2}
    for span in spans:
        if span is application:
            continue
        assert span.parent_id in ours or (span.parent_id in foreign and span.trace_id == truth["trace"])
        parent = ours.get(span.parent_id or 0)
        if parent is not None:
            assert span.trace_id == parent.trace_id
            assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns
        assert application.start_ns <= span.start_ns <= span.end_ns <= application.end_ns
    assert {s.name for s in spans} == {"spark.application workload", "spark.sql", "spark.job", "spark.stage"}


def test_ids_are_derived(spans: list[SpanRecord], truth: dict[str, Any]) -> None:
    """Anybody who knows the application's identity gets the same ids: the event log's reader, for one."""
    (application,) = named(spans, "spark.application")
    identity = ("", truth["application"], "", application.start_ns // 1_000_000, truth["host"])
    assert application.trace_id == _digest(16, ("spark.trace", *identity))
    assert application.span_id == _digest(8, ("spark.application", *identity))
    keys = {
        "spark.sql": (names.SPARK_SQL_EXECUTION_ID,),
        "spark.job": (names.SPARK_JOB_ID,),
        "spark.stage": (names.SPARK_STAGE_ID, names.SPARK_STAGE_ATTEMPT_ID),
    }
    for span in spans:
        if span is not application:
            numbers = [int(str(span.attributes[key])) for key in keys[span.name]]
            assert span.span_id == _digest(8, (span.name, f"{application.span_id:016x}", *numbers))


def test_each_thread_has_its_own_parent(spans: list[SpanRecord]) -> None:
    """Jobs and queries belong to the span that was active in their thread then; without one, to the application."""
    (application,) = named(spans, "spark.application")
    tops = [s for s in spans if s.name in {"spark.sql", "spark.job"} and described(s).startswith(("span ", "no span"))]
    tops = [s for s in tops if s.parent_id not in {p.span_id for p in spans if p.name == "spark.sql"}]
    assert len([s for s in tops if s.name == "spark.sql"]) == 7
    assert len([s for s in tops if s.name == "spark.job"]) == 12
    for span in tops:
        word = described(span)
        expected = int(word.split()[1], 16) if word.startswith("span ") else application.span_id
        assert span.parent_id == expected, word


def described(span: SpanRecord) -> str:
    """Return Spark's description of a query or job."""
    found = span.attributes.get(names.SPARK_SQL_DESCRIPTION) or span.attributes.get(names.SPARK_JOB_DESCRIPTION)
    return str(found or "")


def test_a_nested_execution_is_below_its_root(spans: list[SpanRecord]) -> None:
    """The execution that Spark runs inside another one is its child, and the outer one belongs to the active span."""
    executions = {s.attributes[names.SPARK_SQL_EXECUTION_ID]: s for s in named(spans, "spark.sql")}
    nested = [s for s in executions.values() if names.SPARK_SQL_EXECUTION_ROOT_ID in s.attributes]
    assert nested
    for span in nested:
        root = executions[span.attributes[names.SPARK_SQL_EXECUTION_ROOT_ID]]
        assert (span.parent_id, root.parent_id) == (root.span_id, 0xC0)


def test_failures_and_cancellations(spans: list[SpanRecord]) -> None:
    """What failed says why, in one line without the secret; a cancelled job and a retried task are no errors."""
    jobs = {described(s): s for s in named(spans, "spark.job")}
    assert jobs["task fails once"].error is None
    failed = jobs["job fails"]
    assert failed.error is not None
    assert "ValueError: password=*** is wrong" in failed.error
    assert failed.attributes[names.ERROR_TYPE] == "ValueError"
    assert failed.attributes[names.SPARK_JOB_RESULT] == "failed"
    assert jobs["job is cancelled"].error is None
    assert jobs["job is cancelled"].attributes[names.SPARK_JOB_RESULT] == "cancelled"
    (query,) = (s for s in named(spans, "spark.sql") if described(s) == "query fails")
    assert query.error is not None
    assert "wrong" in query.error
    (stage,) = (s for s in named(spans, "spark.stage") if s.parent_id == jobs["task fails once"].span_id)
    assert "only the first time" in str(stage.attributes[names.SPARK_STAGE_TASK_ERROR])
    assert not any("\n" in str(value) or "hunter2" in str(value) for s in spans for value in s.attributes.values())


def test_later_contexts_of_the_same_process(driver: Driver) -> None:
    """A second SparkContext is traced below the parent its conf names; where that one is unsampled, nothing is told."""
    second = [s for s in driver.spans if s.attributes[names.SPARK_APPLICATION_NAME] == "second"]
    assert sorted(s.name for s in second)[:2] == ["spark.application second", "spark.job"]
    (application,) = named(second, "spark.application")
    assert f"{application.parent_id:016x}" == "b7ad6b7169203331"
    assert {f"{s.trace_id:032x}" for s in second} == {"0af7651916cd43dd8448eb211c80319c"}
    assert not [s for s in driver.spans if s.attributes[names.SPARK_APPLICATION_NAME] == "unsampled"]
    assert not [s for s in driver.spans if "unsampled" in described(s)]
