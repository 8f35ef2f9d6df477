"""
Real Airflow and real Spark, told to a real collector, real Jaeger and Prometheus, and alerts that reach a webhook.

``gateway.yaml``, as it is for production. Jaeger is away at first, and the collector and the scheduler are restarted
before it comes: what was taken then waits on disk. The same DAGs run before and after, so each counts twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.airflow import Airflow, free_port, warnings_of_ours
from support.runs import TRIES
from support.stack import PORTS, Stack
from support.telling import Jaeger, Prometheus, drained


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.sink import Sink
    from support.webhook import Webhook

BOTH = ("before", "after")
AROUND = ("small", "flights", "applications")
"""DAGs that run on both sides of the restarts."""

HOURS = 2
"""How long the run of hours has been going on, as its row says."""


@dataclass
class Told:
    """What was run, and who was told."""

    folder: Path
    airflow: Airflow
    stack: Stack
    jaeger: Jaeger
    prometheus: Prometheus
    query: Callable[..., list[dict[str, Any]]]
    logs: Sink
    morning: Path
    """Folder of the DAGs in ``morning.py``."""
    hook: Webhook
    """Where Alertmanager sends."""
    began: float
    """When it began, seconds since 1970."""

    def trace_id(self, dag_id: str, run_id: str) -> str:
        """Return a run's trace id as a task's own log has it."""
        task = {"small": "traced", "flights": "check", "hours": "second"}[dag_id]
        (trace_id,) = {line["trace_id"] for line in self.lines(dag_id, run_id, task) if "trace_id" in line}
        return trace_id

    def lines(self, dag_id: str, run_id: str, task_id: str) -> list[dict[str, str]]:
        """Return a task's log."""
        log = self.folder / f"airflow/logs/dag_id={dag_id}/run_id={run_id}/task_id={task_id}/attempt=1.log"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def tries(self, dag_id: str, *run_ids: str) -> list[dict[str, Any]]:
        """Return every try of some runs, as the database has it."""
        wanted = run_ids or BOTH
        return [row for run_id in wanted for row in self.query(TRIES.format(dag_id=dag_id, run_id=run_id))]


def telling(folder: Path, dags: Path, database: str, logs: Sink, hook: Webhook) -> Iterator[Told]:
    """Run everything, and wait until the collector has passed it all on."""
    began = time.time()
    env = {
        "DAGTRACE_HOME": str(folder / "written"),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "DAGTRACE_LOGS_ENDPOINT": logs.url,
    }
    files = ["gateway.yaml", "files.yaml", "logs.yaml"]
    stack = Stack(folder / "stack", files, {name: free_port() for name in PORTS}, env, webhook=hook.url)
    morning = folder / "morning"
    morning.mkdir()
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "FLIGHTS_HOME": str(folder / "data"),
        "MORNING_HOME": str(morning),
        "NUMBERS_HOME": str(morning),
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.urls["otlp"],
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",  # for lines with trace ids
        "DAGTRACE_FLUSH_TIMEOUT": "60",  # a machine that is busy with many tests would lose spans in 2 s
    }
    airflow = Airflow(folder, database, **settings)
    try:
        for name in ("prometheus", "alertmanager", "otelcol"):
            stack.start(name)
        with airflow:
            airflow.start("dag-processor")
            _run(airflow, "before", "many")
            airflow.stop("scheduler")
            stack.stop("otelcol")
            stack.start("otelcol")
            stack.start("jaeger")
            airflow.start("scheduler")
            _begin_hours_ago(airflow)
            _run(airflow, "after", "hours")
            assert warnings_of_ours(airflow.log("scheduler")) == []
            drained(stack)
            jaeger, prometheus = Jaeger(stack.urls["jaeger"]), Prometheus(stack.urls["prometheus"])
            yield Told(folder, airflow, stack, jaeger, prometheus, airflow.query, logs, morning, hook, began)
        assert stack.ended() == []
    finally:
        stack.__exit__()


def _run(airflow: Airflow, run_id: str, *more: str) -> None:
    """Run the DAGs that are on both sides, and these."""
    for dag_id in AROUND:
        airflow.trigger(dag_id, run_id)
    for dag_id in more:
        if dag_id != "hours":
            airflow.trigger(dag_id, run_id)
    for dag_id in (*AROUND, *more):
        assert airflow.wait(dag_id, run_id, timeout=900) == ("failed" if dag_id == "many" else "success")


def _begin_hours_ago(airflow: Airflow) -> None:
    """Make a run, have its row say that it began hours ago, which Airflow leaves where it is set, and let it run."""
    airflow.trigger("hours", "after")
    earlier = f"interval '{HOURS} hours'"
    changed = airflow.query(
        f"update dag_run set queued_at = queued_at - {earlier}, start_date = queued_at - {earlier}"  # noqa: S608
        " where dag_id = %s and state = 'queued' returning run_id",
        "hours",
    )
    assert [row["run_id"] for row in changed] == ["after"]
    airflow.command("dags", "unpause", "hours", "--yes")
