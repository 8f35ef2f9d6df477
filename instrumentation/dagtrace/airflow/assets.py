"""
Counts updates of assets (Airflow 2: datasets), each once, also across restarts.

Events are numbered when they are made and seen when that is committed, so a higher number may be there before a lower
one. Those of the last minute are looked at again, and the numbers that were counted remembered.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from dagtrace import telemetry
from dagtrace.masking import redact
from dagtrace.record import Point
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dagtrace.airflow.standings import Standings
    from dagtrace.airflow.watermark import Watermark

_SETTLED = timedelta(seconds=60)
"""How old an event is when no lower number can come any more."""

_FRESH = 300.0
"""Seconds between two looks at which assets there are."""

_KEPT = "assets"


class Assets:
    """Remembers up to where updates were counted; the watermark keeps that."""

    def __init__(
        self, standings: Standings, watermark: Watermark | None = None, measure: Callable[..., None] = telemetry.measure
    ) -> None:
        self._standings, self._measure = standings, measure
        self._more = watermark.more if watermark is not None else {}
        if _KEPT not in self._more:
            self._more[_KEPT] = [standings.newest_event(), []]
        self._names: dict[int, str] = {}
        self._updated: dict[int, datetime] = {}
        self._read = float("-inf")

    def look(self, now: datetime) -> list[Point]:
        """Count the updates that are new; return when each asset was last updated."""
        floor, counted = int(self._more[_KEPT][0]), set[int](self._more[_KEPT][1])
        events = self._standings.events(floor)
        if time.monotonic() - self._read >= _FRESH or any(event.asset not in self._names for event in events):
            self._know()
        for event in events:
            if event.number not in counted:
                self._count(event.asset, 1)
            self._updated[event.asset] = max(event.at, self._updated.get(event.asset, event.at))
        floor = max([floor, *(event.number for event in events if event.at < now - _SETTLED)])
        self._more[_KEPT] = [floor, sorted(event.number for event in events if event.number > floor)]
        return [
            Point(metrics.AIRFLOW_ASSET_LAST_UPDATE, at.timestamp(), self._labels(asset))
            for asset, at in self._updated.items()
            if asset in self._names
        ]

    def _know(self) -> None:
        """Read which assets there are, and begin to count those that are new at 0."""
        known = self._standings.assets()
        self._read = time.monotonic()
        new = known.keys() - self._names.keys()
        self._names = {asset: redact(name)[:256] for asset, (name, _) in known.items()}
        self._updated = {asset: at for asset, (_, at) in known.items() if at is not None}
        for asset in new:
            self._count(asset, 0)

    def _count(self, asset: int, number: int) -> None:
        self._measure(Point(metrics.AIRFLOW_ASSET_UPDATE_COUNT, number, self._labels(asset)))

    def _labels(self, asset: int) -> dict[str, str]:
        return {names.AIRFLOW_ASSET_NAME: self._names.get(asset, "")}
