"""A task process around a real operator: the patches are armed, ``execute`` runs as Airflow runs it."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.identity import SpanContext


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dagtrace.record import SpanRecord

# Before anything imports airflow: it makes its folder, and reads its configuration, at import.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "false")

T = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)

SECRETS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:hunter2-url@collector.example:4318/otlp?key=hunter2-query",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer hunter2-header",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-key=hunter2-header",
}
"""Set in every test: none of it may leave the machine."""


class Task:
    """Runs operators; each run is one try."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.records: list[SpanRecord] = []
        self.pushed: dict[str, Any] = {}
        monkeypatch.setattr(telemetry, "tell", self.records.append)
        monkeypatch.setattr(telemetry, "offer_user_provider", lambda: None)

    def _push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def _pull(self, *_: Any, **__: Any) -> None:
        """Find nothing."""

    def connect(self, conn_id: str, **fields: Any) -> None:
        """Define a connection."""
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    def run(self, operator: Any, method: str = "execute", **arguments: Any) -> Any:
        """Let Airflow's part around ``execute`` be what it is in a worker; what the operator raises passes."""
        return self.do(lambda context: getattr(operator, method)(context, **arguments), operator)

    def do(self, work: Callable[[Any], Any], task: Any = None, dag_id: str = "d") -> Any:
        """Let ``work`` be a task's ``execute``."""
        from airflow.sdk.bases.operator import ExecutorSafeguard

        from dagtrace.airflow import execution

        task = task or SimpleNamespace(task_type="Works")
        self.records.clear()
        ti: Any = SimpleNamespace(
            dag_id=dag_id, run_id="r", task_id="t", map_index=-1, try_number=1, state="running", end_date=None,
            task=task, _ti_context_from_server=SimpleNamespace(dag_run=SimpleNamespace(start_date=T, conf=None)),
            xcom_push=self._push, xcom_pull=self._pull,
            is_mapped=False, hostname="h", id="1", rendered_map_index=None, stats_tags={},
        )  # fmt: skip
        run = SimpleNamespace(run_id="r", logical_date=T, conf={}, dag_id=dag_id, run_type="manual", clear_number=0)
        dag = SimpleNamespace(dag_id=dag_id, tags=[], parent_dag=None, owner="o")
        context: dict[str, Any] = {
            "ti": ti, "task_instance": ti, "task": task, "run_id": "r", "dag_run": run, "dag": dag, "ds": "2026-11-22",
            "logical_date": T, "params": {}, "ts": T.isoformat(), "ts_nodash": "20261122T120000", "task_store": None,
            "outlet_events": {}, "try_number": 1, "map_index": -1,
        }  # fmt: skip

        def execute() -> Any:
            tracker: Any = ExecutorSafeguard.tracker
            tracker.set(task)
            return work(context)

        def around(*_: Any) -> Any:
            execution.around_execute(lambda *_: result.append(execute()), None, (context, None, task), {})

        result: list[Any] = []
        execution.around_task(around, None, (ti,), {})
        return result[0]

    @property
    def span(self) -> SpanRecord:
        """The last ``execute``."""
        return self.records[-1]

    @property
    def traceparent(self) -> str:
        """What the last ``execute`` had its children know."""
        return SpanContext(self.span.trace_id, self.span.span_id).traceparent

    def places(self, value: Any) -> Any:
        """Return a value with ``<context>`` where the last execution's context is."""
        text = json.dumps(value, default=str)
        assert self.traceparent in text, text
        return json.loads(text.replace(self.traceparent, "<context>"))

    @property
    def jobs(self) -> list[SpanRecord]:
        """The remote jobs that the last execution saw."""
        return [record for record in self.records if record.name.startswith("remote_job ")]

    def states(self) -> list[tuple[Any, Any]]:
        """Return (id, state) of each of the last execution's events about remote jobs."""
        found = [event.attributes for event in self.span.events if event.name == "remote_job"]
        return [(event.get("remote_job.id"), event.get("remote_job.state")) for event in found]


@pytest.fixture
def task(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    """Return what runs operators, with the table armed and secrets in the environment."""
    import airflow  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from dagtrace import submit

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    submit.watch()
    made = Task(monkeypatch)
    yield made
    assert "TRACEPARENT" not in os.environ


def assert_discreet(text: str) -> None:
    """Assert that nothing secret is in what left the machine."""
    assert "hunter2" not in text


def returning(value: Any) -> Callable[..., Any]:
    """Return a function that returns it, whatever it is called with."""

    def function(*_: Any, **__: Any) -> Any:
        return value

    return function


@pytest.fixture
def spark(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what stands for Spark's programs, with a local master."""
    from submit.spark_binaries import Ran

    task.connect("spark_default", conn_type="spark", host="local[2]")
    task.connect("spark_sql_default", conn_type="spark_sql", host="local[2]")
    return Ran(tmp_path, monkeypatch)
