"""``make stack``: four real programs that start together, say where they are, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import backends
from support.airflow import free_port
from support.stack import ORDER, PORTS
from support.telling import until


if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.backends]


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """Run it as the Makefile does, on free ports, and wait for its last line."""
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)
    env = {**os.environ, **{name: str(free_port()) for name in PORTS}}
    process = subprocess.Popen(
        [sys.executable, "tests/support/stack.py"], cwd=backends.ROOT, env=env, text=True, stdout=subprocess.PIPE
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


def _until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Ctrl-C"):
            break
    return said


def _children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the programs that the process started, by name."""
    found: dict[str, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue  # it has ended
        if facts["PPid"].strip() == str(process.pid):
            found[facts["Name"]] = int(facts["Pid"])
    return found


def _gone(pids: dict[str, int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_it_says_where_they_are_and_stops_on_ctrl_c(running: subprocess.Popen[str]) -> None:
    """All four run when it has printed their URLs; Ctrl-C ends it with 0 and none of them is left."""
    said = "".join(_until_ready(running))
    children = _children(running)
    assert set(children) == set(ORDER)
    assert [
        name for name in ("jaeger", "prometheus", "alertmanager", "OTEL_EXPORTER_OTLP_ENDPOINT=") if name not in said
    ] == []
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert _gone(children)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_they_end_with_it_however_it_ends(running: subprocess.Popen[str]) -> None:
    """Killed outright, it leaves no orphan either."""
    _until_ready(running)
    children = _children(running)
    assert set(children) == set(ORDER)
    running.kill()
    running.wait()
    until(lambda: _gone(children), "all of them have ended", timeout=60)
