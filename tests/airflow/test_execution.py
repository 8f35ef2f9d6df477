"""What the task process tells: one execution for what Airflow did with a task, with what failed it, if anything."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import identity, telemetry
from dagtrace.airflow import compat, execution, handover, pulls
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dagtrace.record import SpanRecord

T = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


class AirflowTaskTerminated(Exception):  # noqa: N818 - Airflow's name: that is what it is known by
    """Stands in for Airflow's."""


class TaskDeferred(BaseException):
    """Stands in for Airflow's."""


@pytest.fixture
def told(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[SpanRecord]]:
    """Return the list that records are told into; no task is at work before and after."""
    records: list[SpanRecord] = []
    monkeypatch.setattr(telemetry, "tell", records.append)
    monkeypatch.setattr(telemetry, "offer_user_provider", lambda: None)
    monkeypatch.setattr(compat, "mask_as_airflow", str)
    yield records
    assert execution._at_work == []


def a_ti(dag_id: str = "d", **changes: Any) -> Any:
    """Return a task instance as Airflow 3's task process has it."""
    run = SimpleNamespace(start_date=T, conf=None)
    known: dict[str, Any] = {"run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "state": "running"}
    known["end_date"] = None
    known |= {"task": SimpleNamespace(task_type="Works"), "_ti_context_from_server": SimpleNamespace(dag_run=run)}
    return SimpleNamespace(dag_id=dag_id, **{**known, **changes})


def execute(ti: Any, work: Callable[[], Any]) -> Any:
    """Let ``work`` be the task's ``execute``."""
    return execution.around_execute(lambda *_: work(), None, ({"ti": ti}, None, ti.task), {})


def run(ti: Any, work: Callable[[], Any]) -> Any:
    """Let ``work`` be what Airflow does with the task; it returns what Airflow 3's ``run`` does, or raises."""
    return execution.around_task(lambda *_: work(), None, (ti, None, None), {})


def returning(error: BaseException | None, *before: Callable[[], Any]) -> Callable[[], Any]:
    """Return what does things and then ends as Airflow 3's ``run`` does that has caught an error."""

    def work() -> Any:
        for step in before:
            step()
        return "state", None, error

    return work


def fail(error: BaseException) -> Callable[[], Any]:
    """Return what raises, as Airflow's own ``try`` would see and swallow it."""

    def work() -> Any:
        raise error

    return work


def swallowed(step: Callable[[], Any]) -> Callable[[], Any]:
    """Return a step whose exception Airflow handles."""

    def work() -> None:
        with pytest.raises(BaseException):  # noqa: B017, PT011
            step()

    return work


def test_an_execution_is_told_once_when_all_is_done(told: list[SpanRecord]) -> None:
    """It ends with ``execute``, and is told after Airflow has pushed what that returned."""
    ti = a_ti()
    run(ti, returning(None, lambda: execute(ti, lambda: 1), lambda: told.append(None)))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    marker, span = told
    assert (marker, span.name, span.error) == (None, "execute Works", None)


def test_a_template_that_fails_is_an_execution_that_failed(told: list[SpanRecord]) -> None:
    """Nothing was executed, yet somebody has to say why; it ends with its try, not with the callbacks after that."""
    now = datetime.now(timezone.utc)
    run(a_ti(end_date=now + timedelta(seconds=5)), returning(ZeroDivisionError("in a template")))
    (span,) = told
    assert (span.name, span.error) == ("execute Works", "in a template")
    assert span.end_ns == identity.nanoseconds(now + timedelta(seconds=5))
    assert [event.time_ns for event in span.events] == [span.end_ns]


def test_an_xcom_that_fails_is_the_executions_error(told: list[SpanRecord]) -> None:
    """``execute`` went well, its result could not be pushed: within the span's time, the error is on it."""
    ti = a_ti()
    run(ti, returning(TypeError("no JSON"), lambda: execute(ti, object)))
    (span,) = told
    assert (span.error, span.attributes[names.ERROR_TYPE]) == ("no JSON", "TypeError")
    assert [event.time_ns for event in span.events] == [span.end_ns]


def test_what_execute_raised_comes_first(told: list[SpanRecord]) -> None:
    """Airflow wraps some errors (SystemExit) in others: the first one is told."""
    ti = a_ti()
    run(ti, returning(RuntimeError("wrapped"), swallowed(lambda: execute(ti, fail(SystemExit(3))))))
    (span,) = told
    assert span.attributes[names.ERROR_TYPE] == "SystemExit"


def test_control_flow_is_no_error_wherever_it_comes_from(told: list[SpanRecord]) -> None:
    """A deferral of ``execute``, and one that Airflow 2's ``dag.test()`` raises on, is a span without an error."""
    ti = a_ti()
    with pytest.raises(TaskDeferred):
        run(ti, lambda: execute(ti, fail(TaskDeferred())))
    (span,) = told
    assert span.error is None


def test_a_dag_that_is_left_out_tells_nothing(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where it executes nor where it fails before."""
    monkeypatch.setenv("DAGTRACE_EXCLUDE", "secret")
    ti = a_ti("secret")
    run(ti, returning(None, lambda: execute(ti, lambda: 1)))
    run(ti, returning(ValueError("before")))
    assert told == []


@pytest.mark.parametrize("within", [True, False])
def test_a_task_that_is_terminated_because_its_try_is_over_was_cancelled(
    told: list[SpanRecord], *, within: bool
) -> None:
    """Airflow 2 makes an exception of the signal, in ``execute`` or outside of it: no error, but the signal's name."""
    ti = a_ti()
    with handover.offered() as note:
        assert note is not None
        note.unwanted()
        error = AirflowTaskTerminated("Task received SIGTERM signal")
        work = swallowed(lambda: execute(ti, fail(error))) if within else lambda: execute(ti, lambda: 1)
        run(ti, returning(error, work))
    (span,) = told
    assert (span.error, span.attributes[names.PROCESS_EXIT_SIGNAL]) == (None, "SIGTERM")
    assert span.attributes[names.DAGTRACE_ASYNC] is True


def test_a_task_that_somebody_else_terminates_has_failed(told: list[SpanRecord]) -> None:
    """Nobody has said that its try is over."""
    ti = a_ti()
    with handover.offered():
        run(ti, returning(None, swallowed(lambda: execute(ti, fail(AirflowTaskTerminated("SIGTERM"))))))
    (span,) = told
    assert span.error == "SIGTERM"


def test_a_dag_tested_within_a_task(told: list[SpanRecord]) -> None:
    """The inner task's pulls and end are its own; the note to the supervisor stays the outer one's."""
    outer, inner = a_ti(), a_ti("inner", task=SimpleNamespace(task_type="Inner"))
    source = {"dag_id": "d", "run_id": "r", "task_id": "above", "key": "k"}

    def nested() -> None:
        pulls._note(source, 1)
        run(inner, returning(None, lambda: execute(inner, lambda: 1)))

    with handover.offered() as note:
        assert note is not None
        run(outer, returning(None, lambda: execute(outer, nested)))
        assert note.read().operator == "Works"
    first, second = told
    assert (first.name, len(first.events), second.name, len(second.events)) == ("execute Inner", 0, "execute Works", 1)


def test_what_fails_after_a_success_in_airflow_2(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """There a listener's exception leaves Airflow's function when the success is in the database: no task failed."""

    def nothing(*_: object, **__: object) -> tuple[datetime, None]:
        return T, None

    monkeypatch.setattr("dagtrace.airflow.compat.TASK_SDK", False)
    for name in ("bind_to_logs", "unbind_from_logs", "start_and_conf"):
        monkeypatch.setattr(compat, name, nothing)
    ti = a_ti(state="success")
    with pytest.raises(RuntimeError, match="a listener"):
        run(ti, fail(RuntimeError("a listener")))
    assert told == []


def test_the_users_exception_passes(told: list[SpanRecord]) -> None:
    """Outside of pytest as well, where an error of ours is swallowed."""
    ti = a_ti()
    error = KeyError("theirs")
    with pytest.raises(KeyError) as raised:
        run(ti, lambda: execute(ti, fail(error)))
    assert raised.value is error
    assert "pytest" in sys.modules
