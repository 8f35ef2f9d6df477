"""
The audit: every final run and every final try of a real database has its span, once, and it says what the row says.

The rows are read as they are (``select *``), past Airflow's models and our reader, so that the same audit holds for
every version of Airflow: a column that a version lacks is not compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dagtrace.identity import nanoseconds
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from support.cells import AIRFLOW
from support.metrics import totals


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dagtrace.cli.traces import Node, Trace
    from support.runs import Ran

Row = dict[str, Any]

TryKey = tuple[str, str, str, int, int]
"""(dag_id, run_id, task_id, map_index, try_number)"""

FINAL_RUN = ("success", "failed")
FINAL_TRY = ("success", "failed", "skipped", "upstream_failed", "removed")

ROOT = {
    names.AIRFLOW_DAG_RUN_STATE: ("state",),
    names.AIRFLOW_DAG_RUN_RUN_TYPE: ("run_type",),
    names.AIRFLOW_DAG_RUN_QUEUED_AT: ("queued_at",),
    names.AIRFLOW_DAG_RUN_START_DATE: ("start_date",),
    names.AIRFLOW_DAG_RUN_END_DATE: ("end_date",),
    names.AIRFLOW_DAG_RUN_LOGICAL_DATE: ("logical_date", "execution_date"),
    names.AIRFLOW_DAG_RUN_RUN_AFTER: ("run_after",),
    names.AIRFLOW_DAG_RUN_CLEAR_NUMBER: ("clear_number",),
    names.AIRFLOW_DAG_RUN_TRIGGERED_BY: ("triggered_by",),
    names.AIRFLOW_DAG_RUN_BUNDLE_VERSION: ("bundle_version",),
    names.AIRFLOW_DAG_RUN_DAG_VERSION: ("version_number",),
}
"""Attribute of the root, and the column it has in ``dag_run``: the first of these that there is."""

TRY = {
    names.AIRFLOW_TASK_INSTANCE_STATE: ("state",),
    names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: ("try_number",),
    names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: ("map_index",),
    names.AIRFLOW_TASK_INSTANCE_MAX_TRIES: ("max_tries",),
    names.AIRFLOW_TASK_INSTANCE_START_DATE: ("start_date",),
    names.AIRFLOW_TASK_INSTANCE_END_DATE: ("end_date",),
    names.AIRFLOW_TASK_INSTANCE_SCHEDULED_AT: ("scheduled_dttm",),
    names.AIRFLOW_TASK_INSTANCE_QUEUED_AT: ("queued_dttm",),
    names.AIRFLOW_TASK_INSTANCE_OPERATOR: ("operator",),
    names.AIRFLOW_TASK_INSTANCE_POOL: ("pool",),
    names.AIRFLOW_TASK_INSTANCE_QUEUE: ("queue",),
    names.AIRFLOW_TASK_INSTANCE_EXECUTOR: ("executor",),
    names.AIRFLOW_TASK_INSTANCE_HOSTNAME: ("hostname",),
    names.AIRFLOW_TASK_INSTANCE_PID: ("pid",),
    names.AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX: ("rendered_map_index",),
}
"""Attribute of a try, and its column in ``task_instance`` and ``task_instance_history``."""


@dataclass
class Audited:
    """How much was compared; a test says how much it expected, so that an audit of nothing does not pass."""

    runs: int
    traces: int
    tries: int


REWRITES = AIRFLOW < (3,)
"""
Whether Airflow goes on writing what was final: Airflow 2 fails a killed try a second time, and ends a run that was
marked again when the scheduler looks at it. What was told is the first end, and durations are not compared.
"""


def audit(ran: Ran, *dag_ids: str, marked: Mapping[TryKey, str] | None = None, by_clock: bool = False) -> Audited:
    """
    Compare all final runs of these DAGs, or of all, with what was told; raise with every difference found.

    ``marked`` names the tries whose state somebody changed by hand after their end, and the state they had ended in: a
    trace keeps saying how a try ended. ``by_clock`` is for ``dag.test()``, whose rows have a start date that is none.
    """
    told = [trace for trace in ran.read() if not dag_ids or _dags(trace) & set(dag_ids)]
    known = ran.query("select * from dag_run")
    runs = [row for row in known if row["state"] in FINAL_RUN and (not dag_ids or row["dag_id"] in dag_ids)]
    if any(row.get("created_dag_version_id") for row in runs):  # Airflow 3
        versions = {row["id"]: row["version_number"] for row in ran.query("select * from dag_version")}
        runs = [{**row, "version_number": versions.get(row["created_dag_version_id"])} for row in runs]
    rows = _tries(ran, runs)
    marked = marked or {}
    problems: list[str] = []
    for trace in told:
        problems += _shape(trace)
    of_run: dict[tuple[Any, Any], list[Trace]] = {}
    for trace in told:
        for root in trace.roots:
            key = root.span.attributes.get(names.AIRFLOW_DAG_ID), root.span.attributes.get(names.AIRFLOW_DAG_RUN_RUN_ID)
            of_run.setdefault(key, []).append(trace)
    final = {(run["dag_id"], run["run_id"]) for run in runs}
    problems += [f"a trace of {key}, which is no final run" for key in of_run if key not in final]
    for run in runs:
        key = (run["dag_id"], run["run_id"])
        of_this = {k: row for k, row in rows.items() if k[:2] == key}
        problems += _run(run, of_run.get(key, []), of_this, marked, by_clock=by_clock)
    problems += _metrics(ran, told, rows, marked)
    if problems:
        raise AssertionError(f"{len(problems)} differences from the database:\n" + "\n".join(problems[:60]))
    return Audited(len(runs), len(told), len(rows))


def _dags(trace: Trace) -> set[Any]:
    return {node.span.attributes.get(names.AIRFLOW_DAG_ID) for node in trace.walk()}


def _tries(ran: Ran, runs: Iterable[Row]) -> dict[TryKey, Row]:
    """Return every final try of these runs; where history and ``task_instance`` both have it, history's."""
    wanted = {(run["dag_id"], run["run_id"]) for run in runs}
    found: dict[TryKey, Row] = {}
    for table in ("task_instance_history", "task_instance"):
        for row in ran.query(f"select * from {table}"):  # noqa: S608 - a name of the line above
            key = (row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["try_number"])
            if key[:2] in wanted and row["state"] in FINAL_TRY:
                found.setdefault(key, row)
    return found


