"""Where data and runs came from, as links: against Airflow's xcom, asset and run tables after a real scheduler."""

from __future__ import annotations

import json
import pickle
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import Node, Trace, read
from dagtrace.identity import SpanContext
from dagtrace.semconv import attributes as names
from support.airflow import Airflow, dags_in, run, warnings_of_ours
from support.api import ALL_ADMINS, Api
from support.cells import AIRFLOW
from support.explain import plans_of
from support.runs import Ran


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dagtrace.record import Link
    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PARENT = "airflow/dagrun_parent_trace_context"
OUTSIDE = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)
UNSAMPLED = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4737, 0x00F067AA0BA902B8, sampled=False)


@pytest.fixture(scope="module")
def log() -> list[str]:
    """Return what the scheduler printed, once it has ended."""
    return []


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, log: list[str]) -> Iterator[Ran]:
    """Run every DAG that leaves links, some of them in a trace from outside, and one of them cleared in its middle."""
    folder = tmp_path_factory.mktemp("links")
    # What is told is looked at here, not how long that takes.
    dags = str(dags_in(folder, "links.py"))
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": dags, "PYTHONPATH": dags, "DAGTRACE_FLUSH_TIMEOUT": "30", **ALL_ADMINS}
    with Airflow(folder, postgres.database(), **settings) as airflow:
        parents: dict[str, Any] = {
            "as_text": OUTSIDE.traceparent,
            "as_carrier": {"traceparent": OUTSIDE.traceparent, "tracestate": "vendor=1"},
            "unsampled": UNSAMPLED.traceparent,
            "malformed": "00-nonsense-01",
        }
        runs: list[tuple[str, str, dict[str, Any]]] = [
            *(("placed", run_id, {PARENT: value, "secret": "kept"}) for run_id, value in parents.items()),
            *(("links", "all", {}), ("produces", "made", {}), ("triggers", "parent", {})),
        ]
        api = Api(airflow)
        for dag_id, run_id, conf in runs:
            api.trigger(dag_id, run_id, conf=conf)
        for dag_id, run_id, _ in runs:
            assert airflow.wait(dag_id, run_id) == "success", (dag_id, run_id)
        for dag_id, run_id in [("triggered", i) for i in ("waited_for", "m0", "m1")] + [("strict", "allowed")]:
            assert airflow.wait(dag_id, run_id) == "success", (dag_id, run_id)
        ran = Ran(airflow.traces, airflow.query, airflow.env)
        wait_for_roots(ran, "consumes", 1)
        wait_for_roots(ran, "links", 1)
        run(airflow.env, "airflow", "tasks", "clear", "links", "--task-regex", "after_flaky", "--yes")
        assert airflow.wait("links", "all") == "success"
        wait_for_roots(ran, "links", 2)
        airflow.stop("scheduler")
        log.append(airflow.log("scheduler"))
        yield ran


QUERIES = """
from datetime import datetime, timezone
from dagtrace.airflow.database import Database
from dagtrace.airflow.sources import Sources

runs = Database(settings.engine).runs([("links", "all"), ("placed", "as_text")])
sources = Sources(settings.engine)
xcoms = sources.xcoms([("links", "all", "one"), ("links", "all", "several")], [2], 128)
assert len(xcoms) == 4
assert len(sources.measure((x.dag_run_id, x.task_id, x.map_index, x.key) for x in xcoms)) == 4
sources.asset_events(runs[0][0], 10)
sources.tries_of([("links", "all", "one", -1)])
sources.triggered([number for number, _ in runs], datetime.now(timezone.utc))
"""


def wait_for_roots(ran: Ran, dag_id: str, number: int) -> None:
    """Wait until so many runs of a DAG have been told."""
    deadline = time.monotonic() + 90
    while len([n for t in read(ran.traces) for n in t.roots if n.span.name == f"dag_run {dag_id}"]) < number:
        assert time.monotonic() < deadline
        time.sleep(1)


def root_of(ran: Ran, dag_id: str, run_id: str) -> Node:
    """Return the root of a run, of its first generation."""
    return roots_of(ran, dag_id, run_id)[0]


