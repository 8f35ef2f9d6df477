"""Drivers that end badly, and JVMs that refuse: the job is never harmed, and what can be known is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver

pytestmark = pytest.mark.real

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
START = """
import os, signal, sys, threading, time
from pyspark.sql import SparkSession
def start():
    return SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("exits").getOrCreate()
spark = start()
spark.sparkContext.setLogLevel("OFF")
print("ROWS", spark.range(10).count())
"""


RUNNING = """
jvm = spark.sparkContext._jsc.sc()
threading.Thread(target=lambda: jvm.range(0, 600, 1, 600).count(), daemon=True).start()
time.sleep(0.3)
raise RuntimeError("mine")
"""


@pytest.mark.parametrize(
    ("ending", "code", "error"),
    [("sys.exit(3)", 3, None), (RUNNING, 1, "RuntimeError: mine")],
    ids=["exit", "exception with a running job"],
)
def test_exit_without_stop(
    drive: Callable[..., Driver], tmp_path: Path, ending: str, code: int, error: str | None
) -> None:
    """
    A context nobody stopped still has its application span, async, below ``TRACEPARENT``, with everything in it.

    An exception that nobody caught is its error.
    """
    began = time.time_ns()
    done = drive(START + ending, tmp_path, TRACEPARENT=PARENT)
    assert done.process.returncode == code
    (application,) = (s for s in done.spans if s.name == "spark.application exits")
    assert application.attributes[names.DAGTRACE_ASYNC] is True
    assert application.error == error
    assert application.attributes.get(names.ERROR_TYPE) == (error and "RuntimeError")
    assert (application.trace_id, application.parent_id) == (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)
    assert began < application.start_ns < application.end_ns < time.time_ns()
    ids = {s.span_id for s in done.spans}
    assert {"spark.sql", "spark.job", "spark.stage"} < {s.name for s in done.spans}
    assert all(s.parent_id in ids and s.end_ns <= application.end_ns for s in done.spans if s is not application)
    assert done.warnings == []


def test_a_killed_jvm_holds_nobody(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """When the JVM dies under the driver, the process ends by itself and at once, without a word from us."""
    ending = (
        "time.sleep(1)\nos.kill(spark.sparkContext._gateway.proc.pid, signal.SIGKILL)\ntime.sleep(1)\n"
        "import atexit\nbegan = time.time()\natexit.register(lambda: print('TOOK', time.time() - began))"
    )
    # Handlers run last in, first out: one registered before ours runs after it.
    done = drive(
        "import atexit, time\natexit.register(lambda: print('ENDED', time.time() - began))\n" + START + ending, tmp_path
    )
    assert done.process.returncode == 0, done.process.stderr
    (took,) = (line for line in done.process.stdout.splitlines() if line.startswith("ENDED"))
    assert float(took.split()[1]) < 2
    assert done.warnings == []
    assert "spark.job" in {s.name for s in done.spans}


STALLS = """
import subprocess
pid = spark.sparkContext._gateway.proc.pid
def ended():
    print("ENDED", time.time() - began)
    os.kill(pid, signal.SIGKILL)
def last_resort():
    time.sleep(90)
    os.kill(pid, signal.SIGKILL)
threading.Thread(target=last_resort, daemon=True).start()
time.sleep(1)
os.kill(pid, signal.SIGSTOP)
began = time.time()
"""


def test_a_stalled_jvm_holds_nobody(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """A JVM that answers nothing any more costs the exit no more than the budget, and leaves some of it to deliver."""
    # Handlers run last in, first out: one registered before ours runs after it.
    code = "import atexit\natexit.register(lambda: ended())\n" + START + STALLS
    done = drive(code, tmp_path, DAGTRACE_FLUSH_TIMEOUT="8")
    assert done.process.returncode == 0, done.process.stderr
    (took,) = (line for line in done.process.stdout.splitlines() if line.startswith("ENDED"))
    assert float(took.split()[1]) < 40
    assert {"spark.sql", "spark.job", "spark.stage"} == {s.name for s in done.spans}
    (warning,) = done.warnings
    assert "last spans were not to be had from its JVM within DAGTRACE_FLUSH_TIMEOUT" in warning


REFUSES = """
from py4j.java_gateway import JavaGateway
from py4j.protocol import Py4JError
def refuse(*args):
    raise Py4JError("Constructor public java.net.URLClassLoader is not whitelisted")
JavaGateway.new_array = refuse
"""
AGAIN = """
spark.stop()
spark = start()
print("ROWS", spark.range(10).count())
spark.stop()
"""


def test_a_refusal_is_one_warning(drive: Callable[..., Driver], tmp_path: Path) -> None:
    """A JVM that lets no class be loaded: one warning with its reason for two contexts, both told, no job harmed."""
    done = drive(REFUSES + START + AGAIN, tmp_path)
    assert done.process.returncode == 0, done.process.stderr
    assert done.process.stdout.count("ROWS 10") == 2
    (warning,) = done.warnings
    assert "only the application is traced" in warning
    assert "not whitelisted" in warning
    assert [span.name for span in done.spans] == ["spark.application exits"] * 2
