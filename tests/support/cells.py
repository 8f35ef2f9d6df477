"""
The Airflow under test: the newest one, of this environment, or another version in an environment of its own (a *cell*).

The tests always run in the development environment; what they start runs in the cell, which ``DAGTRACE_CELL`` names
(``2.11.2``). ``python tests/support/cells.py 2.11.2`` makes one, with the wheel of this source tree in it.

A cell holds what a user got who installed that Airflow in its first weeks: its packages are the newest of the day
given here. That is what Airflow's constraint file pins, from the registry alone; with today's packages 3.0 does not
run at all (its API server answers every task with 422 under today's FastAPI).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


CELLS = {
    "2.10.5": "2025-03-01",
    "2.11.2": "2026-04-01",
    "3.0.6": "2025-09-17",  # the day before click 8.3, under which Celery 5.5 starts no worker
    "3.1.8": "2026-04-01",
    "3.2.2": "2026-06-01",
}
"""Versions of Airflow other than the newest, and the day whose packages they are tried with."""

ROOT = Path(__file__).parent.parent.parent
CELL = os.environ.get("DAGTRACE_CELL", "")


def folder(cell: str) -> Path:
    """Return where a cell's environment is."""
    return ROOT / ".cache" / "cells" / f"airflow-{cell}-py{sys.version_info[0]}{sys.version_info[1]}"


def make(cell: str) -> None:
    """Make a cell, or bring the dagtrace in it up to date."""
    # `uv run` says where it is, `make` has one of its own.
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".cache" / "uv" / "bin" / "uv")
    place, day = folder(cell), CELLS[cell]
    if not (place / "bin" / "airflow").exists():
        subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(place)], check=True)
    install = [uv, "pip", "install", "-q", "--python", str(place), "--exclude-newer", day]
    extras = ["apache-airflow-providers-celery[redis]", "psycopg2-binary", "asyncpg", "virtualenv"]
    if not cell.startswith("2.10."):  # whose operators are its own
        extras.append("apache-airflow-providers-standard")
    subprocess.run([*install, f"apache-airflow=={cell}", *extras], check=True)
    subprocess.run([*install, "--reinstall-package", "dagtrace", str(ROOT)], check=True)


BIN = folder(CELL) / "bin" if CELL else Path(sys.executable).parent
"""Where ``airflow`` and its ``python`` are."""


def _version() -> tuple[int, ...]:
    code = "import importlib.metadata as m; print(m.version('apache-airflow'))"
    done = subprocess.run([str(BIN / "python"), "-c", code], text=True, capture_output=True, check=True)
    return tuple(int(part) for part in done.stdout.strip().split("."))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        make(name)
else:
    AIRFLOW = _version()
    """The version of the Airflow under test, as ``(3, 3, 2)``."""

    EXCEPTIONS = "airflow.sdk.exceptions" if AIRFLOW >= (3, 2) else "airflow.exceptions"
    """The module that exceptions of Airflow's own name as theirs."""
