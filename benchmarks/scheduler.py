"""
What dagtrace costs a scheduler: the same runs of a thousand tries each, with the switch off and on, in turn.

CPU seconds of threads count. The loop's own thread should cost the same off and on, because nothing of ours runs there;
the reader has a thread of its own, whose cost per finished run is what the last column says. Needs no API server: the
scheduler itself ends tasks that have nothing to execute. ``--json FILE`` keeps the numbers.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
from pathlib import Path


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
    report: dict[str, object] = {"machine": platform.platform(), "python": platform.python_version(), "tries": TRIES}
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres(folder / "pg")
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
            for number in range(arguments.rounds + 1):
                cost = {}
                for switch in ("false", "true"):
                    for i in range(arguments.runs):
                        run(env, "airflow", "dags", "trigger", "thousand", "--run-id", f"{number}-{switch}-{i}")
                    done = run({**env, "DAGTRACE_ENABLED": switch}, "python", "-m", "support.scheduler", timeout=900)
                    cost[switch] = json.loads(done.stdout.splitlines()[-1])
                off, on = (cost[switch]["loop_cpu"] / arguments.runs for switch in ("false", "true"))
                reader = sum(look["cpu"] for look in cost["true"]["looks"]) / arguments.runs
                if number:  # the first round warms caches
                    rounds.append({"loop_off": off, "loop_on": on, "reader": reader})
                    print(
                        f"{number:<8}{off:>22.3f}{on:>22.3f}{1e3 * reader:>22.1f}{1e6 * reader / TRIES:>10.0f}",
                        flush=True,
                    )
        finally:
            server.stop()
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    print(
        f"{'median':<8}{median['loop_off']:>22.3f}{median['loop_on']:>22.3f}"
        f"{1e3 * median['reader']:>22.1f}{1e6 * median['reader'] / TRIES:>10.0f}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({**report, "rounds": rounds, "median": median}, indent=1) + "\n")


if __name__ == "__main__":
    main()
