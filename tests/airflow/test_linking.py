"""Linking: what the database says of XComs, events and triggers becomes links; what is in doubt becomes none."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.airflow import facts
from dagtrace.airflow.dag_versions import DagVersions
from dagtrace.airflow.facts import Run, Try
from dagtrace.airflow.linking import Linker
from dagtrace.airflow.sources import AssetEvent, Measure, SourceTry, Triggered, XCom
from dagtrace.options import options
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dagtrace.airflow.runs import RunIdentity
    from dagtrace.record import Link

NOW = datetime.now(timezone.utc)
END = NOW + timedelta(seconds=10)


def a_run(dag_id: str = "d", run_id: str = "r", **changes: Any) -> Run:
    """Return a run that began now."""
    known: dict[str, Any] = {"run_type": "manual", "state": "running", "clear_number": 0}
    known.update(dict.fromkeys(("queued_at", "start_date", "created_at"), NOW))
    known.update(dict.fromkeys(("end_date", "logical_date", "run_after")))
    known.update(changes)
    return Run(dag_id=dag_id, run_id=run_id, **known)


def a_try(task_id: str = "below", map_index: int = -1, **changes: Any) -> Try:
    """Return a try that ran and succeeded."""
    known: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Try))
    known.update(id="i", try_number=1, state="success", pid=1, dag_version_id="v", start_date=NOW, end_date=END)
    known["changes"] = ()
    known.update(changes, task_id=task_id, map_index=map_index)
    return Try(**known)


def xcom(task_id: str = "above", map_index: int = -1, key: str = "return_value", **changes: Any) -> XCom:
    """Return a row that a successful try left."""
    row = XCom(1, "d", "r", task_id, map_index, key, NOW, max(map_index, 0), 1, "success", NOW, NOW)
    return row._replace(**changes)


class Sources:
    """A database made of lists."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.rows: list[XCom] = []
        self.measured: list[Any] = []
        self.template = "{{ ti.xcom_pull('above') }}"
        self.mapped = False
        self.made: list[Triggered] = []
        self.events: list[AssetEvent] = []
        self.tries: list[SourceTry] = []
        self.runs_there: list[Run] = []

    def serialized_dags(self, versions: Iterable[str]) -> dict[str, Any]:
        """Return the same DAG for every version."""
        below: dict[str, Any] = {"task_id": "below", "template_fields": ["x"], "x": self.template}
        if self.mapped:
            node = {"__type": "xcomref", "__var": {"task_id": "above", "key": "return_value"}}
            below = {"task_id": "below", "expand_input": {"type": "list-of-dicts", "value": node}}
        above = [{"task_id": name, "downstream_task_ids": ["below"]} for name in ("above", "beside")]
        return {v: ({"dag": {"dag_id": "d", "tasks": [*above, below]}}, None) for v in versions if v != "gone"}

    def xcoms(self, sources: Iterable[tuple[str, str, str]], indexes: Iterable[int], most: int) -> list[XCom]:
        """Return the rows of these tasks."""
        self.instances = set(indexes)
        wanted = set(sources)
        self.asked["xcoms"] += bool(wanted)
        return [row for row in self.rows if (row.dag_id, row.run_id, row.task_id) in wanted]

    def measure(self, xcoms: Iterable[Any]) -> dict[Any, Measure]:
        """Return ten bytes for each."""
        new = list(xcoms)
        self.measured += new
        return dict.fromkeys(new, Measure(10, "string"))

    def triggered(self, dag_run_ids: Iterable[int], since: datetime) -> list[Triggered]:
        """Return what was triggered."""
        self.asked["triggered"] += 1
        return self.made

    def asset_events(self, dag_run_id: int, most: int) -> list[AssetEvent]:
        """Return the events."""
        self.asked["events"] += 1
        return self.events

    def tries_of(self, instances: Iterable[Any]) -> list[SourceTry]:
        """Return all tries."""
        return self.tries

    def runs(self, keys: Iterable[tuple[str, str]]) -> list[tuple[int, Run]]:
        """Return runs by key."""
        wanted = set(keys)
        return [(1, run) for run in self.runs_there if (run.dag_id, run.run_id) in wanted]


def this_or_none(run: Run, ended: datetime | None) -> RunIdentity | None:
    """Know of this generation only."""
    return run.who if facts.covers(run, ended) else None


@pytest.fixture
def sources(fresh: Path) -> Sources:
    """Return an empty database."""
    return Sources()


@pytest.fixture
def linker(sources: Sources) -> Linker:
    """Return a linker over it."""
    return Linker(sources, sources, this_or_none)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def linked(linker: Linker, *tries: Try, run: Run | None = None) -> list[Link]:
    """Return all links of these tries."""
    run = run or a_run()
    sources: Any = linker._sources
    versions = DagVersions(sources.serialized_dags).of(row.dag_version_id for row in tries)
    found = linker.of_tries([(run, row) for row in tries], versions)
    return [link for row in tries for link in found.get(row.span_id(run.who), [])]


