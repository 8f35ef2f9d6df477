"""
Under one real scheduler after the other: other people's listener, instrumentations, log store, and Airflow's own spans.

Each phase starts the processes it is about with its own settings, on one database; what one told never mixes with the
next because each has a destination of its own.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import read
from dagtrace.semconv import attributes as names
from support.airflow import DAGS, Airflow
from support.api import ALL_ADMINS, Api
from support.runs import TRIES
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.matrix]

NO_LINEAGE = {"AIRFLOW__OPENLINEAGE__DISABLED": "true"}


def lineage_into(file: Path) -> dict[str, str]:
    """Return the settings with which OpenLineage's provider writes its events to a file."""
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport), "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests"}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Airflow]:
    """Run ``small`` and ``instrumented`` beside OpenLineage, with logs that go to a remote store."""
    folder = tmp_path_factory.mktemp("neighbours")
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "support.remote_logs.LOGGING_CONFIG",
        "REMOTE_LOGS": str(folder / "remote"),
        "PYTHONPATH": f"{DAGS}:{DAGS.parent}",
        **ALL_ADMINS,
        **lineage_into(folder / "with.jsonl"),
    }
    with Sink() as asked, Airflow(folder, postgres.database(), ASKS=asked.url, **settings) as airflow:
        for dag_id in ("small", "instrumented"):
            Api(airflow).trigger(dag_id, "first")
        for dag_id in ("small", "instrumented"):
            assert airflow.wait(dag_id, "first") == "success"
        airflow.stop("scheduler")
        yield airflow


def events(file: Path) -> Counter[tuple[str, str]]:
    """Return how many OpenLineage events of each kind there are for each job."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return Counter((line["eventType"], line["job"]["name"]) for line in lines)


def test_openlineage_beside_us(airflow: Airflow) -> None:
    """Its events and the tries' outcomes are the same as without us, and our trace is whole beside them."""
    airflow.start("scheduler", DAGTRACE_ENABLED="false", **lineage_into(airflow.folder / "without.jsonl"))
    Api(airflow).trigger("small", "without")
    assert airflow.wait("small", "without") == "success"
    airflow.stop("scheduler")

    def outcome(run_id: str) -> list[tuple[Any, ...]]:
        rows = airflow.query(TRIES.format(dag_id="small", run_id=run_id))
        return sorted((row["task_id"], row["map_index"], row["try_number"], row["state"]) for row in rows)

    assert outcome("first") == outcome("without")
    ours = {key: count for key, count in events(airflow.folder / "with.jsonl").items() if key[1].startswith("small")}
    assert ours == events(airflow.folder / "without.jsonl")
    assert ours["COMPLETE", "small"] == ours["START", "small"] == 1
    assert ours["FAIL", "small.flaky"] == ours["COMPLETE", "small.flaky"] == 1
    traces = read(airflow.traces)
    assert [(t.orphans, t.duplicates) for t in traces] == [([], 0)] * 2
    (root,) = (t.roots[0] for t in traces if t.roots[0].span.name == "dag_run small")
    assert len(root.children) == len(outcome("first"))


def below_execute(spans: Path) -> list[tuple[str, str]]:
    """Return the names of all spans below the execution of ``asks``, each after its parent's."""
    (root,) = (r for t in read(spans) for r in t.roots if r.span.name == "dag_run instrumented")
    (execute,) = root.children[0].children
    assert execute.span.name == "execute _PythonDecoratedOperator"
    return [(node.span.name, child.span.name) for node in execute.walk() for child in node.children]


def test_other_instrumentations_through_our_provider(airflow: Airflow) -> None:
    """Where a DAG instruments requests and SQLAlchemy itself, their spans are the execution's and reach our files."""
    assert sorted(below_execute(airflow.traces)) == [
        ("connect", "PRAGMA"),
        ("execute _PythonDecoratedOperator", "GET"),
        ("execute _PythonDecoratedOperator", "user work"),
        ("user work", "connect"),  # SQLAlchemy's
        ("user work", "select"),  # SQLAlchemy's and the DB-API's
        ("user work", "select"),
    ]


def test_a_log_line_in_the_remote_store_and_in_the_ui(airflow: Airflow) -> None:
    """What the worker moved to the remote store, and what the API shows of it, carry the execution's ids."""
    (root,) = (r for t in read(airflow.traces) for r in t.roots if r.span.name == "dag_run instrumented")
    (execute,) = root.children[0].children
    ids = {"trace_id": f"{execute.span.trace_id:032x}", "span_id": f"{execute.span.span_id:016x}"}
    where = "dag_id=instrumented/run_id=first/task_id=asks/attempt=1.log"
    assert not (airflow.folder / "airflow/logs" / where).exists()
    stored = [json.loads(line) for line in (airflow.folder / "remote" / where).read_text().splitlines()]
    shown = Api(airflow).get("dags/instrumented/dagRuns/first/taskInstances/asks/logs/1")["content"]
    for lines in (stored, shown):
        (line,) = (line for line in lines if line["event"] == "a line of the task's own")
        assert {key: line.get(key) for key in ids} == ids


