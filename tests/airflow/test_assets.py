"""Updates of assets are counted once each, in whatever order they become visible, and across restarts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from dagtrace.airflow.assets import Assets
from dagtrace.airflow.followed import Followed
from dagtrace.airflow.standings import Event
from dagtrace.airflow.watermark import Watermark


if TYPE_CHECKING:
    from pathlib import Path

    from dagtrace.record import Point

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)


class Standings:
    """Stands in for the database."""

    def __init__(self) -> None:
        self.all_events: list[Event] = []
        self.all_assets: dict[int, tuple[str, datetime | None]] = {1: ("one", None)}
        self.rows_read = 0

    def newest_event(self) -> int:
        """Return the highest number."""
        return max((event.number for event in self.all_events), default=0)

    def events(self, after: int) -> list[Event]:
        """Return newer events."""
        found = [event for event in self.all_events if event.number > after]
        self.rows_read += len(found)
        return found

    def assets(self) -> dict[int, tuple[str, datetime | None]]:
        """Return assets."""
        return dict(self.all_assets)


COUNTED: dict[str, float] = {}


@pytest.fixture
def counted() -> dict[str, float]:
    """Return what was counted, by asset."""
    COUNTED.clear()
    return COUNTED


def measure(*points: Point) -> None:
    """Add up."""
    for point in points:
        (name,) = point.attributes.values()
        COUNTED[str(name)] = COUNTED.get(str(name), 0) + point.value


def assets(standings: Standings, watermark: Watermark | None = None) -> Assets:
    """Return a counter over these rows."""
    return Assets(standings, watermark, measure)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_was_there_before_is_not_counted(counted: dict[str, float]) -> None:
    """The first reader begins with the newest event; assets have a counter at 0 and their last update."""
    rows = Standings()
    rows.all_events, rows.all_assets = [Event(1, 1, NOW)], {1: ("one", NOW), 2: ("two", None)}
    points = assets(rows).look(NOW)
    assert counted == {"one": 0, "two": 0}
    assert [(*point.attributes.values(), point.value) for point in points] == [("one", NOW.timestamp())]


def test_a_lower_number_that_comes_later_is_counted(counted: dict[str, float]) -> None:
    """Numbers are given when a transaction begins: 2 may be there before 1. Old ones are not read again."""
    rows = Standings()
    counter = assets(rows)
    rows.all_events = [Event(2, 1, NOW)]
    counter.look(NOW)
    rows.all_events.append(Event(1, 1, NOW - timedelta(seconds=5)))
    counter.look(NOW)
    points = counter.look(NOW)
    assert counted == {"one": 2}
    assert [point.value for point in points] == [NOW.timestamp()]
    counter.look(NOW + timedelta(minutes=2))
    rows.rows_read = 0
    counter.look(NOW + timedelta(minutes=2))
    assert (counted, rows.rows_read) == ({"one": 2}, 0)


def test_a_restart_neither_repeats_nor_skips(counted: dict[str, float], fresh: Path) -> None:
    """The watermark keeps which events were counted, those that are still to settle one by one."""
    rows = Standings()
    watermark = Watermark("db")
    first = assets(rows, watermark)
    rows.all_events = [Event(1, 1, NOW - timedelta(hours=1)), Event(3, 1, NOW)]
    first.look(NOW)
    assert watermark.is_news(0, dict[tuple[str, str], Followed]())
    watermark.save()
    rows.all_events += [Event(2, 1, NOW), Event(4, 1, NOW)]
    again = Watermark("db")
    again.load()
    assets(rows, again).look(NOW)
    assert counted == {"one": 4}


def test_a_new_asset_is_known_with_its_first_update(counted: dict[str, float]) -> None:
    """An event of an asset that nobody has seen has the assets read; its name is masked."""
    rows = Standings()
    counter = assets(rows)
    counter.look(NOW)
    rows.all_assets[2] = ("postgresql://me:hunter2@db/two", NOW)
    rows.all_events = [Event(1, 2, NOW)]
    counter.look(NOW)
    assert counted == {"one": 0, "postgresql://me:***@db/two": 1}