def _shape(trace: Trace) -> Iterator[str]:
    """One root, no orphan, no id twice, children within their parents, links that lead somewhere."""
    name = f"trace {trace.trace_id:032x} ({', '.join(sorted({n.span.name for n in trace.roots + trace.orphans}))})"
    if len(trace.roots) != 1:
        yield f"{name}: {len(trace.roots)} roots"
    if trace.orphans:
        yield f"{name}: orphans {[node.span.name for node in trace.orphans]}"
    if trace.duplicates:
        yield f"{name}: {trace.duplicates} spans twice"
    ids = {node.span.span_id for node in trace.walk()}
    for parent in trace.walk():
        if parent.span.end_ns < parent.span.start_ns:
            yield f"{name}: {parent.span.name} ends before it starts"
        yield from (
            f"{name}: {parent.span.name} links to a span of this trace that is not there"
            for link in parent.span.links
            if link.trace_id == trace.trace_id and link.span_id not in ids
        )
        for child in parent.children:
            early = parent.span.start_ns - child.span.start_ns
            late = child.span.end_ns - parent.span.end_ns
            if early > 0 or (late > 0 and child.span.attributes.get(names.DAGTRACE_ASYNC) is not True):
                yield f"{name}: {child.span.name} is {early / 1e9} s early, {late / 1e9} s late in {parent.span.name}"


