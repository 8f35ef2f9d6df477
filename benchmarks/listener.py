"""
What the Spark listener costs per task: one job of 100,000 tasks, CPU time of the bus queues' threads, and heap.

The JVM counts the CPU time (``jcmd Thread.print``), per thread, which a busy machine hardly touches. A queue costs what
it costs with a listener that does nothing, too: "idle" is such a one, registered beside ours, and what ours takes
beyond that is our own logic. The heap is what can be reached from the listener while the tasks go by. ``--json FILE``
keeps the numbers; ``DAGTRACE_SPARK_CELL`` picks another Spark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
sys.path.insert(0, str(TESTS))

from support.cells import PRODUCTS  # noqa: E402


BOUND = 3.0
"""Microseconds per task that our own logic may take."""


def run(folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    """Run the driver in the Spark under test; return its report."""
    spark = PRODUCTS["spark"]
    python = str(spark.bin / "python")
    sources = [] if spark.cell else [str(ROOT / "instrumentation")]
    env = {
        **os.environ,
        "DAGTRACE_ENABLED": "true",
        "DAGTRACE_HOME": str(folder / "home"),
        "PYSPARK_PYTHON": python,
        "PYTHONPATH": os.pathsep.join([*sources, str(TESTS / "spark")]),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    command = [python, "-m", "zoo.tasks", str(folder), str(tasks), str(rounds)]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((folder / "tasks.json").read_text())


def spread(values: list[float]) -> dict[str, float]:
    """Return median, least and most."""
    return {name: round(f(values), 3) for name, f in (("median", statistics.median), ("min", min), ("max", max))}


def main() -> None:
    """Run the job some times in one driver; the first one warms up and is not counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = run(Path(name), arguments.tasks, arguments.rounds + 1)
    per_task = [
        {queue: milliseconds * 1000 / arguments.tasks for queue, milliseconds in each["queue_cpu_ms"].items()}
        for each in found["rounds"]
    ]
    counted = per_task[1:]
    own = spread([each["dagtrace"] - each["idle"] for each in counted])
    held = [sample for each in found["rounds"] for sample in each["held"]]
    early = [sample for sample in held if sample[0] <= arguments.tasks / 20]
    late = [sample for sample in held if sample[0] >= arguments.tasks * 0.9]
    report: dict[str, Any] = {
        "machine": platform.platform(),
        "spark": found["spark"],
        "tasks": arguments.tasks,
        "queue_us_per_task": {queue: spread([each[queue] for each in counted]) for queue in sorted(per_task[0])},
        "own_us_per_task": own,
        "own_us_per_task_first_round": round(per_task[0]["dagtrace"] - per_task[0]["idle"], 3),
        "bound_us_per_task": BOUND,
        "wall_s": spread([each["wall"] for each in found["rounds"][1:]]),
        "held": {
            when: {"tasks": spread([s[0] for s in some]), "objects": spread([s[1] for s in some])}
            | {"bytes": spread([s[2] for s in some])}
            for when, some in (("early", early), ("late", late))
            if some
        },
        "dropped": found["dropped"],
        "lost": found["lost"],
    }
    print(json.dumps(report, indent=1))
    if arguments.json:
        document = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
        document[found["spark"]] = report
        arguments.json.write_text(json.dumps(dict(sorted(document.items())), indent=1) + "\n")
    if own["median"] > BOUND:
        raise SystemExit(f"our own logic takes {own['median']} µs per task, more than {BOUND}")


if __name__ == "__main__":
    main()
