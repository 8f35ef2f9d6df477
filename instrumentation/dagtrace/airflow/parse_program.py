"""
Parses every DAG file of a folder, each in a process of its own: the program behind ``dagtrace parse``.

It runs beside the command, not in it, because Airflow and DAG files print. What it finds goes to the file descriptor it
is given, a line of JSON for each file (`Parsed`), after one with the number of files.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dagtrace.airflow.statements import Tally

_SLOWEST = 5
"""Packages told of the imports of a file."""

_REPEATED = 5
"""Statements told of a file that repeats some."""


@dataclass
class Parsed:
    """What was seen of one file."""

    path: str
    """Relative to the folder."""
    seconds: float = 0.0
    """From the start of its process to its end."""
    dags: int = 0
    errors: list[str] = field(default_factory=list[str])
    queries: int = 0
    repeated: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Statements without their values, and how often each ran; the most frequent first."""
    calls: dict[str, int] = field(default_factory=dict[str, int])
    """Requests to Airflow's API by what they are for: variable, connection, xcom, other."""
    imports: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """Packages whose imports took longest, in seconds."""

    def asked(self, tally: Tally) -> None:
        """Take over what the parse asked for."""
        self.queries, self.calls = tally.queries, dict(tally.calls)
        self.repeated = tally.repeated[:_REPEATED]

    @staticmethod
    def of(data: Mapping[str, Any]) -> Parsed:
        """Read a line of the program's."""
        pairs: dict[str, Any] = {name: [tuple(pair) for pair in data[name]] for name in ("repeated", "imports")}
        return Parsed(**{**data, **pairs})


def measured(parse: Callable[[], Any], write: Callable[[str], object]) -> Any:
    """In the process that parses a file: parse, and write what was imported and asked for; return the result."""
    from dagtrace.airflow import statements
    from dagtrace.airflow.imports import ImportTimes

    statements.listen()
    tally = statements.Tally()
    with ImportTimes() as imports, statements.taking(tally):
        result = parse()
    found = {"imports": imports.slowest(_SLOWEST), "queries": tally.queries}
    write(json.dumps({**found, "statements": tally.statements, "calls": tally.calls}))
    return result


def told(parsed: Parsed, text: str, tally: Tally) -> None:
    """Take over what ``measured`` wrote, and what was asked elsewhere for the same file."""
    from dagtrace.airflow.statements import Tally

    found: dict[str, Any] = json.loads(text) if text else {}
    inside = Tally(found.get("queries", 0))
    inside.statements.update(found.get("statements", {}))
    inside.calls.update(found.get("calls", {}))
    inside.add(tally)
    parsed.asked(inside)
    parsed.imports = [cast("tuple[str, float]", tuple(pair)) for pair in found.get("imports", [])]


def main(folder: Path, out: IO[str]) -> None:
    """Parse the files below ``folder`` one after the other; write a line for each."""
    from dagtrace.airflow.compat import parser

    parse, files = parser.open_folder(folder)
    print(json.dumps({"files": len(files)}), file=out, flush=True)
    for file in files:
        print(json.dumps(asdict(parse(file))), file=out, flush=True)


def run(arguments: Sequence[str]) -> None:
    """Run as a program: folder and file descriptor."""
    descriptor = int(arguments[1])
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only argument
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        main(Path(arguments[0]), out)


if __name__ == "__main__":
    run(sys.argv[1:])
