"""One command, one trace: the demo's DAG in one process and under a real scheduler, against Airflow's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import Node, Trace, read
from dagtrace.identity import nanoseconds
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from support.metrics import totals
from support.runs import TRIES, Ran
from support.sink import Sink


if TYPE_CHECKING:
    from pathlib import Path

    from support.dag_test import InProcess

pytestmark = pytest.mark.real

TOLERANCE_NS = 5_000_000


def trace_of(ran: Ran, dag_id: str, newest: int = -1) -> Trace:
    """Return the newest trace of a DAG."""
    return [t for t in read(ran.traces) if any(n.span.name == f"dag_run {dag_id}" for n in t.roots)][newest]


def kind(node: Node) -> str:
    """Return the first word of a span's name: what kind of thing it is."""
    return node.span.name.partition(" ")[0]


def shape(node: Node) -> Any:
    """Return a tree of names, tries and outcomes without ids and times; order among siblings does not count."""
    attributes = node.span.attributes
    own = (
        node.span.name,
        attributes.get(names.AIRFLOW_TASK_INSTANCE_MAP_INDEX, -1),
        attributes.get(names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER, 0),
        attributes.get(names.AIRFLOW_TASK_INSTANCE_STATE, ""),
        node.span.error is not None,
    )
    return (*own, tuple(sorted((shape(child) for child in node.children), key=repr)))


@pytest.fixture(params=["in process", "scheduler"])
def flights(request: pytest.FixtureRequest) -> Ran:
    """Return the demo's run, made in each of the two ways."""
    if request.param == "in process":
        return request.getfixturevalue("flights_in_process")
    return request.getfixturevalue("scheduled")["flights"]


def test_exactly_one_whole_trace(flights: Ran) -> None:
    """The files hold one trace for the run: one root, no orphan, no span twice."""
    traces = [t for t in read(flights.traces) if any("flights" in n.span.name for n in t.walk())]
    assert len(traces) == 1
    (trace,) = traces
    assert [root.span.name for root in trace.roots] == ["dag_run flights"]
    assert trace.orphans == []
    assert trace.duplicates == 0


def test_children_lie_within_their_parents(flights: Ran) -> None:
    """Every synchronous child starts and ends inside its parent's time."""
    outside = [
        (child.span.name, node.span.name)
        for node in trace_of(flights, "flights").walk()
        for child in node.children
        if not child.span.attributes.get(names.DAGTRACE_ASYNC)
        and not (
            node.span.start_ns - TOLERANCE_NS <= child.span.start_ns
            and child.span.end_ns <= node.span.end_ns + TOLERANCE_NS
        )
    ]
    assert outside == []


def test_every_try_is_told_once_as_the_database_has_it(flights: Ran) -> None:
    """Each try's state, start and end are those of task_instance or its history, and each is there once."""
    root = trace_of(flights, "flights").roots[0]
    run_id = root.span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID]
    expected = {
        (row["task_id"], row["map_index"], row["try_number"]): (
            row["state"],
            nanoseconds(row["start_date"]),
            nanoseconds(row["end_date"]),
        )
        for row in flights.query(TRIES.format(dag_id="flights", run_id=run_id))
    }
    tries = [node.span for node in root.children]
    told = {
        (
            span.attributes[names.AIRFLOW_TASK_ID],
            span.attributes[names.AIRFLOW_TASK_INSTANCE_MAP_INDEX],
            span.attributes[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER],
        ): (span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE], span.start_ns, span.end_ns)
        for span in tries
    }
    assert len(tries) == len(expected) == 1 + 12 + 1 + 2 + 1
    assert told == expected


def test_the_run_is_told_as_the_database_has_it(flights: Ran) -> None:
    """The root's state and end are those of dag_run, and it carries owner and tags."""
    root = trace_of(flights, "flights").roots[0].span
    run_id = root.attributes[names.AIRFLOW_DAG_RUN_RUN_ID]
    (row,) = (
        row
        for row in flights.query("select dag_id, run_id, state, end_date, run_type from dag_run")
        if (row["dag_id"], row["run_id"]) == ("flights", run_id)
    )
    assert root.attributes[names.AIRFLOW_DAG_RUN_STATE] == row["state"] == "success"
    assert root.attributes[names.AIRFLOW_DAG_RUN_RUN_TYPE] == row["run_type"]
    assert root.end_ns == nanoseconds(row["end_date"])
    assert root.attributes[names.AIRFLOW_DAG_OWNERS] == "data-platform"
    assert list(root.attributes[names.AIRFLOW_DAG_TAGS]) == ["demo", "flights"]  # type: ignore[arg-type]


