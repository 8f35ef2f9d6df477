"""A standalone cluster of two workers, on two addresses: what a driver alone with itself never sees."""

# pyright: basic
from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark


if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark import SparkContext

HOSTS = ("127.0.0.1", "127.0.0.2")
"""A task is never speculated on the host it runs on already."""

CONF = {
    "spark__executor__memory": "512m",
    "spark__executor__cores": "1",
    "spark__cores__max": "2",
    "spark__scheduler__minRegisteredResourcesRatio": "1.0",
    "spark__scheduler__maxRegisteredResourcesWaitingTime": "120s",
    "spark__locality__wait": "0",
    # Of a task that is lost with its executor, Spark's tables have what heartbeats said of it. Let there be none.
    "spark__executor__heartbeatInterval": "100s",
    "spark__network__timeout": "300s",
    "spark__speculation": "true",
    "spark__speculation__interval": "100ms",
    "spark__speculation__quantile": "0.5",
    "spark__speculation__minTaskRuntime": "4s",  # a machine that is busy with many tests makes tasks slow, too
}


@contextlib.contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Run a master and its workers; give the master's URL."""
    home = Path(pyspark.__file__).parent
    scala = next((home / "jars").glob("spark-core_*.jar")).name.split("_")[1].split("-")[0]
    env = {**os.environ, "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": scala}
    env["SPARK_MASTER_OPTS"] = "-Dspark.master.rest.enabled=false"
    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        port = probe.getsockname()[1]
    url = f"spark://{HOSTS[0]}:{port}"
    running: list[subprocess.Popen[bytes]] = []

    def run(name: str, host: str, *arguments: str) -> None:
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", host]
        with (folder / f"{name}-{host}.log").open("w") as log:
            running.append(
                subprocess.Popen(
                    [*command, "--webui-port", "0", *arguments],
                    env=env | {"SPARK_LOCAL_IP": host},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    try:
        run("master.Master", HOSTS[0], "--port", str(port))
        _wait_for(port)  # whoever knocks too early tries again only 20 s later
        for host in HOSTS:
            work = str(folder / f"work-{host}")
            run("worker.Worker", host, "--cores", "1", "--memory", "1g", "--work-dir", work, url)
        yield url
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)


def _wait_for(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection((HOSTS[0], port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"no master on port {port}")


def shuffled(sc: SparkContext) -> None:
    """Read a shuffle that lies on both executors: no one of them is quick enough to do all of it."""

    def slowly(x: int) -> tuple[int, int]:
        time.sleep(0.3)
        return x % 2, x

    for _ in range(2):  # the first time they may still be about to start
        sc.parallelize(range(8), 4).map(slowly).groupByKey(2).count()


def speculated(sc: SparkContext) -> None:
    """Let the first attempt of one task hang: the second one wins, and the first is killed."""

    def hang(index: int, rows: Any) -> Any:
        from pyspark import TaskContext

        if index == 0 and TaskContext.get().attemptNumber() == 0:  # pyright: ignore[reportOptionalMemberAccess]
            time.sleep(60)
        return rows

    sc.setJobDescription("speculated")
    sc.parallelize(range(4), 4).mapPartitionsWithIndex(hang).count()
    sc.setJobDescription(None)  # pyright: ignore[reportArgumentType]


def loses_an_executor(sc: SparkContext) -> None:
    """Kill an executor from within a task: what had succeeded there is done again, now and for the next action."""

    def kill(index: int, rows: Any) -> Any:
        from pyspark import TaskContext

        if index == 3 and TaskContext.get().attemptNumber() == 0:  # pyright: ignore[reportOptionalMemberAccess]
            time.sleep(2)  # all others have ended
            daemon = os.getppid()
            parent = subprocess.run(["ps", "-o", "ppid=", "-p", str(daemon)], capture_output=True, check=True)
            os.kill(int(parent.stdout), signal.SIGKILL)
            time.sleep(60)
        return ((row % 2, row) for row in rows)

    sc.setJobDescription("loses an executor")
    sc.parallelize(range(8), 4).mapPartitionsWithIndex(kill).groupByKey(2).count()
    sc.setJobDescription(None)  # pyright: ignore[reportArgumentType]