def _run(
    run: Row, traces: list[Trace], rows: dict[TryKey, Row], marked: Mapping[TryKey, str], *, by_clock: bool
) -> Iterator[str]:
    """One trace per generation, the last one's root as the row, and each try once, in the generation it ended in."""
    name = f"run {run['dag_id']} {run['run_id']}"
    generations = sorted(
        (
            (_moment(root.span.attributes.get(names.AIRFLOW_DAG_RUN_START_DATE)), trace)
            for trace in traces
            for root in trace.roots
        ),
        key=lambda g: (g[0] is not None, g[0]),
    )
    if not generations:
        yield f"{name}: no trace"
        return
    if len({start for start, _ in generations}) != len(generations):
        yield f"{name}: two traces of one generation"
    if len(generations) > (run.get("clear_number") or 0) + 1:
        yield f"{name}: {len(generations)} traces, cleared {run.get('clear_number')} times"
    for _, trace in generations:
        if [node.span.name for node in trace.roots] != [f"dag_run {run['dag_id']}"]:
            yield f"{name}: the root is {[node.span.name for node in trace.roots]}"
    yield from _root(name, run, generations[-1][1].roots[0], by_clock=by_clock)
    told: Counter[TryKey] = Counter()
    for start, trace in generations:
        for node in trace.roots[0].children:
            key = (run["dag_id"], run["run_id"], *_try_key(node))
            told[key] += 1
            row = rows.get(key)
            if row is None:
                yield f"{name}: {node.span.name} {key[3:]} is not in the database"
                continue
            if not by_clock and _generation(row, [s for s, _ in generations]) != start:
                yield f"{name}: {node.span.name} {key[3:]} is in the trace of {start}, it ended {row['end_date']}"
            yield from _try(f"{name}: {node.span.name} {key[3:]}", row, node, marked.get(key), by_clock=by_clock)
    yield from (f"{name}: {count} spans of {key[2:]}" for key, count in told.items() if count != 1)
    yield from (f"{name}: no span of {key[2:]}, {rows[key]['state']}" for key in rows if key not in told)


def _generation(row: Row, starts: list[datetime | None]) -> datetime | None:
    """Return the start of the generation a try ended in; one without an end is of the last."""
    end = row["end_date"]
    past = [start for start in starts if start is None or end is None or start <= end]
    return past[-1] if past else starts[0]


def _root(name: str, run: Row, root: Node, *, by_clock: bool) -> Iterator[str]:
    yield from _fields(name, run, root, ROOT)
    failed = run["state"] == "failed"
    if (root.span.error is not None) != failed or root.span.attributes.get(names.ERROR_TYPE) != (
        "failed" if failed else None
    ):
        yield f"{name}: {run['state']}, but the root's error is {root.span.error}"
    starts = [nanoseconds(run[c]) for c in ("queued_at", "start_date") if run.get(c) is not None]
    if starts and not by_clock and root.span.start_ns != min(starts):
        yield f"{name}: the root starts {(root.span.start_ns - min(starts)) / 1e9} s late"
    ends = [child.span.end_ns for child in root.children]
    end = _told_end(root, names.AIRFLOW_DAG_RUN_END_DATE) if REWRITES else run["end_date"]
    last = max([*ends, nanoseconds(end) if end else 0, root.span.start_ns])
    if root.span.end_ns != last:
        yield f"{name}: the root ends {(root.span.end_ns - last) / 1e9} s late"


def _try(name: str, row: Row, node: Node, ended: str | None, *, by_clock: bool) -> Iterator[str]:
    row = {**row, "state": ended or row["state"]}
    if node.span.name != f"task_instance {row['task_id']}":
        yield f"{name}: its name"
    if row.get("rendered_map_index") == str(row["map_index"]):
        row["rendered_map_index"] = None  # what history writes for nothing
    yield from _fields(name, row, node, TRY)
    identifier = row.get("task_instance_id") or (row.get("id") if not isinstance(row.get("id"), int) else None)
    if node.span.attributes.get(names.AIRFLOW_TASK_INSTANCE_ID) != (identifier and str(identifier)):
        yield f"{name}: another id than {identifier}"
    start, end, queued = row["start_date"], row["end_date"], row["queued_dttm"]
    if REWRITES:
        end = _told_end(node, names.AIRFLOW_TASK_INSTANCE_END_DATE)
    waited = (start - queued).total_seconds() if start and queued and queued <= start else None
    if node.span.attributes.get(names.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION) != waited:
        yield f"{name}: not queued for {waited} s"
    failed = row["state"] == "failed"
    if (node.span.error is not None) != failed or node.span.attributes.get(names.ERROR_TYPE) != (
        "failed" if failed else None
    ):
        yield f"{name}: {row['state']}, but its error is {node.span.error}"
    if end is not None and node.span.end_ns != nanoseconds(end):
        yield f"{name}: ends {(node.span.end_ns - nanoseconds(end)) / 1e9} s late"
    if start is not None and (end is None or start <= end):
        late = node.span.start_ns - nanoseconds(start)
        pokes = sum(child.span.name.startswith("execute") for child in node.children)
        # Each poke of a sensor overwrites the row's start; the span starts at the first.
        if late > 0 or (late < 0 and pokes < 2 and not by_clock):
            yield f"{name}: starts {late / 1e9} s late, with {pokes} executions"


