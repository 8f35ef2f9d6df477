"""
What the Spark tests share: a driver run in a process of its own, and the spans it left in its local files.

With ``DAGTRACE_SPARK_CELL`` the driver runs in that cell (:mod:`support.cells`), on the wheel that is installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from dagtrace.spark.records import read
from support.cells import PRODUCTS
from support.spark import Application


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.record import SpanRecord

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "instrumentation"
SPARK = PRODUCTS["spark"]
PYTHON = str(SPARK.bin / "python")


@dataclass
class Driver:
    """What a driver's run has left behind."""

    process: subprocess.CompletedProcess[str]
    spans: list[SpanRecord]
    points: list[dict[str, Any]]
    folder: Path

    @property
    def warnings(self) -> list[str]:
        """Lines of dagtrace's own on the standard error stream."""
        return [line for line in self.process.stderr.splitlines() if line.startswith("DAGTRACE")]


PROLOGUE = """
import logging, sys
logging.basicConfig(format="DAGTRACE %(message)s")
logging.getLogger("py4j").setLevel(logging.CRITICAL)
import dagtrace._startup
"""


@pytest.fixture(scope="session")
def drive() -> Callable[..., Driver]:
    """Return a function that runs code as a Spark driver with dagtrace on."""
    return _drive


APPLICATIONS = ("workload", "spills", "rdd", "cluster")


@pytest.fixture(scope="session")
def driver(drive: Callable[..., Driver], tmp_path_factory: pytest.TempPathFactory) -> Driver:
    """Run the zoo's applications, once for all tests."""
    folder = tmp_path_factory.mktemp("zoo")
    done = drive(f"import pathlib, zoo.main; zoo.main.main(pathlib.Path({str(folder)!r}))", folder)
    assert done.process.returncode == 0, done.process.stderr
    return done


@pytest.fixture(scope="session")
def zoo(driver: Driver) -> dict[str, Application]:
    """Return the zoo's applications by name."""
    found = {name: json.loads((driver.folder / f"{name}.json").read_text()) for name in APPLICATIONS}
    return {
        name: Application(
            truth, [s for s in driver.spans if s.attributes[names.SPARK_APPLICATION_ID] == truth["application"]]
        )
        for name, truth in found.items()
    }


LISTENER = """
import json
from pyspark.java_gateway import launch_gateway
from dagtrace.spark.attachment import CLASS, JAR
gateway = launch_gateway()
java = gateway.jvm.java
urls = gateway.new_array(java.net.URL, 1)
urls[0] = java.io.File(str(JAR)).toURI().toURL()
parent = gateway.jvm.org.apache.spark.SparkConf().getClass().getClassLoader()
listener = java.net.URLClassLoader(urls, parent).loadClass(CLASS).newInstance()
asked = json.load(open("asked.json"))
print("ANSWER", json.dumps({answer}))
"""


@pytest.fixture(scope="session")
def ask(drive: Callable[..., Driver]) -> Callable[[str, Any, Path], Any]:
    """Return a function that asks the ``listener``, in a JVM without a SparkContext, for an ``answer`` to ``asked``."""

    def answered(answer: str, asked: Any, folder: Path) -> Any:
        (folder / "asked.json").write_text(json.dumps(asked))
        done = drive(LISTENER.replace("{answer}", answer), folder).process
        assert done.returncode == 0, done.stderr
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("ANSWER"))
        return json.loads(line.removeprefix("ANSWER"))

    return answered


def _drive(code: str, folder: Path, **env: str) -> Driver:
    home = folder / "home"
    environ = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "DAGTRACE_", "TRACEPARENT"))
    }
    environ |= {
        "DAGTRACE_ENABLED": "true",
        "DAGTRACE_HOME": str(home),
        "DAGTRACE_FLUSH_TIMEOUT": "20",
        "PYTHONPATH": str(HERE) if SPARK.cell else f"{SOURCES}{os.pathsep}{HERE}",
        "PYTHONWARNINGS": "ignore",
        "PYSPARK_PYTHON": PYTHON,
        "SPARK_LOCAL_IP": "127.0.0.1",
        **env,
    }
    process = subprocess.run(
        [PYTHON, "-c", PROLOGUE + code],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    spans = [
        read(json.dumps({"flags": 1} | span))
        for line in _lines(home, "traces")
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    points = [
        metric
        for line in _lines(home, "metrics")
        for resource in line["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
    ]
    return Driver(process, spans, points, folder)


def _lines(home: Path, signal: str) -> list[dict[str, Any]]:
    return [json.loads(line) for file in home.glob(f"{signal}*.jsonl") for line in file.read_text().splitlines()]
