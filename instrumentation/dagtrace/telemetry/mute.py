"""What stands in for the pipeline where it cannot be built: it takes everything and tells nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dagtrace.masking import mask
from dagtrace.telemetry import guard


if TYPE_CHECKING:
    from collections.abc import Iterable

    from dagtrace.identity import SpanContext


class Mute:
    """
    A pipeline without an end, for this process's life: building is not tried again at each call.

    It imports nothing of the SDK, whose import may be what failed.
    """

    resource = None
    budget = 0.0

    @property
    def meter(self) -> Mute:
        """Instruments of nothing."""
        return self

    def samples(self, trace_id: int, parent: SpanContext | None = None) -> bool:
        """Take no trace: nobody will ever see it."""
        return False

    def put(self, records: Iterable[Any]) -> None:
        """Drop records."""

    def queue(self, spans: Iterable[Any]) -> None:
        """Drop spans."""

    def record(self, points: Iterable[Any]) -> None:
        """Drop measurements."""

    def show(self, points: Iterable[Any]) -> None:
        """Drop levels."""

    def hurry(self) -> None:
        """Have nothing to wake."""

    def flush(self, timeout: float | None = None) -> bool:
        """Say that what was told did not go out, at once."""
        return False


def say_off(error: Exception) -> None:
    """Say once that this process tells nothing, with the variables that are to blame as far as the error names them."""
    guard.errors["pipeline"] = guard.errors.get("pipeline", 0) + 1
    # float("abc") and an enum tell the value they do not take, but not where it came from.
    guilty = [
        f"{name}={value!r}"
        for name, value in sorted(os.environ.items())
        if name.startswith("OTEL_") and value and (repr(value) in str(error) or name in str(error))
    ]
    guard.warn_once(
        "pipeline",
        "telemetry is off in this process: %s%s: %s; your work is not affected",
        mask(f"{', '.join(guilty)} cannot be used, " if guilty else ""),
        type(error).__name__,
        mask(str(error)),
    )
