"""``dashboards/draw.py``: a board's JSON and its queries' results become a picture that says what Grafana would."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from types import ModuleType

pytestmark = [pytest.mark.real, pytest.mark.backends]

END = 1_764_115_200
START = END - 86_400
FLIGHTS = {"job": "airflow", "airflow_dag_id": "flights"}


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", Path(__file__).parents[1] / "dashboards" / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = _load()


def _panel(number: int, kind: str, title: str, targets: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    # no id, as in the boards: it is the number that Grafana gives
    place = {"x": 12 * ((number - 1) % 2), "y": 8 * ((number - 1) // 2), "w": 12, "h": 8}
    legend: dict[str, Any] = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
    return {"type": kind, "title": title, "gridPos": place, "targets": targets} | (
        {"options": {"legend": legend}} | more
    )


def _vector(metric: dict[str, str], value: float) -> dict[str, Any]:
    return {"metric": metric, "value": [END, str(value)]}


def _matrix(metric: dict[str, str]) -> dict[str, Any]:
    return {"metric": metric, "values": [[time, "7"] for time in range(START, END, 600)]}


def _board(*panels: dict[str, Any]) -> dict[str, Any]:
    return {"uid": "b", "title": "A board", "templating": {"list": [{"name": "dag", "label": "DAG"}]}, "panels": panels}


TABLES = [{"refId": "A", "expr": "runs", "format": "table"}, {"refId": "B", "expr": "failed", "format": "table"}]
NAMES = {"airflow_dag_id": "Pipeline", "Value #A": "Runs", "Value #B": "Failed"}
BOARD = _board(
    _panel(1, "stat", "Oldest of $dag", [{"refId": "A"}], fieldConfig={"defaults": {"unit": "s"}, "overrides": []}),
    _panel(2, "timeseries", "Runs", [{"refId": "A", "legendFormat": "{{airflow_dag_id}} of {{job}}"}]),
    _panel(
        3,
        "table",
        "DAGs",
        TABLES,
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True, "job": True}, "renameByName": NAMES}},
        ],
    ),
    _panel(4, "timeseries", "Nothing", [{"refId": "A"}]),
    _panel(5, "table", "Traces", [{"refId": "A"}]),
    _panel(6, "state-timeline", "States", [{"refId": "A", "legendFormat": "a task"}])
    | {"gridPos": {"x": 20, "y": 20, "w": 12, "h": 8}},  # out of the grid, with a gap above
)
TRACE: dict[str, Any] = {
    "traceID": "0af7651916cd43dd8448eb211c80319c",
    "processes": {"p1": {"serviceName": "airflow"}},
    "spans": [
        {
            "spanID": "2",
            "operationName": "task_instance extract",
            "references": [{"refType": "CHILD_OF", "spanID": "1"}],
            "startTime": START * 10**6 + 10**6,
            "duration": 10**6,
            "processID": "p1",
        },
        {
            "spanID": "1",
            "operationName": "dag_run flights",
            "references": [],
            "startTime": START * 10**6,
            "duration": 22 * 10**6,
            "processID": "p1",
        },
    ],
}
RESULTS: dict[str, Any] = {
    "board": "b",
    "from": START,
    "to": END,
    "variables": {"dag": "flights"},
    "panels": {
        "1": [{"refId": "A", "type": "vector", "result": [_vector({}, 5423)]}],
        "2": [{"refId": "A", "type": "matrix", "result": [_matrix({"__name__": "runs"} | FLIGHTS)]}],
        "3": [
            {"refId": "A", "type": "vector", "result": [_vector(FLIGHTS, 812)]},
            {"refId": "B", "type": "vector", "result": [_vector(FLIGHTS, 43)]},
        ],
        "5": [{"refId": "A", "type": "jaeger", "result": [TRACE]}],
        "6": [{"refId": "A", "type": "matrix", "result": [_matrix({})]}],
    },
}


def _draw(board: dict[str, Any], folder: Path) -> dict[str, Any]:
    (folder / "board.json").write_text(json.dumps(board))
    return draw.draw(folder / "board.json", RESULTS, folder / "board.png", width=1200)


def test_a_board_is_drawn_as_grafana_would(tmp_path: Path) -> None:
    """Units, legends, renamed columns, Jaeger's table and variables are on the page, and the PNG has its size."""
    drawn = _draw(BOARD, tmp_path)
    lines = [line.strip() for line in drawn["text"].splitlines() if line.strip()]
    text = " ".join(lines)
    assert "Oldest of flights" in lines
    assert "1.51 hours" in text
    assert "flights of airflow" in lines
    assert "__name__" not in text
    for name in ("Pipeline", "Runs", "Failed", "812", "43", "Trace ID", TRACE["traceID"], "airflow: dag_run flights"):
        assert name in lines, name
    assert "22 s" in lines
    assert not {"Time", "Value #A", "job"} & set(lines)
    assert "a task" in lines
    assert "plain stand-in" in text
    assert "not by Grafana" in text
    assert drawn["empty"] == ["4 Nothing"]
    assert drawn["moved"] == ["6 States"]
    assert lines.count("No data") == 1
    png = (tmp_path / "board.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (1200, drawn["height"])
    assert drawn["height"] > 3 * 8 * 30  # three rows of panels, each eight of Grafana's cells of 30 pixels high


def test_a_board_that_cannot_be_drawn_is_an_error(tmp_path: Path) -> None:
    """A panel without a place on the grid fails with what the page said, and leaves no picture."""
    astray = {key: value for key, value in BOARD["panels"][0].items() if key != "gridPos"}
    with pytest.raises(draw.DrawError, match="the page says"):
        _draw(_board(astray), tmp_path)
    assert not (tmp_path / "board.png").exists()