def test_the_retried_task_has_two_tries(flights: Ran) -> None:
    """The first try is in ERROR, its masked exception on its execute span; the second succeeded and links to it."""
    root = trace_of(flights, "flights").roots[0]
    first, second = sorted(
        (node for node in root.children if node.span.name == "task_instance report"),
        key=lambda node: node.span.start_ns,
    )
    assert first.span.error == "try 1 failed"
    assert second.span.error is None
    (link,) = (link for link in second.span.links if link.attributes[names.DAGTRACE_LINK_TYPE] == "retry")
    assert link.span_id == first.span.span_id
    (execute,) = first.children
    (event,) = execute.span.events
    assert execute.span.attributes[names.ERROR_TYPE] == "ConnectionError"
    assert event.attributes[names.EXCEPTION_TYPE] == "ConnectionError"
    assert "answered 503" in str(event.attributes[names.EXCEPTION_MESSAGE])
    assert "in report" in str(event.attributes[names.EXCEPTION_STACKTRACE])
    everything = f"{execute.span}{first.span}"
    assert "s3cret" not in everything
    assert "reports:***@" in everything


def test_spark_hangs_under_its_task(flights: Ran) -> None:
    """The application is a child of the Spark task's execution, with queries, jobs and stages below it."""
    root = trace_of(flights, "flights").roots[0]
    (task,) = (node for node in root.children if node.span.name == "task_instance enrich")
    (execute,) = task.children
    (application,) = execute.children
    assert application.span.name == "spark.application flights-enrich"
    below = [kind(node) for node in application.walk()]
    assert {"spark.sql", "spark.job", "spark.stage"} <= set(below)
    parents = {(kind(node), kind(child)) for node in application.walk() for child in node.children}
    assert ("spark.sql", "spark.job") in parents
    assert ("spark.job", "spark.stage") in parents
    assert not any(
        kind(node).startswith("spark") for other in root.children if other is not task for node in other.walk()
    )


def test_both_ways_give_the_same_tree(flights_in_process: Ran, scheduled: dict[str, Ran]) -> None:
    """The same DAG gives the same tree in one process and under a real scheduler."""
    one = trace_of(flights_in_process, "flights").roots[0]
    other = trace_of(scheduled["flights"], "flights").roots[0]
    assert shape(one) == shape(other)


def test_user_spans_and_skips_under_the_scheduler(scheduled: dict[str, Ran]) -> None:
    """A span of user code is a child of the execution, a skipped task has a try that says so, nothing is an orphan."""
    trace = trace_of(scheduled["small"], "small")
    assert trace.orphans == []
    by_name = {node.span.name: node for node in trace.walk()}
    (execute,) = by_name["task_instance traced"].children
    assert [child.span.name for child in execute.children] == ["user work"]
    assert execute.span.attributes["user.rows"] == 42
    skipped = by_name["task_instance never"]
    assert skipped.span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE] == "skipped"
    assert skipped.span.error is None
    assert skipped.children == []


def test_the_scheduler_counts_what_the_database_counts(scheduled: dict[str, Ran]) -> None:
    """Each count is the number of rows, 0 where there is none; durations add up to the database's."""
    ran = scheduled["flights"]
    by, flights = (names.AIRFLOW_TASK_ID, names.AIRFLOW_TASK_INSTANCE_STATE), {names.AIRFLOW_DAG_ID: "flights"}
    told = totals(ran.traces, metrics.AIRFLOW_TASK_INSTANCE_COUNT.name, *by, where=flights)
    counts = {key: count for key, count in told.items() if count}
    sums = totals(ran.traces, metrics.AIRFLOW_TASK_INSTANCE_DURATION.name, *by, where=flights)
    rows = ran.query(TRIES.format(dag_id="flights", run_id="first"))
    expected: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        expected.setdefault((row["task_id"], row["state"]), []).append(
            (row["end_date"] - row["start_date"]).total_seconds()
        )
    assert counts == {key: len(values) for key, values in expected.items()}
    assert told.keys() == expected.keys() | {(task_id, "failed") for task_id, _ in expected}
    assert sums == pytest.approx({key: sum(values) for key, values in expected.items()}, abs=1e-3)


def test_a_second_run_is_a_second_trace(in_process: InProcess) -> None:
    """The same DAG tested twice for the same logical date gives two whole traces."""
    home = in_process.folder / "twice"
    for _ in range(2):
        in_process.test("small", "2026-01-01", DAGTRACE_HOME=str(home))
    traces = read(home)
    assert len(traces) == 2
    assert [t.orphans for t in traces] == [[], []]
    assert [t.duplicates for t in traces] == [0, 0]
    assert shape(traces[0].roots[0]) == shape(traces[1].roots[0])


def test_an_endpoint_gets_what_the_files_would(in_process: InProcess, flights_in_process: Ran, tmp_path: Path) -> None:
    """With an endpoint the same spans are delivered by the time the process has ended, and no file is written."""
    home = tmp_path / "home"
    with Sink() as sink:
        in_process.test("flights", DAGTRACE_HOME=str(home), OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
        sink.save_traces(tmp_path / "traces-sink.jsonl")
        told = {metric["name"] for metric in sink.metrics()}
    (trace,) = read(tmp_path)
    assert trace.orphans == []
    assert trace.duplicates == 0
    assert shape(trace.roots[0]) == shape(trace_of(flights_in_process, "flights").roots[0])
    assert not home.exists()
    assert {
        "airflow.dag_run.count",
        "airflow.task_instance.duration",
        "spark.stage.duration",
        "spark.stage.tasks",
    } <= told
