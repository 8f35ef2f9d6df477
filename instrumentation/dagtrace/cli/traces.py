"""Local files back into traces: each a tree of spans under its root."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagtrace.semconv import attributes as names
from dagtrace.telemetry.otlp_json import attributes_from, span_from


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagtrace.record import SpanRecord, Value


class UnreadableError(Exception):
    """The path holds nothing that can be read; the message says what to do."""


@dataclass
class Node:
    """A span, what resource it came from, and its children by start."""

    span: SpanRecord
    resource: dict[str, Value]
    children: list[Node] = field(default_factory=list["Node"])

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.span.end_ns - self.span.start_ns) / 1e9

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, depth first."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


@dataclass
class Trace:
    """
    All spans of one trace id.

    ``roots`` are the spans without a parent, or with one that is outside and told by somebody else; ``orphans`` those
    whose parent is in no file, or not yet: a run still going has only those. So has a circle of spans, each the parent
    of the next: it is cut open at one of them.
    A marker (``dagtrace.started``) whose parent is there says nothing any more and is left out.
    ``duplicates`` counts spans that stood in the files more than once.
    """

    trace_id: int
    roots: list[Node]
    orphans: list[Node]
    duplicates: int = 0

    @property
    def start_ns(self) -> int:
        """Start of the earliest span."""
        return min(node.span.start_ns for node in self.roots + self.orphans)

    def walk(self) -> Iterator[Node]:
        """Yield every node."""
        for node in self.roots + self.orphans:
            yield from node.walk()


def files(path: Path) -> list[Path]:
    """Return the trace files a path stands for; raise UnreadableError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UnreadableError(f"{path} does not exist; traces lie in DAGTRACE_HOME (default ~/.dagtrace)")
    found = sorted(path.glob("traces*.jsonl"))
    if not found:
        raise UnreadableError(
            f"{path} holds no traces*.jsonl: they lie in DAGTRACE_HOME (default ~/.dagtrace) where no endpoint is set, "
            "of what ran with DAGTRACE_ENABLED=true, or of Spark drivers set up by `dagtrace spark-conf`"
        )
    return found


def read(path: Path) -> list[Trace]:
    """Return the traces in a file or folder, oldest first. A torn last line is passed over; other nonsense is named."""
    by_trace: dict[int, dict[int, Node]] = {}
    duplicates: dict[int, int] = {}
    for file in files(path):
        for node in _nodes(file):
            spans = by_trace.setdefault(node.span.trace_id, {})
            if node.span.span_id in spans:
                duplicates[node.span.trace_id] = duplicates.get(node.span.trace_id, 0) + 1
            spans[node.span.span_id] = node
    traces = [_tree(trace_id, spans, duplicates.get(trace_id, 0)) for trace_id, spans in by_trace.items()]
    return sorted(traces, key=lambda trace: trace.start_ns)


_NONSENSE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading JSON of any other shape may raise."""


def _nodes(file: Path) -> Iterator[Node]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                request: dict[str, Any] = json.loads(line)
                for group in request["resourceSpans"]:
                    resource = attributes_from(group.get("resource", {}).get("attributes", ()))
                    for scope in group.get("scopeSpans", ()):
                        for span in scope.get("spans", ()):
                            yield Node(span_from(span), resource)
            except _NONSENSE as error:
                if line.endswith(b"\n"):
                    raise UnreadableError(f"{file}:{number} is not a line of OTLP/JSON spans ({error})") from None


def _tree(trace_id: int, spans: dict[int, Node], duplicates: int) -> Trace:
    roots: list[Node] = []
    orphans: list[Node] = []
    ordered = sorted(spans.values(), key=lambda n: (n.span.start_ns, n.span.end_ns))
    for node in ordered:
        parent = _parent(node, spans)
        if parent is not None and names.DAGTRACE_STARTED in node.span.attributes:
            del spans[node.span.span_id]
        elif parent is not None and parent is not node:
            parent.children.append(node)
        elif node.span.parent_id is None or (parent is None and node.span.remote_parent):
            roots.append(node)
        else:
            orphans.append(node)
    trace = Trace(trace_id, roots, orphans, duplicates)
    reached = {node.span.span_id for node in trace.walk()}
    for node in ordered:
        if node.span.span_id not in reached and node.span.span_id in spans:
            first = _cut(node, spans)
            orphans.append(first)
            reached.update(below.span.span_id for below in first.walk())
    return trace


def _parent(node: Node, spans: dict[int, Node]) -> Node | None:
    return None if node.span.parent_id is None else spans.get(node.span.parent_id)


def _cut(node: Node, spans: dict[int, Node]) -> Node:
    """Cut open the circle that a node is in or below; return the span on it that has no parent any more."""
    passed: set[int] = set()
    parent = _parent(node, spans)
    while parent is not None and node.span.span_id not in passed:
        passed.add(node.span.span_id)
        node, parent = parent, _parent(parent, spans)
    if parent is not None:
        parent.children = [child for child in parent.children if child is not node]
    return node