def roots_of(ran: Ran, dag_id: str, run_id: str) -> list[Node]:
    """Return the roots of a run, oldest first."""
    found = [node for trace in read(ran.traces) for node in trace.roots if is_run(node, dag_id, run_id)]
    return sorted(found, key=lambda node: node.span.start_ns)


def is_run(node: Node, dag_id: str, run_id: str) -> bool:
    """Whether a span is the root of this run."""
    found = node.span.attributes
    return node.span.name == f"dag_run {dag_id}" and found[names.AIRFLOW_DAG_RUN_RUN_ID] == run_id


def tries(root: Node) -> dict[tuple[str, int, int], Node]:
    """Return the tries of a run by task, map index and number."""
    return {identity(node.span.attributes): node for node in root.children}


def identity(found: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return which try attributes speak of."""
    return (
        found[names.AIRFLOW_TASK_ID],
        found[names.AIRFLOW_TASK_INSTANCE_MAP_INDEX],
        found[names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER],
    )


def links(node: Node, kind: str) -> list[Link]:
    """Return a span's links of one kind."""
    return [link for link in node.span.links if link.attributes[names.DAGTRACE_LINK_TYPE] == kind]


def came_from(node: Node, *, named: bool = True) -> set[tuple[str, int, int, str]]:
    """Return task, map index, try and key of each XCom that a try is linked to."""
    return {
        (*identity(link.attributes), str(link.attributes[names.AIRFLOW_XCOM_KEY]))
        for link in links(node, "xcom")
        if link.attributes[names.AIRFLOW_XCOM_REFERENCED] is named
    }


def pulled(node: Node) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Return by task and key what the last execution of a try pulled: how many values, and of which class."""
    return {
        (str(e.attributes[names.AIRFLOW_TASK_ID]), str(e.attributes[names.AIRFLOW_XCOM_KEY])): (
            e.attributes.get(names.AIRFLOW_XCOM_COUNT),
            e.attributes.get(names.AIRFLOW_XCOM_PYTHON_TYPE),
        )
        for e in node.children[-1].span.events
        if e.name == "xcom_pull"
    }


def test_every_link_leads_to_a_span(ran: Ran) -> None:
    """No link dangles, each names the try it leads to, and none says a value."""
    spans = {(n.span.trace_id, n.span.span_id): n.span for trace in read(ran.traces) for n in trace.walk()}
    found = [link for span in spans.values() for link in span.links]
    assert len(found) > 30
    for link in found:
        assert (link.trace_id, link.span_id) in spans, link
        if link.attributes[names.DAGTRACE_LINK_TYPE] != "cleared":
            assert identity(spans[link.trace_id, link.span_id].attributes) == identity(link.attributes)
    told = "".join(file.read_text() for file in ran.traces.glob("traces*"))
    assert "yyyyy" not in told
    assert "ééééé" not in told
    assert "kept" not in told


def test_arguments_link_to_the_xcoms_they_name(ran: Ran) -> None:
    """Arguments, templates and expansions lead to the try and key each of them takes, and to no other instance's."""
    found = tries(root_of(ran, "links", "all"))
    expected: dict[tuple[str, int, int], set[tuple[str, int, int, str]]] = {
        ("joins", -1, 1): {
            ("one", -1, 1, "return_value"),
            ("several", -1, 1, "a"),
            ("several", -1, 1, "b"),
        },
        ("templated", -1, 1): {("one", -1, 1, "return_value")},
        ("chooses", -1, 1): {("one", -1, 1, "return_value")},
        ("weighs", -1, 1): {("large", -1, 1, "return_value")},
        ("reduce", -1, 1): {("plus_one", i, 1, "return_value") for i in range(3)},
        **{("double", i, 1): {("numbers", -1, 1, "return_value")} for i in range(3)},
        **{("plus_one", i, 1): {("double", i, 1, "return_value")} for i in range(3)},
        **{("group.first", i, 1): {("for_group", -1, 1, "return_value")} for i in range(3)},
        **{("group.second", i, 1): {("group.first", i, 1, "return_value")} for i in range(3)},
        **{("after_flaky", -1, n): {("flaky", -1, 2, "return_value")} for n in (1, 2)},
    }
    assert {key: came_from(node) for key, node in found.items() if came_from(node)} == expected


def test_what_code_may_have_pulled_is_told_apart(ran: Ran) -> None:
    """A task directly after another is linked to what that one left, as not named; execute says what was pulled."""
    found = tries(root_of(ran, "links", "all"))
    node = found["pulls", -1, 1]
    assert came_from(node) == set()
    assert came_from(node, named=False) == {
        ("pushes", -1, 1, "custom"),
        ("pushes", -1, 1, "flag"),
        ("pushes", -1, 1, "never_pulled"),
        ("one", -1, 1, "return_value"),
        ("large", -1, 1, "return_value"),
    }
    lazily = AIRFLOW < (3,)  # there a pull from several tasks is a query that is asked when it is iterated over
    assert pulled(node) == {
        ("pushes", "custom"): (1, "dict"),
        ("pushes", "flag"): (1, "bool"),
        ("pushes", "not_there"): (0, None),
        ("one", "return_value"): (None, None) if lazily else (1, "int"),
        ("large", "return_value"): (None, None) if lazily else (1, "str"),
    }
    assert came_from(found["says_nothing", -1, 1], named=False) == {("one", -1, 1, "return_value")}
    assert pulled(found["says_nothing", -1, 1]) == {}


def test_pulls_of_arguments_are_told_too(ran: Ran) -> None:
    """Arguments are resolved before the operator begins: these pulls are its execution's as well."""
    found = tries(root_of(ran, "links", "all"))
    assert pulled(found["joins", -1, 1]) == {
        ("one", "return_value"): (1, "int"),
        ("several", "a"): (1, "str"),
        ("several", "b"): (1, "list"),
    }
    lazily = (3, "int") if AIRFLOW >= (3,) else (None, None)  # there a query that is asked when they are iterated over
    assert pulled(found["reduce", -1, 1])["plus_one", "return_value"] == lazily
    assert pulled(found["templated", -1, 1]) == {("one", "return_value"): (1, "int")}
    assert pulled(found["one", -1, 1]) == {}


def test_only_what_ran_is_linked(ran: Ran) -> None:
    """A task that was skipped from outside pulled nothing."""
    found = tries(root_of(ran, "links", "all"))
    assert found["not_chosen", -1, 0].span.links == ()
    assert found["not_chosen", -1, 0].span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE] == "skipped"