def told(links: Iterable[Link]) -> list[tuple[Any, Any, Any, Any]]:
    """Return task, map index, key and whether it is named."""
    keys = (names.AIRFLOW_TASK_ID, names.AIRFLOW_TASK_INSTANCE_MAP_INDEX, names.AIRFLOW_XCOM_KEY)
    return [(*(link.attributes[key] for key in keys), link.attributes[names.AIRFLOW_XCOM_REFERENCED]) for link in links]  # type: ignore[misc]


def test_a_link_says_key_size_and_type(sources: Sources, linker: Linker) -> None:
    """It leads to the try whose row it is."""
    sources.rows = [xcom(try_number=3)]
    (link,) = linked(linker, a_try())
    assert (link.trace_id, link.span_id) == (a_run().trace_id, a_run().who.try_id("above", -1, 3))
    assert dict(link.attributes) == {
        "dagtrace.link.type": "xcom",
        "airflow.task_id": "above",
        "airflow.task_instance.map_index": -1,
        "airflow.task_instance.try_number": 3,
        "airflow.xcom.key": "return_value",
        "airflow.xcom.type": "string",
        "airflow.xcom.size": 10,
        "airflow.xcom.referenced": True,
    }


def test_named_first_then_what_lies_directly_above(sources: Sources, linker: Linker) -> None:
    """Of a task that the DAG names XComs of, only those count; what Airflow leaves for itself never does."""
    sources.rows = [
        xcom(),
        xcom(key="other"),
        xcom("beside"),
        xcom("beside", key="_link_x"),
        xcom("beside", key="skipmixin_key"),
    ]
    assert told(linked(linker, a_try())) == [
        ("above", -1, "return_value", True),
        ("beside", -1, "return_value", False),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"state": "upstream_failed"},
        {"state": "removed"},
        {"state": "skipped", "pid": None},
        {"state": "success", "pid": None},
        {"start_date": None},
        {"dag_version_id": None},
        {"dag_version_id": "gone"},
    ],
)
def test_what_never_ran_pulled_nothing(sources: Sources, linker: Linker, row: dict[str, Any]) -> None:
    """No link, and where no try can have one, no query for XComs."""
    sources.rows = [xcom()]
    assert linked(linker, a_try(**row)) == []
    assert sources.asked["xcoms"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "running"},
        {"state": "None"},
        {"start_date": None},
        {"start_date": END + timedelta(seconds=1), "end_date": END + timedelta(seconds=2)},
        {"start_date": NOW - timedelta(hours=2), "end_date": NOW - timedelta(hours=1)},
    ],
    ids=["running again", "to run again", "never ran", "ran again later", "of a generation nobody knows"],
)
def test_an_xcom_whose_try_is_in_doubt_is_not_linked(sources: Sources, linker: Linker, changes: dict[str, Any]) -> None:
    """A row that may have been pushed after the pull, or whose try has an unknown id, makes no link."""
    sources.rows = [xcom(**changes)]
    assert linked(linker, a_try()) == []


def test_thousands_above_are_one_query_and_128_links(sources: Sources, linker: Linker) -> None:
    """A reduce over 3,000 instances: one query for all, and only what is linked is measured."""
    sources.rows = [xcom(map_index=i) for i in range(3000)]
    links = linked(linker, a_try(), a_try(try_number=2))
    assert len(links) == 2 * facts.MOST_LINKS
    assert sources.asked["xcoms"] == 1
    assert len(sources.measured) == facts.MOST_LINKS
    before = facts.link(a_run().who, facts.RETRY, ("t", -1, 1))
    span = facts.try_span(a_run(), a_try(try_number=2), links=[before, *links])
    assert len(span.links) == facts.MOST_LINKS
    assert span.links[0] == before


def test_a_value_is_measured_once(sources: Sources, linker: Linker) -> None:
    """A large value with many tasks below is not read by the database for each of them; a new one is."""
    sources.rows = [xcom()]
    for _ in range(3):
        linked(linker, a_try())
    assert len(sources.measured) == 1
    sources.rows = [xcom(timestamp=END)]
    linked(linker, a_try())
    assert len(sources.measured) == 2


def test_instances_take_their_own(sources: Sources, linker: Linker) -> None:
    """Expanded over a mapped task, instance n takes the n-th value that is there: one above left none."""
    sources.mapped = True
    sources.rows = [xcom(map_index=i, position=n) for n, i in enumerate((0, 2, 3))]
    assert [told(linked(linker, a_try(map_index=i))) for i in range(4)] == [
        [("above", 0, "return_value", True)],
        [("above", 2, "return_value", True)],
        [("above", 3, "return_value", True)],
        [],
    ]
    assert sources.instances == {3}


