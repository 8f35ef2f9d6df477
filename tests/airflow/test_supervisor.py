"""What a supervisor remembers of its children, and what it tells of one that could not."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import telemetry
from dagtrace.airflow import handover, local_task_job, supervisor
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagtrace.airflow.handover import Handover
    from dagtrace.record import SpanRecord

START = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, fresh: Path) -> Iterator[list[SpanRecord]]:
    """Return the list that records are told into; the memory of children is empty before and after."""
    records: list[SpanRecord] = []
    monkeypatch.setattr(telemetry, "tell", records.append)
    supervisor._children.clear()
    supervisor._starts.clear()
    yield records
    supervisor._children.clear()
    supervisor._starts.clear()


def process(pid: int, code: int | None) -> Any:
    """Return what stands in for an ``ActivitySubprocess``."""
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1)
    return SimpleNamespace(pid=pid, id=f"ti-{pid}", ti=ti, _exit_code=code)


def fork(pid: int) -> Handover:
    """Fork a child as the wrapped supervisor does; return the note the child found."""
    notes: list[Handover | None] = []

    def start() -> Any:
        notes.append(handover.take())
        return process(pid, None)

    supervisor.around_fork(start, None, (), {})
    run = SimpleNamespace(dag_run=SimpleNamespace(dag_id="d", run_id="r", conf=None, start_date=START))
    supervisor.around_started(lambda *_: run, None, (f"ti-{pid}", pid, START), {})
    (note,) = notes
    assert note is not None
    return note


class RefusedError(Exception):
    """A heartbeat's answer that is none."""

    def __init__(self, status: int) -> None:
        self.response = SimpleNamespace(status_code=status)


def heartbeat(pid: int, status: int) -> None:
    """Send a heartbeat that is answered with an HTTP error, which reaches the supervisor as it is."""

    def refuse(*_: Any) -> None:
        raise RefusedError(status)

    with pytest.raises(RefusedError):
        supervisor.around_heartbeat(refuse, None, (f"ti-{pid}", pid), {})


def end(pid: int, code: int) -> None:
    """Let a child end."""
    supervisor.around_final_state(lambda: None, process(pid, code), (), {})


def test_a_child_learns_when_its_try_started(told: list[SpanRecord]) -> None:
    """What the supervisor says to the server, which the row will have: before that the note says nothing."""
    found: list[int] = []

    def start() -> Any:
        note = handover.take()
        assert note is not None
        found.append(note.started_ns())
        supervisor.around_started(lambda *_: found.append(note.started_ns()), None, ("ti", 7, START), {})
        return process(7, None)

    with pytest.raises(AttributeError):  # the stand-in's answer has no run
        supervisor.around_fork(start, None, (), {})
    assert found == [0, int(START.timestamp()) * 10**9]


def test_a_killed_child_is_told_and_forgotten(told: list[SpanRecord]) -> None:
    """Its supervisor names the signal; nothing of the child is kept."""
    fork(1).begin(time.time_ns(), "BashOperator")
    end(1, -9)
    (span,) = told
    assert (span.name, span.error) == ("execute BashOperator", "killed by SIGKILL")
    assert (span.attributes["error.type"], "dagtrace.async" in span.attributes) == ("SIGKILL", False)
    assert (len(supervisor._children), len(supervisor._starts)) == (0, 0)


def test_the_remote_job_of_a_killed_child_is_told(told: list[SpanRecord]) -> None:
    """What it had started elsewhere, and may go on there: its span from then until the child's end, and on execute."""
    note = fork(1)
    begun = time.time_ns()
    note.begin(begun, "LivyOperator")
    note.job(begun + 1, {names.REMOTE_JOB_SYSTEM: "livy", names.REMOTE_JOB_ID: "6"})
    job = {names.REMOTE_JOB_SYSTEM: "livy", names.REMOTE_JOB_ID: "7", names.REMOTE_JOB_STATE: "running"}
    note.job(begun + 2, job)
    note.job(begun + 3, {**job, names.REMOTE_JOB_URL: "https://" + "x" * 3_000})  # too long to share
    note.job(begun + 2, job)
    end(1, -9)
    execute, remote = told
    assert job.items() <= execute.attributes.items()
    assert (remote.name, remote.parent_id, remote.attributes) == ("remote_job livy", execute.span_id, job)
    assert (remote.start_ns, remote.end_ns, remote.error) == (begun + 2, execute.end_ns, None)