def _fields(name: str, row: Row, node: Node, fields: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for attribute, columns in fields.items():
        column = next((c for c in columns if c in row), None)
        if column is None:
            continue
        told: Any = node.span.attributes.get(attribute)
        wanted = row[column] if row[column] != "" else None
        if isinstance(wanted, datetime):
            told = _moment(told)
        elif isinstance(wanted, str) and isinstance(told, str):
            told, wanted = told.lower(), wanted.lower()  # PostgreSQL has an enum's name where Airflow gives its value
        if REWRITES and attribute in _ENDS and told is not None and wanted is not None:
            told = max(told, wanted)
        if told != wanted:
            yield f"{name}: {attribute} is {told!r}, {column} is {wanted!r}"


_ENDS = (names.AIRFLOW_DAG_RUN_END_DATE, names.AIRFLOW_TASK_INSTANCE_END_DATE)


def _told_end(node: Node, name: str) -> datetime | None:
    return _moment(node.span.attributes.get(name))


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _try_key(node: Node) -> tuple[Any, Any, Any]:
    attributes = node.span.attributes
    return (
        attributes.get(names.AIRFLOW_TASK_ID),
        attributes.get(names.AIRFLOW_TASK_INSTANCE_MAP_INDEX),
        attributes.get(names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER),
    )


def _metrics(ran: Ran, told: list[Trace], rows: dict[TryKey, Row], marked: Mapping[TryKey, str]) -> Iterator[str]:
    """Compare what was counted, over all processes and by state, with the rows; and their seconds."""
    dags = {key[0] for key in rows}
    tries: Counter[tuple[str, ...]] = Counter()
    seconds: dict[tuple[str, ...], float] = {}
    for key, row in rows.items():
        series = (key[0], key[2], marked.get(key, row["state"]))
        tries[series] += 1
        if row["start_date"] and row["end_date"]:
            took = max(0.0, (row["end_date"] - row["start_date"]).total_seconds())
            seconds[series] = seconds.get(series, 0) + took
    by = (names.AIRFLOW_DAG_ID, names.AIRFLOW_TASK_ID, names.AIRFLOW_TASK_INSTANCE_STATE)
    yield from _differ(ran, dags, metrics.AIRFLOW_TASK_INSTANCE_COUNT.name, by, dict(tries))
    if not REWRITES:
        yield from _differ(ran, dags, metrics.AIRFLOW_TASK_INSTANCE_DURATION.name, by, seconds)
    by = (names.AIRFLOW_DAG_ID, names.AIRFLOW_DAG_RUN_STATE)
    # A generation that was cleared before anybody saw its end has no state to be counted under.
    roots = [root.span.attributes for trace in told for root in trace.roots]
    counted = Counter(tuple(str(root[a]) for a in by) for root in roots if names.AIRFLOW_DAG_RUN_STATE in root)
    yield from _differ(ran, dags, metrics.AIRFLOW_DAG_RUN_COUNT.name, by, dict(counted))


def _differ(
    ran: Ran, dags: set[str], metric: str, by: tuple[str, ...], wanted: Mapping[tuple[str, ...], float]
) -> Iterator[str]:
    found = {key: value for key, value in totals(ran.traces, metric, *by).items() if key[0] in dags}
    for key in sorted(found.keys() | wanted.keys()):
        if abs(found.get(key, 0.0) - wanted.get(key, 0.0)) > 1e-3:
            yield f"{metric} of {key} is {found.get(key)}, the database has {wanted.get(key)}"
