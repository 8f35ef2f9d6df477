"""``dagtrace view``: each trace as a tree in the terminal, or as JSON for programs."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dagtrace.cli.traces import Node, Trace, UnreadableError, read
from dagtrace.options import options
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events


if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.tree import Tree


_MOST_SOURCES = 6
"""Lines on where one span's data came from."""

_MOST_DATASETS = 4
"""Datasets named on the line of one query."""


def run(path: str | None, *, as_json: bool, last: int | None, trace: str | None) -> int:
    """Draw what ``path`` holds; return 0, or 2 after one line on stderr where there is nothing to draw."""
    try:
        traces = _wanted(Path(path).expanduser() if path else options().home, trace)
    except (UnreadableError, OSError, RuntimeError) as error:  # a file that is not ours to read, a ~user unknown
        print(f"dagtrace view: {error}", file=sys.stderr)
        return 2
    if last:
        traces = traces[-last:]
    if as_json:
        json.dump([document(t) for t in traces], sys.stdout, indent=1)
        print()
    else:
        draw(traces)
    return 0


def _wanted(path: Path, trace: str | None) -> list[Trace]:
    found = [t for t in read(path) if f"{t.trace_id:032x}".startswith((trace or "").lower())]
    if trace and not found:
        raise UnreadableError(f"no trace here has an id that begins with {trace}")
    return found


def document(trace: Trace) -> dict[str, Any]:
    """Return a trace as plain data: times in seconds since the epoch, durations in seconds, ids in hex."""

    def node(item: Node) -> dict[str, Any]:
        span = item.span
        return {
            "name": span.name,
            "span_id": f"{span.span_id:016x}",
            "parent_id": f"{span.parent_id:016x}" if span.parent_id is not None else None,
            "start": span.start_ns / 1e9,
            "duration": item.duration,
            "error": span.error,
            "attributes": dict(span.attributes),
            "events": [{"name": e.name, "attributes": dict(e.attributes)} for e in span.events],
            "links": [
                {"trace_id": f"{k.trace_id:032x}", "span_id": f"{k.span_id:016x}", "attributes": dict(k.attributes)}
                for k in span.links
            ],
            "service": item.resource.get(names.SERVICE_NAME),
            "children": [node(child) for child in item.children],
        }

    return {
        "trace_id": f"{trace.trace_id:032x}",
        "roots": [node(root) for root in trace.roots],
        "orphans": [node(orphan) for orphan in trace.orphans],
    }


def draw(traces: Sequence[Trace]) -> None:
    """Print each trace as a tree."""
    from rich.console import Console
    from rich.tree import Tree

    out: Any = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a terminal that has no ✓, a name that is no UTF-8
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1_000_000  # a pipe has no width: let lines be as long as they are
    for trace in traces:
        started = datetime.fromtimestamp(trace.start_ns / 1e9, timezone.utc)
        tree = Tree(f"[dim]trace {trace.trace_id:032x}  {started:%Y-%m-%d %H:%M:%S} UTC[/]", guide_style="dim")
        for root in trace.roots:
            _grow(tree, root)
        if trace.orphans:
            missing = tree.add("[yellow]parent not in these files (yet)[/]")
            for orphan in trace.orphans:
                _grow(missing, orphan)
        console.print(tree)
        console.print()


def _grow(tree: Tree, node: Node) -> None:
    branch = tree.add(_label(node))
    for line in _sources(node):
        branch.add(f"[dim]⇠ {_plain(line)}[/]")
    for child in node.children:
        _grow(branch, child)


def _label(node: Node) -> str:
    """Return one line: mark, name, what tells it from its siblings, duration, numbers, error."""
    span = node.span
    going = names.DAGTRACE_STARTED in span.attributes
    mark = "[red]✗[/]" if span.error is not None else "[yellow]▸[/]" if going else "[green]✓[/]"
    kind = span.name.partition(" ")[0].removesuffix(".started")
    parts = [
        f"{mark} [bold]{_plain(span.name)}[/]",
        *(f"[cyan]{_plain(text)}[/]" for text in _which(node, kind) if text),
    ]
    if going:
        since = datetime.fromtimestamp(span.start_ns / 1e9, timezone.utc)
        parts.append(f"[yellow]since {since:%Y-%m-%d %H:%M:%S} UTC[/]")
    else:
        parts.append(f"[magenta]{seconds(node.duration)}[/]")
    if kind == "spark.stage":
        parts.append(f"[dim]{_plain(_stage_numbers(node))}[/]")
    if datasets := _datasets(node):
        parts.append(f"[dim]{_plain(datasets)}[/]")
    diagnosis = span.attributes.get(names.SPARK_DIAGNOSIS)
    if isinstance(diagnosis, (list, tuple)):
        parts.append(f"[yellow]{_plain(', '.join(map(str, cast('Sequence[str]', diagnosis))))}[/]")
    state = span.attributes.get(names.AIRFLOW_TASK_INSTANCE_STATE) or span.attributes.get(names.AIRFLOW_DAG_RUN_STATE)
    if state and state not in ("success", "failed"):
        parts.append(f"[yellow]{_plain(str(state))}[/]")
    if span.error and kind not in ("dag_run", "task_instance"):
        error_type = str(span.attributes.get(names.ERROR_TYPE, ""))
        message = span.error.partition("\n")[0]
        parts.append(f"[red]{_plain((f'{error_type}: {message}' if error_type else message)[:160])}[/]")
    return "  ".join(parts)


