"""
Airflow 2's supervisor: ``airflow tasks run --local``, a process of its own for each try (LocalTaskJob).

It forks the task process, waits for it, and tells its ``execute`` where it was killed; see `supervisor`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace.airflow import compat, handover, runs, supervisor
from dagtrace.airflow.compat import states
from dagtrace.airflow.ends import End
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable


class _Child(NamedTuple):
    pid: int
    note: handover.Handover
    forked_ns: int


def around_start(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``StandardTaskRunner.start``, which forks the task process and keeps it as ``process``."""
    if _executes(instance):
        return wrapped(*args, **kwargs)
    forked_ns = time.time_ns()
    with handover.offered() as note:
        result = wrapped(*args, **kwargs)
    _adopt(instance, note, forked_ns)
    return result


@guarded
def _executes(runner: Any) -> bool:
    """Whether the task process is not a fork but a program of its own (``run_as_user``): no note reaches that."""
    return bool(runner.run_as_user)


@guarded
def _adopt(runner: Any, note: handover.Handover | None, forked_ns: int) -> None:
    if note is not None and runner.process is not None:
        runner._dagtrace = _Child(runner.process.pid, note, forked_ns)


def around_terminate(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``StandardTaskRunner.terminate``: where the database says that the try is over, so does its execution."""
    _note_state(instance)
    return wrapped(*args, **kwargs)


@guarded
def _note_state(runner: Any) -> None:
    child: _Child | None = getattr(runner, "_dagtrace", None)
    if child is not None and runner.process is not None and runner._task_instance.state != states.RUNNING:
        child.note.unwanted()


def around_job(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``LocalTaskJobRunner._execute``: when it is left, the task process has ended."""
    try:
        return wrapped(*args, **kwargs)
    finally:
        _tell(instance, time.time_ns())


@guarded
def _tell(job: Any, end_ns: int) -> None:
    runner: Any = getattr(job, "task_runner", None)
    child: _Child | None = getattr(runner, "_dagtrace", None)
    if child is not None:
        ti = job.task_instance
        end = End(child.pid, child.forked_ns, end_ns, int(runner._rc or 0))
        run = runs.identify(ti.dag_id, ti.run_id, *compat.start_and_conf(ti))
        supervisor.tell_end(ti, run, child.note, end)
