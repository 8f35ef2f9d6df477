"""
What a DAG file costs to parse: told by a real dag processor, and judged by ``dagtrace parse``.

The truth is a listener of the test's own on SQLAlchemy, in ``airflow_local_settings.py``, which every process of
Airflow loads. Whose statement it is, it reads off the stack of the process's main thread.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.airflow import asking, environment, run
from support.cells import AIRFLOW, BIN
from support.metrics import totals


if TYPE_CHECKING:
    from pathlib import Path

    from support.postgres import Postgres

pytestmark = pytest.mark.real

LISTENER = """
import json
import os
import sys
import threading

from sqlalchemy import event
from sqlalchemy.engine import Engine

WHERE = {names}
truth = os.open({truth!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)


@event.listens_for(Engine, "before_cursor_execute")
def see(connection, cursor, statement, *_):
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if WHERE & {{frame.f_code.co_name, os.path.basename(frame.f_code.co_filename)}}:
            os.write(truth, (json.dumps(statement) + "\\n").encode())
            return
        frame = frame.f_back
"""

CLEAN = """
from airflow.models.dag import DAG

with DAG("clean", schedule=None):
    pass
with DAG("clean_too", schedule=None):
    pass
"""

BROKEN = """
from airflow import no_such_thing, DAG
"""

N_PLUS_1 = """
import sqlalchemy as sa

from airflow.models.dag import DAG

if {sdk}:
    from airflow.sdk import Variable
else:
    from airflow.models import Variable
try:
    from airflow.sdk.bases.hook import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook

with sa.create_engine("sqlite://").connect() as connection:
    for number in range({loop}):
        connection.execute(sa.text("select " + str(number)))
for number in range(12):
    Variable.get("batch")
BaseHook.get_connection("warehouse")
with DAG("n_plus_1", schedule=None):
    pass
"""

LOOP = 25
FILES = ("broken.py", "clean.py", "n_plus_1.py")


@dataclass
class Home:
    """An Airflow whose statements are counted, and a folder of DAG files."""

    folder: Path
    env: dict[str, str]
    dags: Path
    truth: Path

    @property
    def traces(self) -> Path:
        """Where spans and metrics are."""
        return self.folder / "traces"

    def statements(self, *where: str) -> None:
        """Begin counting those below functions and files of these names."""
        settings = self.folder / "airflow" / "config" / "airflow_local_settings.py"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(LISTENER.format(names=set(where), truth=str(self.truth)))
        self.truth.write_text("")

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask Airflow's database, past its code and ours."""
        return asking(self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])(sql)

    def seen(self) -> list[str]:
        """Return the statements counted so far."""
        return [json.loads(line) for line in self.truth.read_text().splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Home:
    """Return an Airflow with a Variable, a Connection and three files: clean, broken, and one with loops."""
    folder = tmp_path_factory.mktemp("parsing")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "clean.py").write_text(CLEAN)
    (dags / "broken.py").write_text(BROKEN)
    (dags / "n_plus_1.py").write_text(N_PLUS_1.format(sdk=AIRFLOW >= (3,), loop=LOOP))
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.database(),
        "AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR": "true",  # of Airflow 2
    }
    env = environment(folder / "airflow", folder / "traces", settings)
    quiet = {**env, "DAGTRACE_ENABLED": "false"}
    run(quiet, "airflow", "db", "migrate")
    run(quiet, "airflow", "variables", "set", "batch", "10")
    run(quiet, "airflow", "connections", "add", "warehouse", "--conn-uri", "postgres://user:secret@db/x")
    return Home(folder, env, dags, folder / "truth")