def test_a_child_that_never_began_is_told_from_its_start(told: list[SpanRecord]) -> None:
    """Its fork comes before the start of its try: what is told begins when the API server had said go."""
    before = time.time_ns()
    fork(1)
    end(1, -9)
    (span,) = told
    assert (span.name, before < span.start_ns <= span.end_ns) == ("execute", True)
    assert "airflow.task_instance.operator" not in span.attributes


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_child_whose_try_was_over_was_cancelled(told: list[SpanRecord], status: int) -> None:
    """The API server refused a heartbeat: the process was killed for that, which is no error, and outlived its try."""
    fork(1).begin(time.time_ns(), "BashOperator")
    heartbeat(1, status)
    end(1, -15)
    (span,) = told
    assert span.error is None
    assert "error.type" not in span.attributes
    assert (span.attributes["process.exit.signal"], span.attributes["dagtrace.async"]) == ("SIGTERM", True)


def test_a_child_that_had_reported_is_killed_for_its_callbacks(told: list[SpanRecord]) -> None:
    """Its task had ended, and the supervisor waits no longer for what follows: that is no error of the execution."""
    fork(1).begin(time.time_ns(), "BashOperator")
    killed = process(1, -9)
    killed._terminal_state = "success"
    supervisor.around_final_state(lambda: None, killed, (), {})
    (span,) = told
    assert (span.error, span.attributes["process.exit.signal"]) == (None, "SIGKILL")


@pytest.mark.parametrize("run_as_user", [None, "somebody"])
def test_airflow_2_makes_no_note_for_a_program_of_its_own(told: list[SpanRecord], run_as_user: str | None) -> None:
    """A task process that is executed anew (``run_as_user``) finds no note and tells its own: nothing is said twice."""
    runner = SimpleNamespace(run_as_user=run_as_user, process=SimpleNamespace(pid=1))
    found: list[Handover | None] = []
    local_task_job.around_start(lambda: found.append(handover.take()), runner, (), {})
    assert (found[0] is None, hasattr(runner, "_dagtrace")) == (run_as_user is not None, run_as_user is None)


def test_a_server_in_trouble_is_no_refusal(told: list[SpanRecord]) -> None:
    """An API server that answers with an error of its own says nothing of the try."""
    fork(1)
    heartbeat(1, 500)
    end(1, -9)
    assert [span.error for span in told] == ["killed by SIGKILL before its operator began"]


def test_a_child_knows_that_its_try_is_over(told: list[SpanRecord]) -> None:
    """The note is shared across a real fork: the child reads there what its supervisor was told, or that it is gone."""
    note = fork(1)
    answers: list[bytes] = []
    for act in (lambda: None, lambda: heartbeat(1, 409)):
        act()
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writable, b"1" if note.outlives() else b"0")
            finally:
                os._exit(0)  # never on into pytest
        os.waitpid(child, 0)
        answers.append(os.read(readable, 1))
        os.close(readable)
        os.close(writable)
    assert answers == [b"0", b"1"]


def test_memory_is_bounded_where_supervisors_raise(told: list[SpanRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that never learns of its child's end leaves no more than so many behind, and those the newest."""
    monkeypatch.setattr(supervisor._children, "most", 10)
    monkeypatch.setattr(supervisor._starts, "most", 10)
    for pid in range(1, 101):
        fork(pid)
    assert list(supervisor._children) == list(range(91, 101))
    assert list(supervisor._starts) == [f"ti-{pid}" for pid in range(91, 101)]
    end(100, -9)
    assert len(told) == 1
