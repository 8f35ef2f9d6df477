"""What the unit tests share: a process as good as new, and another process where this one will not do."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import settings


if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = Path(__file__).parent.parent / "instrumentation"
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")

_OURS = ("OTEL_", "DAGTRACE_")


class InPython(Protocol):
    """Runs code in a Python of its own, with nothing set but what is given; raises where it fails."""

    def __call__(self, code: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Return what it printed; ``flags`` are the interpreter's own."""
        ...


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """
    Make this process as new: no variable of ours set, no pipeline, nothing warned of yet.

    Gives the folder that local files go to (``DAGTRACE_HOME``); it does not exist yet.
    """
    for variable in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(variable)
    home = tmp_path / "home"
    monkeypatch.setenv("DAGTRACE_HOME", str(home))
    forget()
    yield home
    forget()


def forget() -> None:
    """Drop what dagtrace keeps per process; a delivery thread left over has nothing to deliver and sleeps."""
    from dagtrace import telemetry
    from dagtrace.options import options
    from dagtrace.telemetry import guard
    from dagtrace.telemetry.mute import Mute

    pipeline = telemetry._pipeline
    if pipeline is not None and not isinstance(pipeline, Mute):
        pipeline._spans = pipeline._metrics = None
        pipeline._queue.clear()
        pipeline._delay = 3600.0
        pipeline._wake.set()
    telemetry._pipeline = None
    telemetry._described.clear()
    options.cache_clear()
    for memory in (guard._said, guard._warned, guard.errors):
        memory.clear()


@pytest.fixture
def in_python(tmp_path: Path) -> InPython:
    """Run code in another Python: for what happens at start, at exit, across a fork, or to a process-wide global."""

    def run(code: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        clean |= {"PYTHONPATH": str(SOURCES), "DAGTRACE_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "ignore"} | env
        done = subprocess.run(
            [sys.executable, *flags, "-c", code], env=clean, timeout=60, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return run
