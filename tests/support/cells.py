"""
The Airflow and the Spark under test: the newest, of this environment, or another version in one of its own (a *cell*).

The tests always run in the development environment; what they start runs in the cell, which ``DAGTRACE_CELL``
(an Airflow: ``2.11.2``) or ``DAGTRACE_SPARK_CELL`` (a PySpark: ``3.5.9``) names. ``python tests/support/cells.py
airflow 2.11.2`` makes one, with the wheel of this source tree in it; ``--full`` for the rows of the full tier.

A cell holds what a user got who installed that version in its first weeks: its packages are the newest of the day
given here. For Airflow that is what its constraint file pins, from the registry alone; with today's packages 3.0 does
not run at all (its API server answers every task with 422 under today's FastAPI).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Product:
    """What is tried in more than one version."""

    name: str
    package: str
    variable: str
    """Of the environment; names the cell, and is empty or absent for the development environment."""
    days: Mapping[str, str]
    """Versions other than the newest, and the day whose packages they are tried with."""
    beside: tuple[str, ...]
    """Packages that the tests want in a cell, too."""
    lacks: Mapping[str, str]
    """Which of them a version has no use for."""
    full: tuple[str, ...] = ()
    """What the rows want, too, that are run in the full tier alone (400 MB)."""

    @property
    def cell(self) -> str:
        """The version under test, empty for the newest."""
        return os.environ.get(self.variable, "")

    @property
    def bin(self) -> Path:
        """Where the commands of the version under test are, ``python`` among them."""
        return self.folder(self.cell) / "bin" if self.cell else Path(sys.executable).parent

    def folder(self, cell: str) -> Path:
        """Return where a cell's environment is."""
        return ROOT / ".cache" / "cells" / f"{self.name}-{cell}-py{sys.version_info[0]}{sys.version_info[1]}"

    def make(self, cell: str, *, full: bool = False) -> None:
        """Make a cell, or bring the dagtrace in it up to date."""
        # `uv run` says where it is, `make` has one of its own.
        uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".cache" / "uv" / "bin" / "uv")
        place = self.folder(cell)
        if not (place / "bin" / "python").exists():
            subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(place)], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(place), "--exclude-newer", self.days[cell]]
        wanted = (*self.beside, *self.full) if full else self.beside
        beside = [package for package in wanted if package != self.lacks.get(cell)]
        subprocess.run([*install, f"{self.package}=={cell}", *beside], check=True)
        subprocess.run([*install, "--reinstall-package", "dagtrace", str(ROOT)], check=True)

    def version(self) -> tuple[int, ...]:
        """Return the version under test, as ``(3, 3, 2)``."""
        code = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        done = subprocess.run([str(self.bin / "python"), "-c", code], text=True, capture_output=True, check=True)
        return tuple(int(part) for part in done.stdout.strip().split("."))


PRODUCTS = {
    "airflow": Product(
        "airflow",
        "apache-airflow",
        "DAGTRACE_CELL",
        {
            "2.10.5": "2025-03-01",
            "2.11.2": "2026-04-01",
            "3.0.6": "2025-09-17",  # the day before click 8.3, under which Celery 5.5 starts no worker
            "3.1.8": "2026-04-01",
            "3.2.2": "2026-06-01",
        },
        (
            *("apache-airflow-providers-standard", "apache-airflow-providers-celery[redis]"),
            *("psycopg2-binary", "asyncpg", "virtualenv"),
        ),
        {"2.10.5": "apache-airflow-providers-standard"},  # its operators are its own
        ("apache-airflow-providers-apache-spark",),
    ),
    "spark": Product(
        "spark",
        "pyspark",
        "DAGTRACE_SPARK_CELL",
        {
            "3.4.4": "2025-03-01",
            "3.5.9": "2026-08-15",
            "4.0.5": "2026-11-20",
            "4.1.4": "2026-11-20",
            "4.2.1": "2026-11-20",
        },
        ("pandas<3", "pyarrow", "grpcio", "grpcio-status", "googleapis-common-protos", "zstandard"),  # Connect's, too
        {},
    ),
}

BIN = PRODUCTS["airflow"].bin
"""Where ``airflow`` and its ``python`` are."""


if __name__ == "__main__":
    product, *cells = (word for word in sys.argv[1:] if word != "--full")
    for each in cells:
        PRODUCTS[product].make(each, full="--full" in sys.argv)
else:
    AIRFLOW = PRODUCTS["airflow"].version()
    """The version of the Airflow under test, as ``(3, 3, 2)``."""

    EXCEPTIONS = "airflow.sdk.exceptions" if AIRFLOW >= (3, 2) else "airflow.exceptions"
    """The module that exceptions of Airflow's own name as theirs."""