def test_size_and_type_are_the_databases(ran: Ran) -> None:
    """Every XCom that is linked to is a row of the xcom table, with its size in bytes and its JSON type."""
    json_of_bytes = "convert_from(value, 'UTF8')::jsonb"
    rows = {
        (row["task_id"], row["map_index"], row["key"]): (row["size"], row["type"])
        for row in ran.query(
            f"select task_id, map_index, key, octet_length({'value::text' if AIRFLOW >= (3,) else 'value'}) size,"  # noqa: S608
            f" jsonb_typeof({'value' if AIRFLOW >= (3,) else json_of_bytes}) as type from xcom where dag_id = 'links'"
        )
    }
    told: dict[tuple[Any, Any, Any], tuple[Any, Any]] = {}
    for root in roots_of(ran, "links", "all"):
        for link in (link for node in root.children for link in links(node, "xcom")):
            task_id, map_index, _ = identity(link.attributes)
            key = (task_id, map_index, link.attributes[names.AIRFLOW_XCOM_KEY])
            told[key] = link.attributes[names.AIRFLOW_XCOM_SIZE], link.attributes.get(names.AIRFLOW_XCOM_TYPE)
    assert told.items() <= rows.items()
    assert told["large", -1, "return_value"] == (40_002 if AIRFLOW >= (3,) else 120_002, "string")  # 2.x escapes
    assert {kind for _, kind in told.values()} == {"string", "number", "boolean", "object", "array"}


def test_a_retried_task_above_is_linked_in_its_successful_try(ran: Ran) -> None:
    """Try 1 left an XCom, too, but try 2 is the one whose value was taken; each try also leads to the one before."""
    found = tries(root_of(ran, "links", "all"))
    (link,) = links(found["after_flaky", -1, 2], "retry")
    assert link.span_id == found["after_flaky", -1, 1].span.span_id
    (link,) = (
        link for link in links(found["after_flaky", -1, 1], "xcom") if link.attributes[names.AIRFLOW_XCOM_REFERENCED]
    )
    assert link.span_id == found["flaky", -1, 2].span.span_id
    assert found["flaky", -1, 1].span.error is not None


