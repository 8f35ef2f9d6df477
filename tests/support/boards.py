"""The boards of ``dashboards/boards``, asked as Grafana asks: variables put in, each target sent to its data source."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support import backends


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.telling import Jaeger, Prometheus

FOLDER = backends.ROOT / "dashboards" / "boards"
EMPTY = "Empty when: "
"""What a description says before the reason why its panel may have no data: see ``dashboards/source/panels.py``."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A board's time range, seconds since 1970."""

    start: float
    end: float

    def interval(self, least: str) -> int:
        """Return a graph's step in seconds, as Grafana makes it for a panel some 500 points wide."""
        return max(_seconds(least), round((self.end - self.start) / 500))


def boards() -> list[Json]:
    """Return all boards."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def panels(board: Json) -> Iterator[Json]:
    """Yield a board's panels."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def names(text: str) -> set[str]:
    """Return the board variables in an expression."""
    return {name for name in re.findall(r"\$\{?([a-z]+)\b", text) if not name.startswith("__")}


def variables(board: Json, prometheus: Prometheus, span: Span, chosen: Mapping[str, str]) -> dict[str, str]:
    """
    Return the values of a board's variables, as they stand in an expression: what was chosen, else All or the first.

    A variable's own query must find something, unless all values are allowed: then nothing of it is there (an
    environment nobody named).
    """
    found: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        name, query = variable["name"], put_in(variable["query"]["query"], found, span, 60)
        parts = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert parts, query
        values = sorted(
            {series.get(parts[2], "") for series in prometheus.series(parts[1], span.start, span.end)} - {""}
        )
        assert values or variable["includeAll"], f"{board['title']}: {query} finds nothing"
        found[name] = chosen.get(name) or (variable["allValue"] if variable["includeAll"] else values[0])
    return found


def put_in(text: str, values: Mapping[str, str], span: Span, interval: int) -> str:
    """Put variables into an expression, Grafana's own ones, too."""
    own = {
        "__range": f"{round(span.end - span.start)}s",
        "__interval": f"{interval}s",
        "__rate_interval": f"{max(interval + 60, 240)}s",
    }
    return re.sub(r"\$(\w+)", lambda found: {**own, **values}[found[1]], text)


def answers(
    board: Json, prometheus: Prometheus, jaeger: Jaeger, span: Span, chosen: Mapping[str, str]
) -> dict[str, list[Json]]:
    """Return what each target of each panel gets, by the panel's number."""
    values = variables(board, prometheus, span, chosen)
    found: dict[str, list[Json]] = {}
    for panel in panels(board):
        interval = span.interval(panel.get("interval") or "1m")
        found[str(panel["id"])] = [
            _traces(_filled(target, values, span, interval), jaeger, span)
            if target["datasource"]["uid"] == "jaeger"
            else _numbers(_filled(target, values, span, interval), prometheus, span, interval)
            for target in panel["targets"]
        ]
    return found


def _filled(target: Json, values: Mapping[str, str], span: Span, interval: int) -> Json:
    """Return a target with the variables put in wherever there is text."""
    return {
        key: put_in(value, values, span, interval) if isinstance(value, str) else value for key, value in target.items()
    }


def _traces(target: Json, jaeger: Jaeger, span: Span) -> Json:
    result = jaeger.search(target["service"], target["operation"], target["tags"], span.start)
    return {"refId": target["refId"], "type": "jaeger", "result": result}


def _numbers(target: Json, prometheus: Prometheus, span: Span, interval: int) -> Json:
    # A Prometheus of minutes has nothing to compare with: the present stands for the two weeks before it.
    expression = re.sub(r"\[14d\] offset \d+s", "[14d]", target["expr"])
    if target.get("instant"):
        kind, result = "vector", prometheus.query(expression, span.end)
    else:
        kind, result = "matrix", prometheus.graph(expression, span.start, span.end, interval)
    return {"refId": target["refId"], "type": kind, "result": result, "expr": expression}


def drawable(board: Json, found: dict[str, list[Json]], span: Span, shown: Mapping[str, str]) -> Json:
    """Return what ``dashboards/draw`` draws."""
    return {"board": board["uid"], "from": span.start, "to": span.end, "variables": dict(shown), "panels": found}


def save(folder: Path, board: Json, found: dict[str, list[Json]], span: Span, shown: Mapping[str, str]) -> None:
    """Write it beside the others."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{board['uid']}.json").write_text(json.dumps(drawable(board, found, span, shown)))


def _seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return int(duration[:-1]) * units[duration[-1]]
