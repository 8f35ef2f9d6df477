"""One job of very many tasks: nothing is dropped or lost, and the listener holds on to no more for the tasks it saw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver

pytestmark = pytest.mark.real


@pytest.mark.parametrize("tasks", [5_000, pytest.param(100_000, marks=pytest.mark.full)])
def test_many_tasks(drive: Callable[..., Driver], tmp_path: Path, tasks: int) -> None:
    """What can be reached from the listener, by any field, is as much early in the job as late."""
    code = f"import pathlib, zoo.tasks; zoo.tasks.main(pathlib.Path({str(tmp_path)!r}), {tasks}, 1)"
    done = drive(code, tmp_path)
    assert done.process.returncode == 0, done.process.stderr
    report = json.loads((tmp_path / "tasks.json").read_text())
    assert report["dropped"]["queue.dagtrace.numDroppedEvents"] == 0
    assert (report["lost"], report["problem"]) == (0, "")
    (stage,) = (s for s in done.spans if s.name == "spark.stage")
    assert stage.attributes[names.SPARK_STAGE_TASKS_SUCCEEDED] == tasks
    held: list[tuple[int, int, int]] = report["rounds"][0]["held"]
    assert min(ended for ended, _, _ in held) < tasks / 4
    assert max(ended for ended, _, _ in held) > tasks / 2
    objects = [count for _, count, _ in held]
    size = [number for _, _, number in held]
    assert max(objects) - min(objects) < 100
    assert max(objects) < 2_000
    assert max(size) < 100_000
