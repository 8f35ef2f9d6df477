"""
A real scheduler's loop in this process: ``python -m support.scheduler DAG_ID RUN_ID … [--frames]``.

Makes these runs and loops until all are final. Prints one line of JSON: CPU seconds of the loop's own thread and of the
reader's, what the reader kept in memory, and, with ``--frames``, which functions of dagtrace ran on the loop's thread.
Nothing is executed, so the DAG must have nothing to execute; no API server is needed.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag  # pyright: ignore[reportUnknownVariableType]
from airflow.jobs.job import Job, run_job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import func, select

import dagtrace


OURS = str(Path(dagtrace.__file__).parent)
AFTERWARDS = 4.0
"""Seconds the loop goes on when all runs are final, so that the reader looks once more and delivers."""


class Probe:
    """Counts and measures around the loop."""

    def __init__(self, *, frames: bool) -> None:
        self.in_loop: Counter[str] = Counter()
        self.last: Counter[str] = Counter()
        self.looks: list[dict[str, float]] = []
        self.loop_cpu = 0.0
        self._frames = frames
        self._began: float | None = None
        self._finished: float | None = None

    def watch(self) -> None:
        """Wrap the loop's body, and the reader's look where dagtrace is on."""
        body: Any = SchedulerJobRunner._do_scheduling

        def do_scheduling(runner: Any, session: Any) -> Any:
            self._iterate(runner, session)
            return body(runner, session)

        SchedulerJobRunner._do_scheduling = do_scheduling  # type: ignore[method-assign]
        if "dagtrace.airflow" not in sys.modules:
            return
        reader = importlib.import_module("dagtrace.airflow.reader")
        look = reader.Reader.look

        def measured(instance: Any) -> None:
            began = time.thread_time()
            look(instance)
            kept = sum(len(run.told) + len(run.changes) for run in instance._open.values())
            self.looks.append({"cpu": time.thread_time() - began, "open": len(instance._open), "kept": kept})

        reader.Reader.look = measured

    def _iterate(self, runner: Any, session: Any) -> None:
        # What ran since the last time this line was reached was one turn of the loop; what runs after the last time may
        # be the end of it, when the reader is stopped.
        self.in_loop.update(self.last)
        self.last.clear()
        now = time.thread_time()
        if self._began is None:
            self._began = now
        if self._finished is None:
            self.loop_cpu = now - self._began
        if self._frames:
            sys.setprofile(self._count)
        if session.scalar(select(func.count()).where(DagRun.state.in_(("queued", "running")))):
            return
        self._finished = self._finished or time.monotonic()
        if time.monotonic() - self._finished > AFTERWARDS:
            runner.num_runs = 1

    def _count(self, frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            self.last[frame.f_code.co_name] += 1


def main() -> None:
    """Make the runs, run the loop and print what was seen."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--frames"]
    for run_id in arguments[1:]:
        trigger_dag(arguments[0], run_id=run_id, triggered_by=DagRunTriggeredByType.CLI)
    probe = Probe(frames="--frames" in sys.argv)
    probe.watch()
    job = Job()
    runner = SchedulerJobRunner(job=job, num_runs=-1)
    run_job(job=job, execute_callable=runner._execute)
    print(
        json.dumps(
            {
                "in_loop": probe.in_loop,
                "at_its_end": probe.last,
                "loop_cpu": probe.loop_cpu,
                "looks": probe.looks,
            }
        )
    )


if __name__ == "__main__":
    main()
