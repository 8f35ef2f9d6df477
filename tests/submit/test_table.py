"""The table itself: its page, its targets, users' own rows, and that nothing of it may be in the user's way."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

from dagtrace import submit
from dagtrace.submit import coverage, table, wrapping
from dagtrace.submit.call import argument, attribute, result
from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import environment, spark_conf
from dagtrace.submit.table import ROWS, Row
from dagtrace.telemetry import guard
from submit.conftest import returning


if TYPE_CHECKING:
    from submit.conftest import Task


def test_the_page_is_current() -> None:
    """docs/coverage.md is what the table says: ``python -m dagtrace.submit.coverage``."""
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.render()


OLDER = (
    *("airflow.operators.bash:", "airflow.operators.python:"),  # Airflow 2
    "airflow.providers.standard.operators.python:execute_in_subprocess",  # before 1.9
)


@pytest.mark.parametrize("target", sorted({row.target for row in ROWS if not row.target.startswith(OLDER)}))
def test_each_target_is_there(target: str) -> None:
    """Every function that a row names is in the newest provider, but those of older versions."""
    module, _, names = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    assert callable(found)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of somebody's own with a hook that starts something."""
    module: Any = ModuleType("acme")

    class Hook:
        """Starts something."""

        settings: dict[str, str] | None = None

        def start(self, conf: dict[str, str], *, fails: bool = False) -> dict[str, Any]:
            """Return what it was given."""
            if fails:
                raise ConnectionError("theirs")
            return {"conf": conf, "settings": self.settings, "env": {}}

    module.Hook = Hook
    monkeypatch.setitem(sys.modules, "acme", module)
    monkeypatch.setattr(wrapping, "_armed", {})
    monkeypatch.setattr("dagtrace.patch._applied", set[tuple[str, str]]())
    table.users_rows.cache_clear()
    yield module
    table.users_rows.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, acme: Any, rows: Any) -> None:
    """Let a package have registered its rows."""
    acme.ROWS = rows
    points = [EntryPoint("acme", "acme:ROWS", table.GROUP), EntryPoint("bad", "nowhere:ROWS", table.GROUP)]
    monkeypatch.setattr("importlib.metadata.entry_points", returning(points))


def test_users_rows(task: Task, acme: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A row from an entry point is as good as one of ours; one that cannot be loaded is one warning."""
    rows = [
        Row("Acme", "acme:Hook.start", argument(conf=spark_conf), "Spark conf", returning(Fact("acme", 1))),
        Row("Acme", "acme:Hook.start", attribute(settings=environment)),
        Row("Acme", "acme:Hook.start", result(lambda given, carrier: {**given, "env": carrier.environment})),
    ]
    install(monkeypatch, acme, rows)
    hook = acme.Hook()
    hook.settings = {"a": "1"}
    for _ in range(2):
        seen = task.run(PythonOperator(task_id="t", python_callable=lambda: hook.start({"spark.x": "1"})))
        assert task.places(seen) == {
            "conf": {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"},
            "settings": {"TRACEPARENT": "<context>", "a": "1"},
            "env": {"TRACEPARENT": "<context>"},
        }
        assert task.span.attributes["remote_job.system"] == "acme"
    assert hook.settings == {"a": "1"}
    assert caplog.text.count("rows of nowhere:ROWS are ignored") == 1


def test_the_users_exception_passes(task: Task, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the wrapped call raises passes as it is, and the hook has its own attribute again."""
    install(monkeypatch, acme, [Row("Acme", "acme:Hook.start", attribute(settings=environment))])
    hook = acme.Hook()
    with pytest.raises(ConnectionError, match="theirs"):
        task.run(PythonOperator(task_id="t", python_callable=lambda: hook.start({}, fails=True)))
    assert hook.settings is None


def test_a_row_that_fails_is_not_in_the_way(task: Task, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a row is swallowed and counted: the call is made once, as the user wrote it."""

    def fail(*_: Any) -> Any:
        raise ValueError("ours")

    rows = [Row("A", "acme:Hook.start", argument(conf=fail)), Row("B", "acme:Hook.start", result(fail), "", fail)]
    install(monkeypatch, acme, rows)
    swallowed: list[str] = []

    def swallow(edge: str, error: Exception) -> None:
        swallowed.append(edge)

    monkeypatch.setattr(guard, "swallow", swallow)
    seen = task.run(PythonOperator(task_id="t", python_callable=lambda: acme.Hook().start({"a": "1"})))
    assert seen == {"conf": {"a": "1"}, "settings": None, "env": {}}
    assert swallowed


def test_outside_of_a_task_nothing_is_changed(task: Task, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a scheduler, a DAG file or a notebook a hook's call is what it was."""
    install(monkeypatch, acme, [Row("Acme", "acme:Hook.start", argument(conf=spark_conf))])
    submit.ready()
    assert acme.Hook().start({}) == {"conf": {}, "settings": None, "env": {}}


def test_trigger_dag_run_has_nothing_in_its_conf(task: Task) -> None:
    """A triggered run's conf is the user's own; the scheduler links the runs from the database (docs/adr/0003)."""
    from airflow.sdk.exceptions import DagRunTriggerException

    with pytest.raises(DagRunTriggerException) as raised:
        task.run(TriggerDagRunOperator(task_id="t", trigger_dag_id="other", conf={"mine": 1}))
    assert vars(raised.value)["conf"] == {"mine": 1}