def test_a_cleared_task_leads_into_the_old_trace(ran: Ran) -> None:
    """Only one task was cleared: in the new trace its links lead to tries of the old one, its own among them."""
    old, new = roots_of(ran, "links", "all")
    (again,) = new.children
    assert {link.trace_id for link in again.span.links} == {old.span.trace_id}
    assert came_from(again) == {("flaky", -1, 2, "return_value")}
    (link,) = links(again, "retry")
    assert link.span_id == tries(old)["after_flaky", -1, 2].span.span_id


def test_a_consuming_run_leads_to_the_tries_that_made_the_events(ran: Ran) -> None:
    """As many links as the run consumed events, each to the successful try of the task that the event names."""
    made = tries(root_of(ran, "produces", "made"))
    asset = "asset" if AIRFLOW >= (3,) else "dataset"
    rows = ran.query(
        "select d.run_id, e.source_task_id, a.uri from dag_run d"  # noqa: S608
        f" join dagrun_{asset}_event de on de.dag_run_id = d.id join {asset}_event e on e.id = de.event_id"
        f" join {asset} a on a.id = e.{asset}_id where d.dag_id = 'consumes'"
    )
    assert {row["source_task_id"] for row in rows} == {"makes", "also_makes"}
    told = [
        (run_id, link.attributes[names.AIRFLOW_TASK_ID], link.attributes[names.AIRFLOW_ASSET_URI])
        for run_id in {row["run_id"] for row in rows}
        for link in links(root_of(ran, "consumes", run_id), "asset")
    ]
    assert sorted(told) == sorted((row["run_id"], row["source_task_id"], row["uri"]) for row in rows)  # type: ignore[type-var]
    number = {"makes": 2, "also_makes": 1}
    for run_id, task_id in {(row["run_id"], row["source_task_id"]) for row in rows}:
        found = links(root_of(ran, "consumes", run_id), "asset")
        assert made[task_id, -1, number[task_id]].span.span_id in {link.span_id for link in found}


@pytest.mark.parametrize(
    ("dag_id", "run_id", "by"),
    [
        ("triggered", "waited_for", ("waits", -1, 1)),
        ("triggered_too", "waited_for", ("same_id", -1, 1)),
        ("triggered", "m0", ("mapped", 0, 1)),
        ("triggered", "m1", ("mapped", 1, 1)),
        ("strict", "allowed", ("strict", -1, 1)),
    ],
)
def test_a_triggered_run_leads_to_the_triggering_try(
    ran: Ran, dag_id: str, run_id: str, by: tuple[str, int, int]
) -> None:
    """Waited for or not, mapped, with a run id that another DAG's run has, too: it is the task that made the run."""
    parent = root_of(ran, "triggers", "parent")
    (link,) = links(root_of(ran, dag_id, run_id), "trigger")
    assert (link.trace_id, link.span_id) == (parent.span.trace_id, tries(parent)[by].span.span_id)
    assert link.attributes[names.AIRFLOW_DAG_ID] == "triggers"
    assert link.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] == "parent"


def conf_in(row: dict[str, Any]) -> Any:
    """Return a run's conf, which Airflow 2 pickles."""
    conf = row["conf"]
    return (pickle.loads(bytes(conf)) if AIRFLOW < (3,) and conf is not None else conf) or {}  # noqa: S301 - our own


def test_nobodys_conf_is_touched(ran: Ran) -> None:
    """A triggered run has the conf that its DAG's author gave it, and no key more: no schema can refuse it."""
    rows = ran.query(
        "select dag_id, run_id, conf from dag_run where dag_id in ('triggered', 'triggered_too', 'strict')"
    )
    assert {(row["dag_id"], row["run_id"]): conf_in(row) for row in rows} == {
        ("triggered", "waited_for"): {"for": "child"},
        ("triggered", "m0"): {},
        ("triggered", "m1"): {},
        ("triggered_too", "waited_for"): {},
        ("strict", "allowed"): {"number": 7},
    }


