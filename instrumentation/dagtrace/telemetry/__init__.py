"""
The room that tells: spans and measurements go in, OTLP goes out. Nothing here knows Airflow or Spark.

The functions below are all that other rooms use. They return at once, may be called from any thread, and build what
they need (the OTel SDK, an exporter, one daemon thread) on first use in each process, so that a process which never has
anything to tell never pays for it and a forked child never touches what its parent had.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from dagtrace.identity import SpanContext
    from dagtrace.record import Point, SpanRecord
    from dagtrace.telemetry.mute import Mute
    from dagtrace.telemetry.pipeline import Pipeline

_lock = threading.Lock()
_pipeline: Pipeline | Mute | None = None
_described: dict[str, Any] = {}


def describe(service: str, component: str | None = None, *, lasting: bool = False) -> None:
    """
    Name this process: the default ``service.name`` and which component of it this is. The first call wins.

    ``lasting`` says that it lives as long as its counters should, so that they may be cumulative.
    ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` go over both names.
    """
    if not _described:
        _described.update(service=service, component=component, lasting=lasting)


@guarded
def tell(*records: SpanRecord) -> None:
    """Queue finished spans for delivery; a full queue drops the newest and counts them."""
    current().put(records)


@guarded
def measure(*points: Point) -> None:
    """Add measurements to their instruments."""
    current().meter.record(points)


@guarded
def show(*points: Point) -> None:
    """Replace all levels of this process by these gauges: those that are not among them are told no longer."""
    if points or _pipeline is not None:
        current().meter.show(points)


def sampled(trace_id: int, parent: SpanContext | None = None) -> bool:
    """
    Return the sampler's verdict (``OTEL_TRACES_SAMPLER``) on a trace.

    It depends on the trace id alone, and on the verdict of a ``parent`` outside where there is one, so all agree.
    """
    return bool(_sampled(trace_id, parent))


@guarded
def _sampled(trace_id: int, parent: SpanContext | None) -> bool:
    return current().samples(trace_id, parent)


def flush(timeout: float | None = None) -> bool:
    """
    Deliver what is queued, all signals together, within ``timeout`` seconds or what is left of the exit budget.

    Return whether everything went out. Where it did not, the wait counts against the budget, so that a second and a
    third flush at the end of a process (Airflow's, the interpreter's) do not each wait again.
    """
    return _pipeline is None or bool(_flush(timeout))


@guarded
def _flush(timeout: float | None) -> bool:
    return current().flush(timeout)


def hurry() -> None:
    """Deliver what is queued now rather than within ``OTEL_BSP_SCHEDULE_DELAY``; returns at once."""
    if _pipeline is not None:
        _hurry()


@guarded
def _hurry() -> None:
    current().hurry()


def budget() -> float:
    """Return the seconds left of ``DAGTRACE_FLUSH_TIMEOUT`` in this process, never less than 0."""
    return max(0.0, current().budget)


def spend(seconds: float) -> None:
    """Take ``seconds`` off the exit budget: another room waited at the end, too."""
    current().budget -= seconds


def current() -> Pipeline | Mute:
    """Return this process's pipeline, made on first use; where that fails, one warning and a mute one from then on."""
    global _pipeline  # noqa: PLW0603 - one per process is what it is
    if _pipeline is None:
        with _lock:
            if _pipeline is None:
                _pipeline = _build()
    return _pipeline


def _build() -> Pipeline | Mute:
    try:
        from dagtrace.options import options
        from dagtrace.telemetry.pipeline import Pipeline

        made = Pipeline(options(), **_described)
    except Exception as error:  # noqa: BLE001 - OTEL_EXPORTER_OTLP_TIMEOUT=abc: the SDK's own exporters raise on it
        from dagtrace.telemetry.mute import Mute, say_off

        say_off(error)
        return Mute()
    import atexit

    # Registered in the process that speaks: Airflow 3 clears its children's inherited handlers after the fork and runs
    # those of the child itself before it ends in os._exit.
    atexit.register(flush)
    return made


@guarded
def offer_user_provider() -> None:
    """Take the spans of user code and other instrumentations too, where nobody else owns the global TracerProvider."""
    resource = current().resource
    if resource is not None:
        from dagtrace.telemetry.spans import offer_user_provider as offer

        offer(resource)


def preload() -> None:
    """Import what delivery needs, so that processes forked from this one find it in memory (105 ms each otherwise)."""
    try:
        from dagtrace.options import options
        from dagtrace.telemetry import pipeline as module

        module.preload(options())
    except Exception as error:  # noqa: BLE001 - what building a pipeline would say, said where the variables are set
        from dagtrace.telemetry.mute import say_off

        say_off(error)


def _forget() -> None:
    """In a forked child: drop the parent's pipeline; its thread is not here, its queue and locks are not ours."""
    global _pipeline, _lock
    _pipeline, _lock = None, threading.Lock()
    _described.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
