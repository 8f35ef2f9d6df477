"""
The full tier: every version of Airflow and Spark, hours. ``nox -s full`` runs all cells, ``nox -s "full(2.11.2)"`` one.

``nox -s spark`` is Spark's half of it. What passed goes to ``docs/evidence``, a cell at a time, with versions and
date: commit it. Rows that were run again, ``nox -s "full(2.11.2)" -- test_kinds``, take their places there, and the
cell says which those were.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox


sys.path.insert(0, str(Path(__file__).parent / "tests"))

from support.cells import PRODUCTS, Product
from support.evidence import record


nox.options.default_venv_backend = "none"  # the tests run in the development environment, what they test in a cell

MATRIX = (
    *("test_fates", "test_hands", "test_kinds", "test_links", "test_executors", "test_spark_submit"),
    *("test_example_dags", "test_imports", "test_parsing", "test_never_in_the_way"),
    *("test_numbers", "test_time", "test_ui_links"),
)
FOLDERS = {"airflow": "tests/e2e", "spark": "tests/spark"}
ROWS = {"airflow": [f"tests/e2e/{name}.py" for name in MATRIX], "spark": ["-m", "real", "tests/spark"]}
"""The rows that every version has; a row skips itself, with a reason, where the version lacks what it is about."""

NEWEST_AIRFLOW = "3.3.2"
NEWEST_SPARK = "4.3.0"

AIRFLOW, SPARK = PRODUCTS["airflow"], PRODUCTS["spark"]
AIRFLOWS = [NEWEST_AIRFLOW, *AIRFLOW.days]
SPARKS = [NEWEST_SPARK, *SPARK.days]


@nox.session
@nox.parametrize("cell", [*AIRFLOWS, *SPARKS], ids=[*AIRFLOWS, *SPARKS])
def full(session: nox.Session, cell: str) -> None:
    """Run every row of the matrix on one version of Airflow, or every driver of the tests on one of Spark."""
    _run(session, AIRFLOW if cell in AIRFLOWS else SPARK, cell)


@nox.session
@nox.parametrize("cell", SPARKS, ids=SPARKS)
def spark(session: nox.Session, cell: str) -> None:
    """Run Spark's half alone."""
    _run(session, SPARK, cell)


def _run(session: nox.Session, product: Product, cell: str) -> None:
    report = Path(session.create_tmp()) / f"{cell}.xml"
    env = {product.variable: cell} if cell in product.days else {}
    if env:
        session.run(sys.executable, "tests/support/cells.py", product.name, cell, "--full")
    again = tuple(session.posargs)
    rows = [f"{FOLDERS[product.name]}/{name}.py" for name in again] or ROWS[product.name]
    # A session's end says whether all passed; what did is kept either way.
    session.run(
        *(sys.executable, "-m", "pytest", "-q", "--timeout=900", f"--junitxml={report}", *rows),
        env=env,
        success_codes=[0, 1],
    )
    failed = record(product, cell, report, again)
    if failed:
        session.error(f"{cell}: {failed} failed")
