"""How much a counter grew: exactly, over gaps, new series and restarts; by Prometheus' own test runner."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from support import backends, boards


if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.backends]

COUNTER = 'airflow_dag_run_count_total{airflow_dag_id="a",airflow_dag_run_state="failed",job="airflow"}'


def _failed_runs(range_seconds: int) -> str:
    """Return the query of the first number on the first board."""
    (board,) = (board for board in boards.boards() if board["uid"] == "dagtrace-health")
    (panel,) = (panel for panel in boards.panels(board) if panel["title"] == "Failed runs")
    everything = {"environment": ".*", "job": ".*"}
    return boards.put_in(panel["targets"][0]["expr"], everything, boards.Span(0, range_seconds), 60)


@pytest.mark.parametrize(
    ("values", "at", "over", "grown"),
    [
        ("0 0 0 2 2 2 5 5 5 5 5", 10, 600, 5),
        ("7 7 7 7 7 7 7 9 9 9 9", 10, 300, 2),
        ("1000x10 _x20 1001x10", 40, 600, 0),
        ("1000x10 _x20 1001 1001 1004x10", 43, 720, 3),
        ("_ _ _ 0 0 5 7 7 7 7 7", 10, 600, 7),
        ("4 4 4 4 4 0 1 1 1 1 1", 10, 360, 0),
        ("_x10", 10, 600, 0),
    ],
    ids=["from 0", "in the range", "after a gap", "after a gap and then", "new", "begun again", "nothing"],
)
def test_failed_runs(tmp_path: Path, values: str, at: int, over: int, grown: int) -> None:
    """Samples a minute apart, and what the board's *Failed runs* says of the last part of them."""
    check = {"expr": _failed_runs(over), "eval_time": f"{at}m", "exp_samples": [{"labels": "{}", "value": grown}]}
    given = {"interval": "1m", "input_series": [{"series": COUNTER, "values": values}], "promql_expr_test": [check]}
    file = tmp_path / "growth.yml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [given]}))
    command = [str(backends.binary("promtool")), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
