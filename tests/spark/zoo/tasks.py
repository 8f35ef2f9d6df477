"""
What one job of very many tasks costs the listener: ``python -m zoo.tasks FOLDER TASKS ROUNDS``.

The CPU time of the bus queues' threads, and what the listener holds on to while the tasks go by. On a queue beside its
own there is a listener that does nothing: what that queue costs, any queue costs.
"""

# pyright: basic
from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from zoo.rdd import many_tasks
from zoo.session import listener_of, start


THREAD = re.compile(r'^"spark-listener-group-(\w+)".* cpu=([\d.]+)ms', re.MULTILINE)


def main(folder: Path, tasks: int, rounds: int) -> None:
    """Run the job some times and write what was seen to ``FOLDER/tasks.json``."""
    spark = start("tasks", folder, spark__ui__enabled="false", spark__ui__liveUpdate__period="100ms")
    sc: Any = spark.sparkContext
    bus = sc._jsc.sc().listenerBus()
    bus.addToQueue(sc._jvm.org.apache.spark.SparkFirehoseListener(), "idle")
    listener = listener_of(sc)
    reach = _reach(sc, folder)
    report: dict[str, Any] = {"spark": sc.version, "tasks": tasks, "rounds": []}
    for _ in range(rounds):
        before, began = cpu(sc), time.monotonic()
        job = threading.Thread(target=many_tasks, args=(sc, tasks))
        job.start()
        held = _watch(sc, job, lambda: reach.of(listener))
        bus.waitUntilEmpty(600_000)
        wall, after = time.monotonic() - began, cpu(sc)
        milliseconds = {queue: after[queue] - before[queue] for queue in after}
        report["rounds"].append({"wall": wall, "queue_cpu_ms": milliseconds, "held": held})
    counters = bus.metrics().metricRegistry().getCounters()
    report["dropped"] = {name: counters[name].getCount() for name in counters if "numDroppedEvents" in name}
    report |= {"lost": listener.lost(), "problem": listener.problem()}
    (folder / "tasks.json").write_text(json.dumps(report))
    spark.stop()


def cpu(sc: Any) -> dict[str, float]:
    """Return the CPU time, in ms, that the thread of each queue of the listener bus has used, as the JVM counts it."""
    # The thread's MXBean is of a class that py4j may not call.
    dump = subprocess.run(
        ["jcmd", str(sc._gateway.proc.pid), "Thread.print"], capture_output=True, text=True, check=True
    ).stdout
    return {queue: float(milliseconds) for queue, milliseconds in THREAD.findall(dump)}


def _watch(sc: Any, job: threading.Thread, held: Any) -> list[list[int]]:
    """Return, of several moments while the job ran, tasks that had ended, and objects and bytes held then."""
    tracker, seen, stage = sc.statusTracker(), [], None
    while job.is_alive():
        time.sleep(0.1)
        stage = stage or next(iter(tracker.getActiveStageIds()), None)
        info = tracker.getStageInfo(stage) if stage is not None else None
        if info is not None and info.numActiveTasks:
            objects, size = map(int, held().split())
            seen.append([info.numCompletedTasks, objects, size])
    return seen


def _reach(sc: Any, folder: Path) -> Any:
    """Compile :file:`Reach.java` and load it into the driver's JVM."""
    source = Path(__file__).parent / "Reach.java"
    subprocess.run(["javac", "--release", "8", "-Xlint:-options", "-d", str(folder), str(source)], check=True)
    java = sc._jvm.java
    urls = sc._gateway.new_array(java.net.URL, 1)
    urls[0] = java.io.File(str(folder)).toURI().toURL()
    return java.net.URLClassLoader(urls).loadClass("Reach").newInstance()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
