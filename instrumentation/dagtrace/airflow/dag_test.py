"""
``dag.test()`` and ``airflow dags test``: one process is scheduler and worker, so it tells the whole run itself.

Such a run's start date is its logical date, the same again when the test is run again: a nonce keeps the traces apart,
and the root starts by the clock.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dagtrace import identity, telemetry
from dagtrace.options import options
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable

_NONCE = "_DAGTRACE_TEST_NONCE"
"""Carries the nonce to task processes an executor may fork (``use_executor=True``). Not for users."""


def nonce(dag_id: str) -> str:
    """Return the nonce of the test run this process belongs to, or an empty string."""
    value, _, of_dag = os.environ.get(_NONCE, "").partition(":")
    return value if of_dag == dag_id else ""


_at_work: list[tuple[Any, identity.SpanContext]] = []
"""The try that a test of this process began last: the trigger it waits for runs right after it, in the same thread."""


_began: dict[int, datetime] = {}
"""By the span id of a try, when its first execution began: the database gets a test's dates late, or not at all."""


def remember(ti: Any, parent: identity.SpanContext, start_ns: int) -> None:
    """Take note of a try that begins to execute; outside of ``dag.test()`` nobody will ask."""
    if nonce(ti.dag_id):
        _at_work[:] = [(ti, parent)]
        _began.setdefault(parent.span_id, datetime.fromtimestamp(start_ns // 1_000 / 1e6, timezone.utc))


def began(span_id: int) -> datetime | None:
    """Return when a try of this process's test began to execute, to the microsecond; None of any other."""
    return _began.get(span_id)


def at_work() -> tuple[Any, identity.SpanContext] | None:
    """Return the task instance that began last and the span of its try, None where it is not traced."""
    return _at_work[0] if _at_work else None


def around_test(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``DAG.test``: mark the run, let it happen, tell it."""
    if not _traced(instance):
        return wrapped(*args, **kwargs)
    start_ns, mark, before = time.time_ns(), uuid.uuid4().hex, os.environ.get(_NONCE)
    os.environ[_NONCE] = f"{mark}:{instance.dag_id}"
    try:
        run = wrapped(*args, **kwargs)
        _tell(run, mark, start_ns)
        return run
    finally:
        _at_work.clear()
        _began.clear()
        if before is None:
            os.environ.pop(_NONCE, None)
        else:
            os.environ[_NONCE] = before


@guarded
def _traced(dag: Any) -> bool:
    if options().traces(dag.dag_id):
        telemetry.describe("airflow")
        return True
    return False


@guarded
def _tell(run: Any, mark: str, start_ns: int) -> None:
    from dagtrace.airflow.scheduler import tell_test

    tell_test((run.dag_id, run.run_id), mark, start_ns)