def parse(home: Home, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run ``dagtrace parse`` over the folder."""
    command = [str(BIN / "dagtrace"), "parse", str(home.dags), *flags]
    return subprocess.run(command, env=home.env, timeout=240, text=True, capture_output=True, check=False)


def test_the_dag_processor_tells_what_files_cost(home: Home) -> None:
    """Queries are as many as SQLAlchemy ran for the files, calls and DAGs those in the files; the loop is named."""
    home.statements(
        *("_handle_request", "persist_parsing_result", "process_parse_results")
        if AIRFLOW >= (3,)
        else ("process_file",)
    )
    run(home.env, "airflow", "dag-processor", "--num-runs", "1")
    told = totals(home.traces, "airflow.dag_file.parse.db_queries", "airflow.dag_file.path")
    assert {path for (path,) in told} == set(FILES)
    assert sum(told.values()) == len(home.seen()) > LOOP
    calls = totals(
        home.traces,
        "airflow.dag_file.parse.api_calls",
        *("airflow.dag_file.path", "airflow.api_call.purpose"),
    )
    assert {key: count for key, count in calls.items() if count} == {
        ("n_plus_1.py", "variable"): 12,
        ("n_plus_1.py", "connection"): 1,
    }
    assert totals(home.traces, "airflow.dag_file.parse.duration", "airflow.dag_file.path").keys() == told.keys()
    spans = {attributes["airflow.dag_file.path"]: attributes for attributes in parse_spans(home.traces)}
    assert spans.keys() == set(FILES)
    errors = home.query("select filename from import_error")
    assert {path: spans[path]["airflow.dag_file.import_errors"] for path in FILES} == {
        path: sum(row["filename"].endswith(path) for row in errors) for path in FILES
    }
    stored = home.query("select fileloc from dag")
    assert {path: spans[path]["airflow.dag_file.dags"] for path in FILES} == {
        path: sum(row["fileloc"].endswith(path) for row in stored) for path in FILES
    }
    # Airflow 2 has loops of its own, to store permissions: the clean file's are not empty there.
    loops = {path: attributes.get("airflow.dag_file.repeated_statements", ()) for path, attributes in spans.items()}
    assert {path for path, repeated in loops.items() if "SELECT variable" in repeated} == {"n_plus_1.py"}


def parse_spans(traces: Path) -> list[dict[str, Any]]:
    """Return the attributes of the spans that tell parses."""
    found: list[dict[str, Any]] = []
    for file in traces.glob("traces*.jsonl"):
        for line in file.read_text().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
                    if span["name"] == "dag_file.parse":
                        pairs = {pair["key"]: _value(pair["value"]) for pair in span["attributes"]}
                        found.append(pairs)
    return found


def _value(value: dict[str, Any]) -> Any:
    if "arrayValue" in value:
        return [_value(item) for item in value["arrayValue"].get("values", ())]
    kind, plain = next(iter(value.items()))
    return int(plain) if kind == "intValue" else plain


def test_the_gate_counts_as_sqlalchemy_does(home: Home) -> None:
    """Each number of ``dagtrace parse`` is that of the test's listener or of the file; nothing is stored or told."""
    home.statements("_handle_request", *FILES)
    before = {name: home.query(f"select * from {name}") for name in ("dag", "import_error")}  # noqa: S608
    traces = {file.name: file.stat().st_size for file in home.traces.glob("*")}
    done = parse(home, "--json", "--max-errors", "1")
    assert done.returncode == 0, done.stderr
    files = {file["path"]: file for file in json.loads(done.stdout)}
    assert {path: (file["dags"], len(file["errors"])) for path, file in files.items()} == {
        "broken.py": (0, 1),
        "clean.py": (2, 0),
        "n_plus_1.py": (1, 0),
    }
    seen = home.seen()
    assert files["n_plus_1.py"]["queries"] == len(seen) >= LOOP + 13
    assert files["clean.py"]["queries"] == files["broken.py"]["queries"] == 0
    assert files["n_plus_1.py"]["calls"] == {"variable": 12, "connection": 1}
    in_loop = Counter(statement.split()[0].lower() for statement in seen)["select"]
    assert dict(map(tuple, files["n_plus_1.py"]["repeated"]))["select ?"] == LOOP
    assert sum(times for _, times in files["n_plus_1.py"]["repeated"]) <= in_loop
    assert {name: home.query(f"select * from {name}") for name in before} == before  # noqa: S608
    assert {file.name: file.stat().st_size for file in home.traces.glob("*")} == traces


def test_the_gate_flags_a_planted_loop(home: Home) -> None:
    """With the loop there the exit code is 1 and one line says why; without that file, and the broken one, it is 0."""
    done = parse(home, "--max-queries", "20", "--max-seconds", "600", "--max-errors", "1")
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dagtrace parse:")]
    assert line.startswith("dagtrace parse: n_plus_1.py: ")
    assert line.endswith(f"more than --max-queries 20; {LOOP} times: select ?")
    (home.dags / ".airflowignore").write_text("n_plus_1.py\nbroken.py\n")
    done = parse(home, "--max-queries", "20", "--max-seconds", "600")
    (home.dags / ".airflowignore").unlink()
    assert done.returncode == 0, done.stderr
    assert "clean.py" in done.stdout
    assert "n_plus_1.py" not in done.stdout