def _sources(node: Node) -> list[str]:
    """Return a line for each link to where the span's data or its run came from; a retry shows by its number."""
    lines: list[str] = []
    for link in node.span.links:
        found = link.attributes
        index = found.get(names.AIRFLOW_TASK_INSTANCE_MAP_INDEX, -1)
        task = f"{found.get(names.AIRFLOW_TASK_ID, '?')}{'' if index == -1 else f'[{index}]'}"
        task += f" try {found.get(names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER, '?')}"
        run = f"{found.get(names.AIRFLOW_DAG_ID, '?')} {found.get(names.AIRFLOW_DAG_RUN_RUN_ID, '?')}"
        kind = found.get(names.DAGTRACE_LINK_TYPE)
        if kind == "xcom":
            bytes_ = found.get(names.AIRFLOW_XCOM_SIZE)
            measure = size(bytes_) if isinstance(bytes_, (int, float)) else ""
            may = "" if found.get(names.AIRFLOW_XCOM_REFERENCED) else "comes after "
            lines.append(
                f"{may}{task} · {found.get(names.AIRFLOW_XCOM_KEY, '?')}"
                f" {found.get(names.AIRFLOW_XCOM_TYPE, '')} {measure}"
            )
        elif kind == "asset":
            lines.append(f"{found.get(names.AIRFLOW_ASSET_URI, '?')} made by {run} {task}")
        elif kind == "trigger":
            lines.append(f"triggered by {run} {task}")
        elif kind == "cleared":
            lines.append(f"cleared; was trace {link.trace_id:032x}")
    return [*lines[:_MOST_SOURCES], *([f"… {len(lines) - _MOST_SOURCES} more"] if len(lines) > _MOST_SOURCES else [])]


def _plain(text: str) -> str:
    """Return text that is one line and no markup, whatever somebody wrote into it."""
    from rich.markup import escape

    return escape("".join(mark if mark.isprintable() else " " for mark in text))


def _which(node: Node, kind: str) -> list[str]:
    found = node.span.attributes
    simple = {
        "dag_run": f"{found.get(names.AIRFLOW_DAG_RUN_RUN_ID, '')}",
        "spark.job": f"#{found.get(names.SPARK_JOB_ID, '?')}",
        "spark.task": f"#{found.get(names.SPARK_TASK_INDEX, '?')}.{found.get(names.SPARK_TASK_ATTEMPT, 0)}",
    }
    if kind in simple:
        return [simple[kind]]
    if kind == "task_instance":
        index = found.get(names.AIRFLOW_TASK_INSTANCE_MAP_INDEX, -1)
        rendered = found.get(names.AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX)
        where = [] if index == -1 else [f"[{rendered or index}]"]
        return [*where, f"try {found.get(names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER, '?')}"]
    if kind == "spark.sql":
        description = str(found.get(names.SPARK_SQL_DESCRIPTION, ""))
        return [f"#{found.get(names.SPARK_SQL_EXECUTION_ID, '?')}", description.partition("\n")[0][:60]]
    if kind == "spark.stage":
        attempt = found.get(names.SPARK_STAGE_ATTEMPT_ID, 0)
        again = f".{attempt}" if attempt else ""
        return [
            f"#{found.get(names.SPARK_STAGE_ID, '?')}{again}",
            str(found.get(names.SPARK_STAGE_DESCRIPTION, "")).partition("\n")[0][:40],
        ]
    return []


def _stage_numbers(node: Node) -> str:
    found = node.span.attributes

    def number(name: str) -> float:
        value = found.get(name, 0)
        return value if isinstance(value, (int, float)) else 0

    done, total = number(names.SPARK_STAGE_TASKS_SUCCEEDED), number(names.SPARK_STAGE_TASKS_TOTAL)
    parts = [f"tasks {done:g}/{total:g}"]
    if failed := number(names.SPARK_STAGE_TASKS_FAILED):
        parts.append(f"{failed:g} failed")
    for label, name in (
        ("in", names.SPARK_STAGE_INPUT_BYTES),
        ("out", names.SPARK_STAGE_OUTPUT_BYTES),
        ("shuffle read", names.SPARK_STAGE_SHUFFLE_READ_BYTES),
        ("shuffle write", names.SPARK_STAGE_SHUFFLE_WRITE_BYTES),
        ("spill", names.SPARK_STAGE_SPILL_DISK_BYTES),
    ):
        if number(name):
            parts.append(f"{label} {size(number(name))}")
    if number(names.SPARK_STAGE_SKEW):
        parts.append(f"skew {number(names.SPARK_STAGE_SKEW):.1f}")
    return " · ".join(parts)


def _datasets(node: Node) -> str:
    """Return what a query read and wrote, by the last part of each name: who wants all of it asks for JSON."""
    parts: list[str] = []
    for event in node.span.events:
        if event.name not in {events.DATA_READ, events.DATA_WRITE}:
            continue
        found = event.attributes
        path = str(found.get(names.DATA_DATASET_NAME, "?"))
        name = str(found.get(names.DATA_DATASET_TABLE) or path.rstrip("/").rpartition("/")[2] or path)
        part = f"{str(found.get(names.DATA_OPERATION, '?')).replace('_', ' ')} {name}"
        if isinstance(rows := found.get(names.DATA_ROWS), int):
            part += f" {rows:,} rows"
        if isinstance(bytes_ := found.get(names.DATA_BYTES), int):
            part += f" {size(bytes_)}"
        parts.append(part)
    more = len(parts) - _MOST_DATASETS
    return " · ".join([*parts[:_MOST_DATASETS], *([f"… {more} more"] if more > 0 else [])])


def seconds(value: float) -> str:
    """Return a duration as people say it; the unit is chosen after rounding, so that nothing takes 1000 ms."""
    if round(value * 1000) < 1000:  # noqa: PLR2004 - milliseconds in a second
        return f"{value * 1000:.0f} ms"
    if round(value, 1) < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(value: float) -> str:
    """Return bytes as people say them, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if round(value, 1) < 1024:  # noqa: PLR2004
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
