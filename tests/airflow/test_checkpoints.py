"""Checkpoints: as often as they are cheap, and what is measured goes out with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dagtrace import telemetry
from dagtrace.airflow.checkpoints import Checkpoints
from dagtrace.airflow.watermark import Watermark
from dagtrace.record import Point
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
from support.metrics import totals


if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("took", "pause"), [(0.0, 10), (0.1, 10), (0.5, 25), (2.0, 60)])
def test_a_checkpoint_waits_for_many_times_what_the_last_one_took(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    """Ten seconds where an export is cheap, longer where it is not, a minute at most."""
    clock = [100.0]

    def flush() -> bool:
        clock[0] += took
        return True

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(telemetry, "flush", flush)
    checkpoints = Checkpoints(Watermark("db"))
    checkpoints.make(1, {})
    clock[0] += pause - 0.01
    assert not checkpoints.is_due()
    clock[0] += 0.02
    assert checkpoints.is_due()


def test_where_nothing_is_kept_nothing_is_held_back(fresh: Path) -> None:
    """``dag.test()`` has no watermark, and ends before any checkpoint."""
    for watermark, counted in ((Watermark("db"), 1), (None, 2)):
        checkpoints = Checkpoints(watermark)
        checkpoints.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
        if watermark is not None:
            assert telemetry.flush()
            assert totals(fresh, "airflow.dag_run.count") == {}
            checkpoints.make(1, {})
        assert telemetry.flush()
        assert totals(fresh, "airflow.dag_run.count") == {(): counted}