def test_a_run_lives_in_the_trace_from_outside(ran: Ran) -> None:
    """Two runs in one external trace: both hang under its span, whole, and share no span id."""
    (trace,) = (trace for trace in read(ran.traces) if trace.trace_id == OUTSIDE.trace_id)
    assert {root.span.attributes[names.AIRFLOW_DAG_RUN_RUN_ID] for root in trace.roots} == {"as_text", "as_carrier"}
    assert trace.orphans == []
    assert trace.duplicates == 0
    for root in trace.roots:
        assert (root.span.parent_id, root.span.remote_parent) == (OUTSIDE.span_id, True)
        assert [n.span.name for n in root.walk()][1:] == [
            "task_instance reads_conf",
            "execute _PythonDecoratedOperator",
        ]


def test_the_sampled_flag_from_outside_counts(ran: Ran) -> None:
    """Whoever decided that the trace is not recorded is heard in every process."""
    assert UNSAMPLED.trace_id not in {trace.trace_id for trace in read(ran.traces)}
    assert f"{UNSAMPLED.trace_id:032x}" not in "".join(file.read_text() for file in ran.traces.glob("traces*"))
    assert [n for t in read(ran.traces) for n in t.roots if is_run(n, "placed", "unsampled")] == []


def test_a_malformed_parent_is_one_warning_and_no_parent(ran: Ran, log: list[str]) -> None:
    """The run has a trace of its own, and the scheduler says once which run's conf is wrong."""
    root = root_of(ran, "placed", "malformed")
    assert root.span.parent_id is None
    assert [n.span.name for n in root.walk()][1:] == ["task_instance reads_conf", "execute _PythonDecoratedOperator"]
    (said,) = (line for line in log[0].splitlines() if f"{PARENT} in its conf" in line)
    assert "run malformed of placed" in said
    assert "nonsense" not in said


def test_links_failed_nowhere(ran: Ran, log: list[str]) -> None:
    """The reader had no error to swallow, and no task's log has a line of ours."""
    assert [line for line in log[0].splitlines() if "your work is not affected" in line] == []
    for file in ran.traces.parent.glob("airflow/logs/**/*.log"):
        assert warnings_of_ours(file.read_text()) == [], file
        lines = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
        assert [line for line in lines if line.get("logger") == "dagtrace" or "dagtrace" in line["event"]] == [], file


def test_view_shows_where_things_came_from(ran: Ran) -> None:
    """The tree names the task, try, key and size behind each link, and JSON has them whole."""
    trace_id = f"{root_of(ran, 'links', 'all').span.trace_id:032x}"
    drawn = run(ran.env, "dagtrace", "view", str(ran.traces), "--trace", trace_id).stdout
    (line,) = (line for line in drawn.splitlines() if "⇠ large" in line)
    assert ("39.1 KiB" if AIRFLOW >= (3,) else "117.2 KiB") in line
    (trace,) = json.loads(run(ran.env, "dagtrace", "view", str(ran.traces), "--json", "--trace", trace_id).stdout)
    assert any(link["attributes"].get(names.AIRFLOW_XCOM_KEY) == "a" for link in all_links(trace["roots"]))


def all_links(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every link in a document."""
    for node in nodes:
        yield from node["links"]
        yield from all_links(node["children"])


def test_a_single_trace_holds_one_run(ran: Ran) -> None:
    """But for the trace from outside, each has one root, no orphan and no span twice."""
    traces: list[Trace] = [trace for trace in read(ran.traces) if trace.trace_id != OUTSIDE.trace_id]
    assert [len(trace.roots) for trace in traces] == [1] * len(traces)
    assert [trace.orphans for trace in traces] == [[]] * len(traces)
    assert [trace.duplicates for trace in traces] == [0] * len(traces)


def test_the_linkers_queries_use_indexes_and_fetch_no_value(ran: Ran) -> None:
    """With sequential scans discouraged PostgreSQL plans none; of XComs only a triggered run's id is fetched."""
    plans = plans_of(QUERIES, ran.env)
    assert len(plans) == 8
    assert {sql: plan for sql, plan in plans.items() if any("Seq Scan" in line for line in plan)} == {}
    measuring = r"(CAST|octet_length|substr)\(xcom\.value"
    fetching = [sql for sql in plans if "xcom.value" in re.sub(measuring, "", sql.partition(" FROM ")[0])]
    assert len(fetching) == 1
    assert "xcom.key = " in fetching[0]