@dataclass(frozen=True)
class Told:
    """A span that the sink took."""

    scope: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]


def told(sink: Sink) -> list[Told]:
    """Return every span the sink took."""
    return [
        Told(
            scope["scope"]["name"],
            span["name"],
            span["traceId"],
            span["spanId"],
            span.get("parentSpanId", ""),
            {pair["key"]: next(iter(pair["value"].values())) for pair in span.get("attributes", ())},
        )
        for request in sink.requests["/v1/traces"]
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def orphans(spans: list[Told], *, of: Callable[[Told], bool] = lambda _: True) -> list[Told]:
    """Return the spans whose parent was told in no trace of theirs."""
    known = {(span.trace_id, span.span_id) for span in spans}
    return [span for span in spans if span.parent_id and (span.trace_id, span.parent_id) not in known and of(span)]


def is_ours(span: Told) -> bool:
    """Whether a span is one of dagtrace's."""
    return span.scope == "dagtrace"


def is_native(span: Told) -> bool:
    """Whether a span is one of Airflow's own."""
    return span.scope.partition(".")[0] == "airflow"


def twice(spans: list[Told]) -> list[tuple[str, str, str]]:
    """Return what was told more than once."""
    return [key for key, count in Counter((s.trace_id, s.span_id, s.name) for s in spans).items() if count > 1]


def test_under_opentelemetry_instrument(airflow: Airflow, tmp_path: Path) -> None:
    """Its provider keeps the user's and the instrumentations' spans, below ours; none of Airflow's own lights up."""
    with Sink() as sink:
        settings = {
            **NO_LINEAGE,
            "OTEL_TRACES_EXPORTER": "otlp_proto_http",
            "OTEL_METRICS_EXPORTER": "otlp_proto_http",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "INSTRUMENTED_FROM_OUTSIDE": "yes",
        }
        airflow.start("scheduler", "opentelemetry-instrument", "airflow", "scheduler", **settings)
        Api(airflow).trigger("instrumented", "from_outside")
        assert airflow.wait("instrumented", "from_outside") == "success"
        airflow.stop("scheduler")
        sink.save_traces(tmp_path / "traces.jsonl")
        spans = told(sink)
        metrics = {metric["name"] for metric in sink.metrics()}
    assert [span for span in spans if is_native(span)] == []
    assert orphans(spans) == []
    assert twice(spans) == []
    ours = of_run(spans, "instrumented", "from_outside")
    assert Counter(span.name for span in ours) == {
        "dag_run instrumented": 1,
        "task_instance asks": 1,
        "execute _PythonDecoratedOperator": 1,
    }
    below = below_execute(tmp_path)
    assert ("execute _PythonDecoratedOperator", "GET") in below
    assert ("execute _PythonDecoratedOperator", "user work") in below
    assert ("user work", "select") in below
    assert "airflow.task_instance.count" in metrics
    asked = {str(span.attributes.get("db.statement")) for span in spans if span.scope.endswith("psycopg2")}
    assert any("FROM dag_run" in statement for statement in asked)  # the scheduler's questions are traced
    assert [statement for statement in asked if "advisory_lock" in statement] == []  # ours are not


def wait_until_it_sleeps(airflow: Airflow, run_id: str) -> None:
    """Wait for the middle of a run of ``slow``, and until the reader has had a look at it."""
    sql = "select 1 from task_instance where task_id = 'sleeps' and state = 'running' and run_id = %s"
    deadline = time.monotonic() + 120
    while not airflow.query(sql, run_id):
        assert time.monotonic() < deadline, airflow.log("scheduler")[-6000:]
        time.sleep(0.5)
    time.sleep(2)


@pytest.fixture(scope="module")
def kept(airflow: Airflow) -> Iterator[list[Told]]:
    """Return what both told of four runs: one whole, one with each kind of end, one marked, one cleared by hand."""
    with Sink() as sink:
        settings = {
            **NO_LINEAGE,
            "AIRFLOW__TRACES__OTEL_ON": "true",
            "DAGTRACE_NATIVE": "keep",
            "OTEL_TRACES_EXPORTER": "otlp_proto_http",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        }
        airflow.stop("api-server")
        for name in ("api-server", "scheduler", "triggerer"):
            airflow.start(name, **settings)
        api = Api(airflow)
        for dag_id, run_id in (("slow", "marked"), ("slow", "cleared"), ("small", "kept"), ("anywhere", "kept")):
            api.trigger(dag_id, run_id)
        wait_until_it_sleeps(airflow, "marked")
        api.patch("dags/slow/dagRuns/marked", state="failed")
        wait_until_it_sleeps(airflow, "cleared")
        clear = {"dry_run": False, "dag_run_id": "cleared", "task_ids": ["quick"], "only_failed": False}
        api.post("dags/slow/clearTaskInstances", **clear)
        assert airflow.wait("slow", "cleared") == "success"
        assert airflow.wait("small", "kept") == "success"
        assert airflow.wait("anywhere", "kept") == "failed"
        for name in ("scheduler", "triggerer", "api-server"):
            airflow.stop(name)
        yield told(sink)


def of_run(spans: list[Told], dag_id: str, run_id: str) -> list[Told]:
    """Return the spans that name a run."""
    return [
        span
        for span in spans
        if span.attributes.get(names.AIRFLOW_DAG_ID) == dag_id
        and span.attributes.get(names.AIRFLOW_DAG_RUN_RUN_ID) == run_id
    ]


def test_kept_spans_of_airflow_are_the_parents_of_ours(kept: list[Told]) -> None:
    """One trace: Airflow's run span is the root, its task spans stay, our tries and executions hang below the run's."""
    spans = of_run(kept, "small", "kept")
    assert len({span.trace_id for span in spans}) == 1
    (root,) = (span for span in spans if not span.parent_id)
    assert (root.name, is_native(root)) == ("dag_run.small", True)
    assert {"task_run.numbers", "task_run.flaky", "worker.flaky"} <= {s.name for s in spans if is_native(s)}
    tries = {span.span_id: span for span in spans if span.name.startswith("task_instance ")}
    assert {span.parent_id for span in tries.values()} == {root.span_id}
    executions = [span for span in spans if span.name.startswith("execute ")]
    assert {span.parent_id for span in executions} <= tries.keys()
    (work,) = (span for span in kept if span.name == "user work" and span.trace_id == root.trace_id)
    assert work.parent_id in {span.span_id for span in executions}


@pytest.mark.parametrize(
    ("dag_id", "run_id"), [("small", "kept"), ("anywhere", "kept"), ("slow", "marked"), ("slow", "cleared")]
)
def test_kept_each_try_is_told_once(airflow: Airflow, kept: list[Told], dag_id: str, run_id: str) -> None:
    """Of what Airflow's own spans lack, each try the database has is there, once, with its state."""
    rows = airflow.query(TRIES.format(dag_id=dag_id, run_id=run_id))
    expected = Counter((row["task_id"], row["map_index"], row["try_number"], row["state"]) for row in rows)
    tries = [span.attributes for span in of_run(kept, dag_id, run_id) if span.name.startswith("task_instance ")]
    assert (
        Counter(
            (
                span[names.AIRFLOW_TASK_ID],
                int(span[names.AIRFLOW_TASK_INSTANCE_MAP_INDEX]),
                int(span[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER]),
                span[names.AIRFLOW_TASK_INSTANCE_STATE],
            )
            for span in tries
        )
        == expected
    )


def test_kept_nothing_of_ours_is_an_orphan_or_there_twice(kept: list[Told]) -> None:
    """Deferred, killed, marked or cleared by hand in its middle: each parent of ours was told, and ours told once."""
    assert orphans(kept, of=is_ours) == []
    assert twice([span for span in kept if is_ours(span)]) == []


def test_kept_each_run_has_one_root(kept: list[Told]) -> None:
    """Airflow's run span is there once per run, also of one marked by hand; ours only for a trace that it abandoned."""
    native = Counter(span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] for span in kept if span.name.startswith("dag_run."))
    assert native == {"kept": 2, "marked": 1, "cleared": 1}
    ours = [span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] for span in kept if span.name.startswith("dag_run ")]
    assert ours == ["cleared"]


def test_kept_what_airflow_tells_itself_is_not_told_again(kept: list[Told]) -> None:
    """A deferral's trigger is Airflow's own span alone; a killed process' execution, which it lacks, is ours."""
    spans = of_run(kept, "anywhere", "kept")
    assert [span.name for span in spans if span.name.startswith("trigger")] == ["trigger.waits"]
    (killed,) = (s for s in spans if s.name.startswith("execute") and s.attributes.get(names.PROCESS_EXIT_SIGNAL))
    assert killed.attributes[names.AIRFLOW_TASK_ID] == "is_killed"
