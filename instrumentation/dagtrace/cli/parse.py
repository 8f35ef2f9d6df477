"""
``dagtrace parse``: what each DAG file costs to parse, and a gate for CI.

Every file is parsed as Airflow's dag processor would, in a process of its own, and nothing is stored. Where a file asks
for Variables or Connections, Airflow's database is asked, as it would be. Exit code: 0, or 1 where a limit is crossed
or a file cannot be imported, or 2 where Airflow itself does not work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dagtrace.airflow.parse_program import Parsed


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

_LAST_LINES = 20

_SHOWN = 0.005
"""Seconds of an import that are not shown as 0.00."""


@dataclass(frozen=True)
class Limits:
    """What one file may cost; None is no limit."""

    seconds: float | None = None
    queries: int | None = None
    calls: int | None = None
    errors: int = 0
    """A file that cannot be imported has not been measured: by default it does not pass."""

    def crossed(self, files: Sequence[Parsed]) -> list[str]:
        """Return a line for each limit that a file crosses."""
        found: list[str] = []
        for file in files:
            costs: list[tuple[str, str, float, float | None]] = [
                ("max-seconds", f"{file.seconds:.2f} s", file.seconds, self.seconds),
                ("max-queries", f"{file.queries} queries", file.queries, self.queries),
                ("max-calls", f"{sum(file.calls.values())} API calls", sum(file.calls.values()), self.calls),
                ("max-errors", f"import errors: {len(file.errors)}", len(file.errors), self.errors),
            ]
            for name, text, value, limit in costs:
                if limit is not None and value > limit:
                    why = _why(file) if name == "max-queries" else ""
                    found.append(f"{file.path}: {text}, more than --{name} {limit:g}{why}")
        return found


def _why(file: Parsed) -> str:
    if not file.repeated:
        return ""
    text, times = file.repeated[0]
    return f"; {times} times: {text[:200]}"


def run(folder: str, limits: Limits, *, as_json: bool = False) -> int:
    """Parse, print and judge; return the exit code."""
    from rich.console import Console

    path = Path(folder).resolve()
    if not path.is_dir():
        print(f"dagtrace parse: {folder} is no folder", file=sys.stderr)
        return 2
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        files = _parse(path, log, Console(stderr=True))
        if files is None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
            print("\n".join([*lines, "dagtrace parse: Airflow could not parse the files"]), file=sys.stderr)
            return 2
    crossed = limits.crossed(files)
    if as_json:
        print(json.dumps([vars(file) for file in files], indent=2))
    else:
        _draw(console, files)
    for line in crossed:
        print(f"dagtrace parse: {line}", file=sys.stderr)
    return 1 if crossed else 0


def _parse(folder: Path, log: Path, console: Console) -> list[Parsed] | None:
    """Return what was seen of each file, behind a progress bar; None where the program failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress, log.open("wb") as output:
        task = progress.add_task("importing Airflow", total=None)

        def lines(out: IO[str]) -> Iterator[dict[str, Any]]:
            for line in out:
                yield json.loads(line)

        def read(out: IO[str]) -> list[Parsed]:
            found: list[Parsed] = []
            for line in lines(out):
                if "files" in line:
                    progress.update(task, total=line["files"], description="parsing")
                    continue
                found.append(Parsed.of(line))
                progress.update(task, advance=1, description=found[-1].path)
            return found

        return _ask(folder, output, read)


def _ask(folder: Path, log: IO[bytes], read: Callable[[IO[str]], list[Parsed]]) -> list[Parsed] | None:
    """Run the program; its output and that of the DAG files goes to the log."""
    here, there = os.pipe()
    env = {
        **os.environ,
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(Path(log.name).parent),
        "DAGTRACE_ENABLED": "false",  # a gate is no dag processor: nothing is told
    }
    command = [sys.executable, "-m", "dagtrace.airflow.parse_program", str(folder), str(there)]
    with subprocess.Popen(command, env=env, pass_fds=[there], stdout=log, stderr=log) as process:
        os.close(there)
        with os.fdopen(here, encoding="utf-8") as out:
            found = read(out)
        return None if process.wait() else found


def _draw(console: Console, files: Sequence[Parsed]) -> None:
    from rich.table import Table
    from rich.text import Text

    files = sorted(files, key=lambda file: -file.seconds)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", overflow="fold")
    for name in ("seconds", "DAGs", "queries", "repeated", "API calls", "errors"):
        table.add_column(name, justify="right")
    table.add_column("slowest imports (seconds)", overflow="fold")
    for file in files:
        calls = ", ".join(f"{times} {purpose}" for purpose, times in sorted(file.calls.items())) or "0"
        imports = ", ".join(f"{package} {seconds:.2f}" for package, seconds in file.imports[:3] if seconds >= _SHOWN)
        repeated = str(sum(times for _, times in file.repeated))
        numbers = (f"{file.seconds:.2f}", str(file.dags), str(file.queries), repeated, calls, str(len(file.errors)))
        table.add_row(*map(Text, (file.path, *numbers, imports)))
    console.print(table)
    for file in files:
        for text, times in file.repeated:
            console.print(Text(f"\n{file.path}: {times} times: {text}"), soft_wrap=True)
        for error in filter(str.strip, file.errors):
            console.print(Text(f"\n{file.path}: {error.strip().splitlines()[-1]}"), soft_wrap=True)
    total = sum(file.seconds for file in files)
    console.print(f"\n{len(files)} files, {sum(file.dags for file in files)} DAGs, {total:.2f} s one after the other")
