"""
What dagtrace costs: the same work with the switch off and on, in turn, so that a drifting machine hits both alike.

CPU seconds (user and system, with children) count, because wall time on a shared machine says little. Prints a table
with median, spread and the median of the pairwise ratios; ``--json FILE`` keeps the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


BIN = Path(sys.executable).parent
TESTS = Path(__file__).parent.parent / "tests"

CASES = {
    "python that imports nothing": [sys.executable, "-c", "pass"],
    "airflow dags test small": [str(BIN / "airflow"), "dags", "test", "small"],
    "pyspark: 20 small queries": [
        sys.executable,
        "-c",
        """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master('local[2]').config('spark.ui.enabled', 'false').getOrCreate()
[spark.range(1000).groupBy('id').count().count() for _ in range(20)]
spark.stop()
""",
    ],
}


def measure(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Run once; return (CPU seconds, wall seconds)."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - began


def main() -> None:
    """Run each case in turn, off and on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__DAGS_FOLDER": str(TESTS / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "DAGTRACE_HOME": f"{folder}/traces",
        }
        subprocess.run([str(BIN / "airflow"), "db", "migrate"], env=env, check=True, capture_output=True)
        report = {"machine": platform.platform(), "python": platform.python_version(), "cases": {}}
        print(f"{'':32}{'off, CPU s':>24}{'on, CPU s':>24}{'ratio':>8}{'wall ratio':>12}")
        for name, command in CASES.items():
            pairs = []
            for number in range(arguments.rounds + 1):
                off = measure(command, {**env, "DAGTRACE_ENABLED": "false"})
                on = measure(command, {**env, "DAGTRACE_ENABLED": "true"})
                if number:  # the first pair warms caches
                    pairs.append((off, on))
            cpu = [[pair[side][0] for pair in pairs] for side in (0, 1)]
            ratios = [statistics.median(on[i] / off[i] for off, on in pairs) for i in (0, 1)]
            spread = [f"{statistics.median(c):.2f} [{min(c):.2f}-{max(c):.2f}]" for c in cpu]
            print(f"{name:32}{spread[0]:>24}{spread[1]:>24}{ratios[0]:>8.2f}{ratios[1]:>12.2f}", flush=True)
            report["cases"][name] = {"off_on_cpu_wall": pairs, "cpu_ratio": ratios[0], "wall_ratio": ratios[1]}
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