def test_memory_is_bounded(sources: Sources, linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that were not used for long are forgotten."""
    monkeypatch.setattr(linker._measures, "most", 3)
    for i in range(10):
        sources.rows = [xcom(timestamp=NOW + timedelta(microseconds=i))]
        assert len(linked(linker, a_try())) == 1
    assert len(linker._measures) == 3


# Who triggered a run


def opened(*runs: Run) -> dict[tuple[str, str], Run]:
    """Return open runs by key, with ids."""
    return {(run.dag_id, run.run_id): replace(run, number=number) for number, run in enumerate(runs, 1)}


PARENT = a_run("parent", triggered_by="cli")


def child(dag_id: str = "child", run_id: str = "c", **changes: Any) -> Run:
    """Return a run that a task made."""
    return a_run(dag_id, run_id, **{"triggered_by": "operator", **changes})


def by(target: str | None = "child", run_id: str = "c") -> Triggered:
    """Return what the XCom of a triggering task says."""
    return Triggered("parent", "r", "t", 2, 3, target, run_id)


def test_a_triggered_run_leads_to_who_made_it(sources: Sources, linker: Linker) -> None:
    """Found once while both are open; the link comes with the run's end, and then it is forgotten."""
    sources.made = [by()]
    for _ in range(3):
        linker.seek(opened(PARENT, child()))
    assert sources.asked["triggered"] == 1
    (link,) = linker.of_run(child())
    assert (link.trace_id, link.span_id) == (PARENT.trace_id, PARENT.who.try_id("t", 2, 3))
    assert link.attributes["airflow.dag_id"] == "parent"
    assert linker.of_run(child()) == []
    assert (linker._triggers, linker._asked) == ({}, set())


def test_runs_of_two_dags_with_one_id_are_told_apart(sources: Sources, linker: Linker) -> None:
    """The triggering task's rendered fields say which DAG it was; where that is gone, nobody guesses."""
    sources.made = [by("other"), by(None)]
    linker.seek(opened(PARENT, child(), child("other")))
    assert linker.of_run(child()) == []
    assert len(linker.of_run(child("other"))) == 1


def test_who_made_a_run_is_sought_for_a_while(sources: Sources, linker: Linker) -> None:
    """The task leaves the id a moment after it made the run; a minute later, or for other runs, nobody asks."""
    new = child(queued_at=datetime.now(timezone.utc))  # the module may have been imported minutes ago
    linker.seek(opened(PARENT))
    assert sources.asked["triggered"] == 0
    linker.seek(opened(PARENT, new))
    sources.made = [by()]
    linker.seek(opened(PARENT, new))
    assert sources.asked["triggered"] == 2
    old = child(run_id="old", queued_at=NOW - timedelta(hours=1))
    for _ in range(3):  # a reader that starts later asks once
        linker.seek(opened(PARENT, old))
    assert sources.asked["triggered"] == 3
    linker.forget(("child", "old"))
    assert linker._asked == {("child", "c")}


def test_a_triggering_run_that_is_not_traced_is_not_linked(sources: Sources, linker: Linker) -> None:
    """Its spans do not exist: the reader passes on only runs that concern it."""
    sources.made = [by()]
    linker.seek(opened(child()))
    assert linker.of_run(child()) == []


# Assets


def event(at: datetime, dag_id: str = "maker") -> AssetEvent:
    """Return an event of the task ``makes``."""
    return AssetEvent("name", "s3://user:secret@bucket/key", dag_id, "r", "makes", -1, at)


def made(number: int, state: str, end: datetime) -> SourceTry:
    """Return a try of ``makes``."""
    return SourceTry("maker", "r", "makes", -1, number, state, NOW, end)


def test_a_consuming_run_leads_to_the_try_that_made_the_event(
    sources: Sources, linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The successful try whose end is nearest to the event; a URI's password is masked."""
    maker = a_run("maker")
    sources.runs_there = [maker]
    sources.tries = [
        made(1, "failed", NOW + timedelta(seconds=1)),
        made(2, "success", NOW + timedelta(seconds=2)),
        made(3, "success", NOW + timedelta(seconds=60)),
    ]
    sources.events = [event(NOW + timedelta(seconds=1.1))]
    run = a_run(run_type="asset_triggered")
    (link,) = linker.of_run(run)
    assert (link.trace_id, link.span_id) == (maker.trace_id, maker.who.try_id("makes", -1, 2))
    assert link.attributes["airflow.asset.uri"] == "s3://user:***@bucket/key"
    monkeypatch.setenv("DAGTRACE_EXCLUDE", "maker")
    options.cache_clear()
    assert linker.of_run(run) == []


def test_other_runs_are_not_asked_for_events(sources: Sources, linker: Linker) -> None:
    """Only a run that events started consumes any: all others cost no query."""
    for run_type in ("manual", "scheduled", "backfill", "operator_triggered", "asset_materialization"):
        assert linker.of_run(a_run(run_type=run_type)) == []
    assert sources.asked["events"] == 0


def test_an_event_whose_maker_is_gone_makes_no_link(sources: Sources, linker: Linker) -> None:
    """The run was deleted, or cleared so long ago that nobody knows its trace."""
    run = a_run(run_type="asset_triggered")
    sources.events = [event(NOW)]
    assert linker.of_run(run) == []
    sources.runs_there = [a_run("maker", start_date=END)]
    sources.tries = [made(1, "success", NOW)]
    assert linker.of_run(run) == []
