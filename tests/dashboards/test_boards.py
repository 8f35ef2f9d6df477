"""The boards' files: what the generator writes, by Grafana's rules and ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import promql
from support import boards
from support.backends import ROOT
from support.prometheus_names import ours, series


if TYPE_CHECKING:
    from collections.abc import Iterator

BOARDS = boards.boards()
PANELS = [(board, panel) for board in BOARDS for panel in boards.panels(board)]
IDS = [f"{board['uid']}/{panel['title']}" for board, panel in PANELS]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's SDK wants Python 3.11")
def test_what_lies_there_is_what_is_written() -> None:
    """Generated again, no file differs, none is missing and none is left over."""
    code = "import json, generate; print(json.dumps({str(path): text for path, text in generate.files().items()}))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT / "dashboards",
        capture_output=True,
        text=True,
        check=True,
    )
    made: dict[str, str] = json.loads(done.stdout)
    assert [path for path, text in made.items() if Path(path).read_text() != text] == []
    assert {path for path in made if path.endswith(".json")} == {str(path) for path in boards.FOLDER.glob("*.json")}


def test_there_are_eight() -> None:
    """All boards are there, in Grafana's classic schema 42, each with a title and an explanation."""
    assert {board["title"] for board in BOARDS} == {
        *("Pipeline health", "DAG", "Task", "Spark application"),
        *("Spark stages", "Data", "Scheduler and parsing", "dagtrace itself"),
    }
    assert {board["schemaVersion"] for board in BOARDS} == {42}
    assert all(board["description"] for board in BOARDS)


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=IDS)
def test_a_panel_says_what_it_shows(board: dict[str, Any], panel: dict[str, Any]) -> None:
    """It has a title, a sentence that explains it, a unit, and a reason in words where it may be empty."""
    assert panel["title"]
    assert len(panel["description"]) > 15
    assert panel["description"].endswith(".")
    assert "unit" in panel["fieldConfig"]["defaults"]
    reason = panel["description"].partition(boards.EMPTY)[2]
    assert boards.EMPTY not in panel["description"] or len(reason) > 10


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    """Each place of the 24 columns has one panel at most, and none sticks out."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        places = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & places, panel["title"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        taken |= places


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_variables_are_there(board: dict[str, Any]) -> None:
    """Every variable in a query, a title or a link is one of the board's; every variable is used."""
    own = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for text in _texts(board) for name in boards.names(text)}
    assert used <= own
    assert own <= used


def test_they_ask_for_what_is_emitted() -> None:
    """Each name in a query is a series of a metric of ours, the collector's, Prometheus' own, or recorded by a rule."""
    recorded = {rule.name for rule in promql.rules(sorted((ROOT / "dashboards" / "rules").glob("*.yml")))}
    known = {name for metric in ours() for name in series(metric)} | recorded | {"up"}
    asked = {
        name
        for _, panel in PANELS
        for target in panel["targets"]
        for name in promql.names(re.sub(r"\$\w+", "1m", target.get("expr", "")))
    }
    assert {name for name in asked - known if not name.startswith("otelcol_")} == set()
    assert len(asked) > 50


def test_a_number_leads_somewhere() -> None:
    """Each number of a DAG, a task, an application has a link; Airflow's own health and ours have none to lead to."""
    without = {
        f"{board['uid']}/{panel['title']}"
        for board, panel in PANELS
        if board["uid"] not in ("dagtrace-scheduler", "dagtrace-self", "dagtrace-data")
        and "links" not in json.dumps(panel["fieldConfig"])
        and all(target["datasource"]["uid"] == "prometheus" for target in panel["targets"])
    }
    assert without == {"dagtrace-health/Broken DAG files"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_links_lead_somewhere(board: dict[str, Any]) -> None:
    """A link to a board names one that there is, with variables that it has; one to a trace is a search in Jaeger."""
    known = {one["uid"]: {variable["name"] for variable in one["templating"]["list"]} for one in BOARDS}
    for text in _texts(board):
        if found := re.match(r"/d/([\w-]+)\?", text):
            given = set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", text))
            assert {name for pair in given for name in pair if name} <= known[found[1]], text
        elif text.startswith("/explore"):
            assert "%22datasource%22%3A%22jaeger%22" in text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield from _texts(one)
