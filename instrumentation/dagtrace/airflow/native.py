"""
Airflow's own tracing, where it is on: its scopes are silenced, our spans stand for them (``DAGTRACE_NATIVE=replace``).

Airflow 3.2 and later trace through whatever TracerProvider is global: their own (``[traces] otel_on``), or a foreign
one such as ``opentelemetry-instrument``'s, where all their spans are orphans. The provider stays and keeps exporting
what user code traces; it only hands Airflow's modules a tracer that does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from dagtrace.options import options
from dagtrace.telemetry.guard import guarded, warn_once


if TYPE_CHECKING:
    from collections.abc import Callable


def around_configure(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``configure_otel``, which sets Airflow's provider at the import of airflow in every process."""
    result = wrapped(*args, **kwargs)
    silence()
    return result


@guarded
def silence() -> None:
    """Let the global provider, if somebody has set one, give Airflow's scopes a tracer that does nothing."""
    provider: Any = trace.get_tracer_provider()
    if options().native != "replace" or isinstance(provider, trace.ProxyTracerProvider):
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
