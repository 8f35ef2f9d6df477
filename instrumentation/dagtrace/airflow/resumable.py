"""
What a try did about the external job of the try before it: on its ``execute`` span (Airflow 3.3's resumable jobs).

``ResumableJobMixin`` says so on a span of Airflow's own, ``resumable_job.resume_decision``, which is silenced where
ours stand for Airflow's. Its attributes are kept, under their own names, on the execution that decided.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from dagtrace.airflow.current import CurrentSpan
from dagtrace.masking import redact
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_OURS = "resumable."


def around_decision(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``start_as_current_span`` of the mixin's tracer, which it uses for the decision only."""
    manager = wrapped(*args, **kwargs)
    execution = trace.get_current_span()
    return _mirrored(manager, execution) if isinstance(execution, CurrentSpan) else manager


@contextmanager
def _mirrored(manager: Any, execution: CurrentSpan) -> Generator[_Both]:
    with manager as span:
        yield _Both(span, execution)


class _Both:
    """Airflow's span, and what is said to it said to ours as well."""

    def __init__(self, span: Any, execution: CurrentSpan) -> None:
        self._span = span
        self._execution = execution

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def set_attribute(self, key: str, value: Any) -> None:
        """Keep one fact of the decision."""
        self._span.set_attribute(key, value)
        self._keep(key, value)

    @guarded
    def _keep(self, key: str, value: Any) -> None:
        if key.startswith(_OURS):
            self._execution.set_attribute(key, redact(str(value)))
