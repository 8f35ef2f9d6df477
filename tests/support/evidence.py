"""What the full tier leaves behind: which tests passed on which versions, and when."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from support.cells import ROOT, Product


if TYPE_CHECKING:
    from pathlib import Path

NAMED = ("apache-airflow", "pyspark", "opentelemetry-sdk", "sqlalchemy", "py4j", "pandas", "pyarrow", "dagtrace")
"""Packages whose version goes into the evidence, as far as they are installed and the product depends on them."""

FOREIGN = {"airflow": {"pyspark", "py4j", "pandas", "pyarrow"}, "spark": {"apache-airflow", "sqlalchemy"}}
"""What a cell lacks and the development environment has; it says nothing of the product."""


def record(product: Product, cell: str, report: Path, again: tuple[str, ...] = ()) -> int:
    """
    Put a cell's outcome, from pytest's JUnit report, into ``docs/evidence``; return how many tests failed.

    ``again`` names the files that were run again: the cell keeps its other outcomes, and says of these when that was.
    """
    into = ROOT / "docs" / "evidence" / f"{product.name}.json"
    document: dict[str, Any] = json.loads(into.read_text(encoding="utf-8")) if into.exists() else {}
    outcomes: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        kinds = {child.tag: child.get("message", "") for child in case}
        bad = kinds.keys() & {"failure", "error"}
        outcome = "failed" if bad else f"skipped: {kinds['skipped']}" if "skipped" in kinds else "passed"
        outcomes[f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"] = outcome
    today = datetime.now(timezone.utc).date().isoformat()
    before: dict[str, Any] = document.get(cell, {}) if again else {}
    failed = Counter(outcome.partition(":")[0] for outcome in outcomes.values())["failed"]
    others = {
        name: outcome for name, outcome in before.get("tests", {}).items() if name.partition("::")[0] not in again
    }
    outcomes = {**others, **outcomes}
    counts = Counter(outcome.partition(":")[0] for outcome in outcomes.values())
    document[cell] = {
        "date": before.get("date", today),
        "again": {**before.get("again", {}), **dict.fromkeys(again, today)},
        "python": platform.python_version(),
        "packages": _packages(product, cell),
        "counts": dict(counts),
        "tests": dict(sorted(outcomes.items())),
    }
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(json.dumps(dict(sorted(document.items())), indent=1) + "\n", encoding="utf-8")
    return failed


def _packages(product: Product, cell: str) -> dict[str, str]:
    python = product.folder(cell) / "bin" / "python"
    wanted = [name for name in NAMED if name not in FOREIGN[product.name]]
    code = (
        "import importlib.metadata as m, json, sys; has = {d.name.lower() for d in m.distributions()};"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if n in has}))"
    )
    command = [str(python) if python.exists() else sys.executable, "-c", code, *wanted]
    return json.loads(subprocess.run(command, text=True, capture_output=True, check=True).stdout)
