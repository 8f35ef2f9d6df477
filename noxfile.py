"""
The full tier: every version of Airflow, hours. ``nox -s full`` runs all cells, ``nox -s "full(2.11.2)"`` one.

What passed goes to ``docs/evidence/airflow.json``, a cell at a time, with versions and date: commit it. Rows that were
run again, ``nox -s "full(2.11.2)" -- test_kinds``, take their places there, and the cell says which those were.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox


sys.path.insert(0, str(Path(__file__).parent / "tests"))

from support.cells import CELLS
from support.evidence import record


nox.options.default_venv_backend = "none"  # the tests run in the development environment, what they test in a cell

MATRIX = (
    *("test_fates", "test_hands", "test_kinds", "test_links", "test_executors"),
    *("test_example_dags", "test_imports", "test_never_in_the_way"),
)
"""The rows that every version has; a row skips itself, with a reason, where the version lacks what it is about."""

NEWEST = "3.3.2"


@nox.session
@nox.parametrize("cell", [NEWEST, *CELLS], ids=[NEWEST, *CELLS])
def full(session: nox.Session, cell: str) -> None:
    """Run every row of the matrix on one version of Airflow."""
    report = Path(session.create_tmp()) / f"{cell}.xml"
    env = {} if cell == NEWEST else {"DAGTRACE_CELL": cell}
    if env:
        session.run(sys.executable, "tests/support/cells.py", cell)
    again = tuple(session.posargs)
    files = [f"tests/e2e/{name}.py" for name in again or MATRIX]
    # A session's end says whether all passed; what did is kept either way.
    session.run(
        *(sys.executable, "-m", "pytest", "-q", "--timeout=900", f"--junitxml={report}", *files),
        env=env,
        success_codes=[0, 1],
    )
    failed = record(cell, report, Path("docs/evidence/airflow.json"), again)
    if failed:
        session.error(f"{cell}: {failed} failed")
