"""The gate's verdict; what it is about is tested with a real Airflow in ``e2e/test_parsing.py``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from dagtrace.airflow.parse_program import Parsed
from dagtrace.cli import main, parse
from dagtrace.cli.parse import Limits


if TYPE_CHECKING:
    from pathlib import Path

SLOW = Parsed(
    "slow.py", 8.273, 1, [], 1801, [("SELECT a FROM b WHERE c = ?", 1800)], {"variable": 3}, [("pandas", 1.0)]
)
CLEAN = Parsed("clean.py", 0.814, 1, [], 5)
BROKEN = Parsed("broken.py", 0.1, 0, ["Traceback\nImportError: no such thing"])


@pytest.mark.parametrize(
    ("limits", "crossed"),
    [
        (Limits(), []),
        (Limits(seconds=8.273, queries=1801, calls=3), []),
        (Limits(seconds=8), ["slow.py: 8.27 s, more than --max-seconds 8"]),
        (
            Limits(queries=1800),
            ["slow.py: 1801 queries, more than --max-queries 1800; 1800 times: SELECT a FROM b WHERE c = ?"],
        ),
        (Limits(calls=2), ["slow.py: 3 API calls, more than --max-calls 2"]),
    ],
)
def test_a_limit_is_crossed_above_it(limits: Limits, crossed: list[str]) -> None:
    """At the limit a file passes, above it one line says which file, how much and which limit."""
    assert limits.crossed([CLEAN, SLOW]) == crossed


def test_what_cannot_be_imported_does_not_pass() -> None:
    """A file that was not measured is not taken for a cheap one, unless errors are allowed."""
    assert Limits().crossed([BROKEN]) == ["broken.py: import errors: 1, more than --max-errors 0"]
    assert Limits(errors=1).crossed([BROKEN]) == []


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_exit_code_and_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    """Every file is shown with its numbers and its loop; the exit code is 1 where a limit is crossed, else 0."""

    def found(folder: Path, log: Path, console: object) -> list[Parsed]:
        return [CLEAN, SLOW]

    monkeypatch.setattr(parse, "_parse", found)
    assert main(["parse", str(tmp_path), *flags]) == 0
    assert main(["parse", str(tmp_path), "--max-queries", "20", *flags]) == 1
    shown, said = capsys.readouterr()
    for text in ("clean.py", "slow.py", "1801", "SELECT a FROM b WHERE c = ?", "pandas"):
        assert text in shown
    assert said.count("--max-queries") == 1


def test_airflow_that_does_not_work_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No numbers is not the same as good numbers: exit code 2, with the end of the log; so it is without a folder."""

    def fails(folder: Path, log: Path, console: object) -> None:
        log.write_text("sqlalchemy: no such database\n")

    monkeypatch.setattr(parse, "_parse", fails)
    assert main(["parse", str(tmp_path)]) == 2
    assert "no such database" in capsys.readouterr().err
    assert main(["parse", str(tmp_path / "none")]) == 2


def test_a_line_of_the_program_is_read_as_it_was() -> None:
    """What the program writes of a file is what the command has."""
    assert Parsed.of(json.loads(json.dumps(asdict(SLOW)))) == SLOW
