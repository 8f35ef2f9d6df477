"""
A real scheduler's loop in this process: ``python -m support.scheduler DAG_ID RUN_ID … [--frames]``.

Makes these runs and loops until all are final. Prints one line of JSON: CPU seconds of the loop's own thread and of the
reader's, what the reader kept in memory, and, with ``--frames``, which functions of dagtrace ran on the loop's thread
and the CPU seconds of that thread they took. Nothing is executed, so the DAG must have nothing to execute; no API
server is needed.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import importlib
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from airflow.api.common.trigger_dag import trigger_dag  # pyright: ignore[reportUnknownVariableType]
from airflow.jobs.job import Job, run_job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import func, select

import airflow
import dagtrace


OURS = str(Path(dagtrace.__file__).parent)
THEIRS = str(Path(airflow.__file__).parent)
AFTERWARDS = 4.0
"""Seconds the loop goes on when all runs are final, so that the reader looks once more and delivers."""


class Probe:
    """Counts and measures around the loop."""

    def __init__(self, *, frames: bool) -> None:
        self.in_loop: Counter[str] = Counter()
        self.last: Counter[str] = Counter()
        self.cpu_in_loop: defaultdict[str, float] = defaultdict(float)
        self.last_cpu: defaultdict[str, float] = defaultdict(float)
        self.looks: list[dict[str, float]] = []
        self.loop_cpu = 0.0
        self._frames = frames
        self._began: float | None = None
        self._finished: float | None = None
        self._ours: Any = None
        self._theirs: Any = None
        self._since = 0.0

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
        for name, cpu in self.last_cpu.items():
            self.cpu_in_loop[name] += cpu
        self.last_cpu.clear()
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
        """Count calls of ours, and the time of the outermost, without that of Airflow's code that they call."""
        if event == "call":
            file, name = frame.f_code.co_filename, frame.f_code.co_name
            if file.startswith(OURS):
                self.last[name] += 1
                if self._ours is None:
                    self._ours, self._since = frame, time.thread_time()
            elif self._ours is not None and self._theirs is None and file.startswith(THEIRS):
                self._spend()
                self._theirs = frame
        elif event == "return":
            if frame is self._theirs:
                self._theirs, self._since = None, time.thread_time()
            elif frame is self._ours:
                self._spend()
                self._ours = None

    def _spend(self) -> None:
        self.last_cpu[self._ours.f_code.co_name] += time.thread_time() - self._since


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
                "cpu_in_loop": probe.cpu_in_loop,
                "loop_cpu": probe.loop_cpu,
                "looks": probe.looks,
            }
        )
    )


if __name__ == "__main__":
    main()
