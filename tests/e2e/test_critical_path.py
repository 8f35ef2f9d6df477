"""The critical path on the span of a real run, against the rows of Airflow's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import read
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from support.cells import AIRFLOW
from support.metrics import totals
from support.runs import TRIES


if TYPE_CHECKING:
    from pathlib import Path

    from support.dag_test import InProcess

pytestmark = pytest.mark.real


@pytest.mark.skipif(AIRFLOW < (3,), reason="Airflow 2's `dags test` stores no start of a task, and no serialized DAG")
def test_a_run_says_what_decided_its_end(in_process: InProcess, tmp_path: Path) -> None:
    """
    Of a chain with a mapped task and a retry: the instance that ended last, both tries, and the seconds of each.

    They are counted by task, too. The last task was skipped, which the one before did while it ran.
    """
    done = in_process.test("small", DAGTRACE_HOME=str(tmp_path))
    (trace,) = [trace for trace in read(tmp_path) if trace.roots[0].span.name == "dag_run small"]
    span = trace.roots[0].span
    said: dict[str, Any] = dict(span.attributes)
    # Other tests' runs of the same DAG are in this database, too.
    rows = done.query(TRIES.format(dag_id="small", run_id=said[names.AIRFLOW_DAG_RUN_RUN_ID]))
    last = max((r for r in rows if r["task_id"] == "double"), key=lambda r: (r["end_date"], r["map_index"]))
    steps = [
        *(("numbers", -1, 1), ("double", last["map_index"], 1), ("flaky", -1, 1), ("flaky", -1, 2)),
        *(("traced", -1, 1), ("stop_here", -1, 1)),
    ]
    took = {
        (row["task_id"], row["map_index"], row["try_number"]): (row["end_date"] - row["start_date"]).total_seconds()
        for row in rows
    }
    assert said[names.AIRFLOW_CRITICAL_PATH_TRIES] == [
        *("numbers", f"double[{last['map_index']}]", "flaky", "flaky (try 2)", "traced", "stop_here")
    ]
    working = said[names.AIRFLOW_CRITICAL_PATH_WORKING]
    assert working == pytest.approx(sum(took[step] for step in steps), abs=1e-5)
    by_task: dict[tuple[str, ...], float] = {}
    for step in steps:
        by_task["small", step[0]] = by_task.get(("small", step[0]), 0) + took[step]
    counted = totals(tmp_path, metrics.AIRFLOW_CRITICAL_PATH_TIME.name, names.AIRFLOW_DAG_ID, names.AIRFLOW_TASK_ID)
    assert {key: seconds for key, seconds in counted.items() if seconds} == pytest.approx(by_task, abs=1e-5)
    waiting = said[names.AIRFLOW_CRITICAL_PATH_WAITING]
    assert working + waiting == pytest.approx((span.end_ns - span.start_ns) / 1e9, abs=1e-3)
    between = totals(tmp_path, metrics.AIRFLOW_CRITICAL_PATH_WAITING_TIME.name, names.AIRFLOW_DAG_ID)
    assert between == {("small",): pytest.approx(waiting, abs=1e-5)}
    slack = dict(
        zip(
            said[names.AIRFLOW_CRITICAL_PATH_OTHER_TRIES],
            said[names.AIRFLOW_CRITICAL_PATH_OTHER_SLACK],
            strict=True,
        )
    )
    expected = {
        f"double[{row['map_index']}]": (last["end_date"] - row["end_date"]).total_seconds()
        for row in rows
        if row["task_id"] == "double" and row is not last
    }
    assert {name: slack[name] for name in expected} == pytest.approx(expected, abs=1e-5)
