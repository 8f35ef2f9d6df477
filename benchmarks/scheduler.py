"""
What dagtrace costs a scheduler: the same runs of a thousand tries each, with the switch off and on, in turn.

CPU seconds of threads count. The loop's own thread should cost the same off and on: what runs of ours there is a few
calls at a run's end. Those are too short to be seen in that difference, so a last pass, under a profiler, adds up the
CPU time between their beginnings and ends; the profiler makes them slower, so that is an upper bound. The reader has a
thread of its own. Needs no API server: the scheduler itself ends tasks that have nothing to execute. ``--json FILE``
keeps the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any


TESTS = Path(__file__).parent.parent / "tests"
sys.path.insert(0, str(TESTS))

from support.airflow import DAGS, environment, run  # noqa: E402
from support.postgres import Postgres  # noqa: E402


TRIES = 1001
"""Of one run of the DAG ``thousand``."""


def main() -> None:
    """Let a scheduler finish the runs, off and on in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3, help="runs of the DAG per round")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report: dict[str, object] = {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        "runs_per_round": arguments.runs,
        "tries": TRIES,
    }
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres()
        try:
            extra = {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.database(),
                "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
                "AIRFLOW__CORE__PARALLELISM": "1",
                "PYTHONPATH": str(TESTS),
                "DAGTRACE_ENABLED": "false",
            }
            env = environment(folder / "airflow", folder / "traces", extra)
            run(env, "airflow", "db", "migrate")
            run(env, "airflow", "dags", "reserialize")
            print(
                f"{'':8}{'loop off, CPU s/run':>22}{'loop on, CPU s/run':>22}{'reader, CPU ms/run':>22}{'µs/try':>10}"
            )

            def loop(name: str, switch: str, *options: str) -> dict[str, Any]:
                run_ids = [f"{name}-{switch}-{i}" for i in range(arguments.runs)]
                command = ("python", "-m", "support.scheduler", "thousand", *run_ids, *options)
                done = run({**env, "DAGTRACE_ENABLED": switch}, *command, timeout=900)
                return json.loads(done.stdout.splitlines()[-1])

            for number in range(arguments.rounds + 1):
                cost = {switch: loop(str(number), switch) for switch in ("false", "true")}
                off, on = (cost[switch]["loop_cpu"] / arguments.runs for switch in ("false", "true"))
                reader = sum(look["cpu"] for look in cost["true"]["looks"]) / arguments.runs
                if number:  # the first round warms caches
                    rounds.append({"loop_off": off, "loop_on": on, "reader": reader})
                    print(
                        f"{number:<8}{off:>22.3f}{on:>22.3f}{1e3 * reader:>22.1f}{1e6 * reader / TRIES:>10.0f}",
                        flush=True,
                    )
            profiled = loop("profiled", "true", "--frames")
        finally:
            server.stop()
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    print(
        f"{'median':<8}{median['loop_off']:>22.3f}{median['loop_on']:>22.3f}"
        f"{1e3 * median['reader']:>22.1f}{1e6 * median['reader'] / TRIES:>10.0f}"
    )
    # A module that is imported for the first time has our finder asked; that goes by modules and not by runs.
    per_run = {name: 1e3 * cpu / arguments.runs for name, cpu in profiled["cpu_in_loop"].items()}
    calls = {name: count / arguments.runs for name, count in profiled["in_loop"].items()}
    print("of ours on the loop's thread, CPU ms/run: " + ", ".join(f"{name} {ms:.3f}" for name, ms in per_run.items()))
    if arguments.json:
        ours = {"calls_per_run": calls, "cpu_ms_per_run": per_run}
        document = {**report, "rounds": rounds, "median": median, "ours_on_the_loops_thread": ours}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
