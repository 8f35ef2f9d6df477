"""What went wrong, as a span says it: status message, ``error.type`` and the exception as an event, all masked."""

from __future__ import annotations

import signal
import traceback
from typing import TYPE_CHECKING, NamedTuple

from dagtrace.airflow import compat
from dagtrace.airflow.fingerprints import fingerprint, of_kind, plain_module
from dagtrace.masking import redact
from dagtrace.record import Event, Point, Value
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dagtrace.identity import SpanContext

_STACK_LIMIT = 8_000
"""Characters of a stack trace that are kept: its end, where the error is."""

_MESSAGE_LIMIT = 8_000


class Failure(NamedTuple):
    """The three places a failure goes to; all empty where nothing went wrong."""

    message: str | None
    events: tuple[Event, ...]
    attributes: dict[str, Value]


def failure_of(error: BaseException | None, time_ns: int) -> Failure:
    """Return what a span says of ``error``; control flow (deferral, skip …) and None are no failure."""
    if error is None or is_control_flow(error):
        return Failure(None, (), {})
    kind = qualified_name(type(error))
    message = redact(str(error)[:_MESSAGE_LIMIT])
    # Cut before masking, which costs time by length, and after it; generously before, so that no secret is cut in two
    # where it is kept.
    stack = "".join(traceback.format_exception(type(error), error, error.__traceback__))[-4 * _STACK_LIMIT :]
    event = Event(
        "exception",
        time_ns,
        {
            names.EXCEPTION_TYPE: kind,
            names.EXCEPTION_MESSAGE: message,
            names.EXCEPTION_STACKTRACE: redact(stack)[-_STACK_LIMIT:],
        },
    )
    attributes: dict[str, Value] = {names.ERROR_TYPE: kind, names.ERROR_FINGERPRINT: fingerprint(error, kind)}
    return Failure(message.partition("\n")[0] or kind, (event,), attributes)


def failed(kind: str) -> dict[str, Value]:
    """Return the attributes of a failure without an exception."""
    return {names.ERROR_TYPE: kind, names.ERROR_FINGERPRINT: of_kind(kind)}


def points(dag_id: str, attributes: Mapping[str, Value], span: SpanContext) -> list[Point]:
    """Return what is counted where a process tells this span with these attributes: its error, if there was one."""
    about = {key: attributes[key] for key in (names.ERROR_TYPE, names.ERROR_FINGERPRINT) if key in attributes}
    if not about:
        return []
    return [Point(metrics.AIRFLOW_TASK_INSTANCE_ERRORS, 1, {names.AIRFLOW_DAG_ID: dag_id, **about}, span)]


def is_control_flow(error: BaseException) -> bool:
    """Whether the exception says what comes next (deferral, reschedule, skip …) and nothing went wrong."""
    return _is_one_of(error, compat.CONTROL_FLOW)


def is_termination(error: BaseException | None) -> bool:
    """Whether the exception is what Airflow makes of a SIGTERM."""
    return _is_one_of(error, {compat.TERMINATED})


def triggers_dag_run(error: BaseException | None) -> bool:
    """Whether the exception asks Airflow to trigger a run: the work begins only now."""
    return _is_one_of(error, {compat.TRIGGERS_DAG_RUN})


def _is_one_of(error: BaseException | None, names: Collection[str]) -> bool:
    """By name, because importing the classes would import Airflow where nobody has yet."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def qualified_name(kind: type) -> str:
    """Return ``error.type``: the class with its module, builtins without; of a DAG file, the file's name alone."""
    module = plain_module(kind.__module__)
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def how_it_ended(code: int) -> str:
    """Return ``SIGKILL`` or ``exit code 3`` for an exit code as Python's subprocess gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
