"""
Airflow's own tracing, where it is on (``[traces] otel_on``), and a foreign provider that would turn it on.

Airflow 3.2 and later trace through whatever TracerProvider is global: their own, or a foreign one such as
``opentelemetry-instrument``'s, where all their spans are orphans. With ``DAGTRACE_NATIVE=replace`` the provider stays
and keeps exporting what user code traces; it only hands Airflow's modules a tracer that does nothing.

With ``keep`` Airflow's spans stay, and ours hang below its run's: its carriers (``context_carrier``) say in which trace
and whether it is sampled. Why and what that cannot mend: docs/adr/0004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from dagtrace.airflow import compat
from dagtrace.identity import SpanContext
from dagtrace.options import options
from dagtrace.telemetry.guard import guarded, warn_once


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_kept = False
"""Whether this Airflow traces itself, and is to go on; the same in all its processes."""

_readers_turn = False
"""Whether the reader of this process sees every run that ends from here on."""


def around_configure(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``configure_otel``, which sets Airflow's provider, where that happens after the import of airflow."""
    result = wrapped(*args, **kwargs)
    begin()
    return result


def around_tracer(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``get_otel_tracer``, which makes Airflow's own tracer before 3.2: return the one that does nothing."""
    nothing = _no_tracer()
    return wrapped(*args, **kwargs) if nothing is None else nothing


@guarded
def _no_tracer() -> Any:
    return compat.no_tracer() if options().native == "replace" else None


@guarded
def begin() -> None:
    """Settle with whatever has set the global provider by now: Airflow at its import, or somebody before it."""
    global _kept  # noqa: PLW0603 - a fact about this process
    _kept = options().native == "keep" and compat.traces_itself()
    if _kept:
        _adopt(trace.get_tracer_provider())
    else:
        silence()


def _adopt(provider: Any) -> None:
    """Give a foreign provider Airflow's generator of ids, without which all of Airflow's spans are orphans."""
    try:
        provider.id_generator = compat.id_generator()
    except AttributeError:
        warn_once("native", "%s takes no ids from Airflow: its own spans are orphans", type(provider).__name__)


@guarded
def silence() -> None:
    """Let the global provider, if somebody has set one, give Airflow's scopes a tracer that does nothing."""
    provider: Any = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return
    get_tracer = provider.get_tracer
    if getattr(get_tracer, "_dagtrace", False):
        return

    def get_user_tracer(instrumenting_module_name: str, *args: Any, **kwargs: Any) -> trace.Tracer:
        if instrumenting_module_name.partition(".")[0] == "airflow":
            return trace.NoOpTracer()
        return get_tracer(instrumenting_module_name, *args, **kwargs)

    get_user_tracer._dagtrace = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    try:
        provider.get_tracer = get_user_tracer
    except AttributeError:
        warn_once(
            "native",
            "%s cannot be kept from Airflow's own spans: runs and tasks appear twice; set [traces] otel_on=False",
            type(provider).__name__,
        )


def columns() -> tuple[str, ...]:
    """Return where rows have Airflow's own trace, while that is kept."""
    return ("context_carrier",) if _kept else ()


def kept(carrier: Mapping[str, str] | None) -> SpanContext | None:
    """Return the span of Airflow's own that ``context_carrier`` names, or None where its spans are not kept."""
    return SpanContext.parse((carrier or {}).get("traceparent")) if _kept else None


_test_carrier: Mapping[str, str] | None = None
"""Of the task that ``dag.test()`` runs in this process, which is not sent its carrier."""


def around_test_task(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``_run_task(ti=…)``, by which ``dag.test()`` runs one task."""
    _take_carrier(kwargs.get("ti"))
    return wrapped(*args, **kwargs)


@guarded
def _take_carrier(ti: Any) -> None:
    global _test_carrier  # noqa: PLW0603 - one task at a time
    _test_carrier = ti.context_carrier if _kept else None


def kept_of(ti: Any) -> SpanContext | None:
    """Return the span of Airflow's own that a task instance belongs to, in the process that runs or watches it."""
    return kept(getattr(ti, "context_carrier", None) or _test_carrier)


def state() -> trace.TraceState | None:
    """Return what Airflow's current span passes on to its children: the level of detail the run asked for."""
    return trace.get_current_span().get_span_context().trace_state if _kept else None


@guarded
def tell_run(dag_id: str, run_id: str) -> None:
    """Have Airflow tell its own span of a run that has ended, where it has not done so by itself."""
    if _readers_turn:
        compat.tell_native_run(dag_id, run_id)


def leave_runs_to_the_reader(*, turn: bool) -> None:
    """Say whether the reader will have Airflow's span of every run that ends from here on told."""
    global _readers_turn  # noqa: PLW0603 - one reader per process
    _readers_turn = turn


def around_run_span(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Wrap ``DagRun._emit_dagrun_span``: leave it to the reader.

    Airflow calls it only where its scheduler ends a run; one that is marked by hand, times out or belongs to a
    cancelled backfill would have no root, and ours no parent.
    """
    return None if _is_the_readers(instance) else wrapped(*args, **kwargs)


@guarded
def _is_the_readers(run: Any) -> bool:
    return _readers_turn and kept(run.context_carrier) is not None and options().traces(run.dag_id)
