"""
When the reader delivers what it has told, and then has the watermark say so.

After a crash the next reader begins where the watermark is, so that every try is counted exactly once over both their
lives, and the spans of the last seconds are told again, the same ids with the same content.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dagtrace import telemetry


if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagtrace.airflow.database import Key
    from dagtrace.airflow.followed import Followed
    from dagtrace.airflow.watermark import Watermark
    from dagtrace.record import Point

_EVERY, _LATEST = 10.0, 60.0
"""Seconds between two checkpoints, where there is news: as a rule, and at most."""

_SHARE = 50
"""
A checkpoint waits for this many times what the last one took: with ten thousand series an export takes most of a
second, which would be too much every tenth.
"""


class Checkpoints:
    """Holds back what is measured until the next checkpoint; without a watermark (``dag.test()``), nothing."""

    def __init__(self, watermark: Watermark | None) -> None:
        self._watermark = watermark
        self._held: list[Point] = []
        self._due = time.monotonic() + _EVERY

    def measure(self, *points: Point) -> None:
        """
        Measure what the watermark will say was told, just before that is delivered and kept.

        Metrics are exported at other times, too; what went out then would be counted again after a crash.
        """
        if self._watermark is None:
            telemetry.measure(*points)
        else:
            self._held += points

    def is_due(self) -> bool:
        """Return whether it is time for the next one."""
        return time.monotonic() >= self._due

    def make(self, last_id: int, runs: Mapping[Key, Followed]) -> None:
        """Deliver what was told, then remember it as told: up to this run, and of these open runs."""
        began = time.monotonic()
        held, self._held = self._held, []
        telemetry.measure(*held)
        if self._watermark is not None and self._watermark.is_news(last_id, runs) and telemetry.flush():
            self._watermark.save()
        ended = time.monotonic()
        self._due = ended + min(_LATEST, max(_EVERY, _SHARE * (ended - began)))
