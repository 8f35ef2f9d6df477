"""A real standalone Spark cluster on loopback: a master and a worker, as `sbin/start-*.sh` start them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import zipfile
from typing import TYPE_CHECKING, Any

from support.airflow import free_port
from support.cells import PRODUCTS


if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


SPARK = PRODUCTS["spark"]


def spark_home() -> Path:
    """Return where the PySpark under test keeps its Spark."""
    (found,) = SPARK.bin.parent.glob("lib/python3*/site-packages/pyspark")
    return found


class Cluster:
    """One master, one worker with two cores; a context manager. ``env`` is what all its processes get."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self._port, self._web, self._worker_web = free_port(), free_port(), free_port()
        self.master = f"spark://127.0.0.1:{self._port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DAGTRACE_", "TRACEPARENT"))}
        self.env = {
            **inherited,
            "SPARK_HOME": str(spark_home()),
            "SPARK_SCALA_VERSION": "2.13" if SPARK.version() >= (4,) else "2.12",  # pip's Spark has no RELEASE file
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_WORKER_DIR": str(folder / "work"),
            "SPARK_NO_DAEMONIZE": "1",
            **env,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        deploy = "org.apache.spark.deploy"
        ports = ("--host", "127.0.0.1", "--port", str(self._port), "--webui-port", str(self._web))
        self._start("master", f"{deploy}.master.Master", *ports)
        self._wait(lambda: self.state()["status"] == "ALIVE", "the master does not answer")
        web = ("--host", "127.0.0.1", "--webui-port", str(self._worker_web), "--cores", "2", "--memory", "2g")
        self._start("worker", f"{deploy}.worker.Worker", *web, self.master)
        self._wait(lambda: bool(self.state()["aliveworkers"]), "no worker came")
        return self

    def __exit__(self, *exception: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(30)

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [str(spark_home() / "bin" / "spark-class"), *arguments]
            self._processes.append(subprocess.Popen(command, env=self.env, stdout=log, stderr=log))

    def state(self) -> dict[str, Any]:
        """Return what the master's own page says: workers, applications, drivers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._web}/json/", timeout=10) as answer:
            return json.load(answer)

    def _wait(self, there: Any, otherwise: str, timeout: float = 90) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if there():
                    return
            except OSError:
                pass
            time.sleep(0.3)
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
        raise AssertionError(f"{otherwise}:\n{logs}")

    def submit(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run ``spark-submit`` against this cluster."""
        command = [str(spark_home() / "bin" / "spark-submit"), "--master", self.master, *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=timeout, check=False)

    def wait_for_drivers(self, count: int = 1, timeout: float = 180) -> list[dict[str, Any]]:
        """Wait until that many drivers of cluster mode have ended, and return them as the master has them."""
        self._wait(lambda: len(self.state()["completeddrivers"]) >= count, "the driver did not end", timeout)
        return self.state()["completeddrivers"]


def java_application(folder: Path, name: str, source: str) -> Path:
    """Compile one Java class against PySpark's own jars and return it in a jar."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.java"
    file.write_text(source)
    jars = str(spark_home() / "jars" / "*")
    subprocess.run(["javac", "-nowarn", "-cp", jars, "-d", str(folder), str(file)], check=True, capture_output=True)
    jar = folder / f"{name}.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for path in folder.glob("*.class"):
            archive.write(path, path.name)
    return jar


REPORT = """
import org.apache.spark.sql.SparkSession;

public class Report {
  public static void main(String[] arguments) throws Exception {
    SparkSession spark = SparkSession.builder().appName("report").getOrCreate();
    System.out.println("ROWS " + spark.range(0, 1000, 1, 4).repartition(2).count());
    String of = "/api/v1/applications/" + spark.sparkContext().applicationId() + "/environment"; // what the page shows
    java.net.URL page = new java.net.URL(spark.sparkContext().uiWebUrl().get() + of);
    java.util.Scanner scanner = new java.util.Scanner(page.openStream(), "UTF-8").useDelimiter("\\\\A");
    java.nio.file.Files.write(java.nio.file.Paths.get(arguments[0]), scanner.next().getBytes("UTF-8"));
    spark.stop();
  }
}
"""
"""Counts rows, and leaves what Spark's environment page shows in the file it is given."""
