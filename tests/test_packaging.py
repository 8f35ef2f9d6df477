"""The switch: off means off in a wheel and in an editable install, on means on, and the wheel holds what it must."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


pytestmark = pytest.mark.real

ROOT = Path(__file__).parent.parent

PROBE = """
import sys, threading, json, pathlib, os
{imports}
runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
context = sys.modules.get("pyspark.core.context")
print(json.dumps({{
    "modules": sorted(m for m in sys.modules if m.partition(".")[0] == "dagtrace"),
    "threads": [t.name for t in threading.enumerate() if t.name.startswith("dagtrace")],
    "finders": [type(f).__name__ for f in sys.meta_path if "dagtrace" in type(f).__module__],
    "patches": ["FunctionWrapper" in type(f).__name__ for f in (
        runner and runner._run_execute_callable, context and context.SparkContext._do_init) if f],
    "files": os.path.exists(os.environ["DAGTRACE_HOME"]),
}}))
"""
IMPORTS = {
    "nothing": "",
    "airflow": "import airflow.sdk.execution_time.task_runner, airflow.settings",
    "pyspark": "import pyspark.core.context",
    "opentelemetry-instrument": """
from importlib.metadata import entry_points
for door in entry_points(group="opentelemetry_instrumentor"):
    door.load()().instrument(skip_dep_check=True)
""",
}
ALLOWED = {"dagtrace", "dagtrace._startup"}


def uv(*command: str) -> None:
    """Run uv, which is one of the test group's packages."""
    subprocess.run([sys.executable, "-m", "uv", "-q", *command], cwd=ROOT, check=True, timeout=600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheel_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a venv that has the wheel, Airflow and PySpark, as the lock file has them."""
    folder = tmp_path_factory.mktemp("venv")
    locked = folder / "requirements.txt"
    uv(
        "export",
        "--frozen",
        "--no-emit-project",
        "--no-default-groups",
        "--group",
        "demo",
        "--no-hashes",
        "-o",
        str(locked),
    )
    uv("venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--python", str(python), "--no-deps", "-r", str(locked), str(wheel))
    return python


@pytest.fixture(params=["wheel", "editable"])
def python(request: pytest.FixtureRequest) -> Path:
    """Return the Python of an environment with dagtrace in it, by wheel and editable."""
    return request.getfixturevalue("wheel_python") if request.param == "wheel" else Path(sys.executable)


def probe(python: Path, imports: str, home: Path, switch: str | None) -> dict[str, object]:
    """Start an interpreter, import, and return what of dagtrace is in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DAGTRACE", "AIRFLOW", "PYTHONPATH", "OTEL"))}
    env = {**kept, "DAGTRACE_HOME": str(home / "dagtrace"), "AIRFLOW_HOME": str(home / "airflow")}
    if switch is not None:
        env["DAGTRACE_ENABLED"] = switch
    code = PROBE.format(imports=IMPORTS[imports])
    done = subprocess.run(
        [str(python), "-c", code], env=env, cwd=home, text=True, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("imports", IMPORTS)
@pytest.mark.parametrize("switch", [None, "false"])
def test_off_means_off(python: Path, imports: str, switch: str | None, tmp_path: Path) -> None:
    """While off, at most the empty package and ``_startup`` are imported: no thread, no patch, no finder, no file."""
    found = probe(python, imports, tmp_path, switch)
    assert set(found["modules"]) <= ALLOWED  # type: ignore[call-overload]
    assert found["threads"] == []
    assert found["finders"] == []
    assert not any(found["patches"])  # type: ignore[arg-type]
    assert found["files"] is False


@pytest.mark.parametrize("imports", ["airflow", "pyspark"])
def test_on_means_on(python: Path, imports: str, tmp_path: Path) -> None:
    """With the switch alone the target is patched; nothing is started or written before there is anything to tell."""
    found = probe(python, imports, tmp_path, "true")
    assert found["patches"] == [True]
    assert found["threads"] == []
    assert found["files"] is False


def test_on_costs_a_bare_interpreter_two_modules(python: Path, tmp_path: Path) -> None:
    """A process that imports neither Airflow nor PySpark sees the porch, and one finder."""
    found = probe(python, "nothing", tmp_path, "true")
    assert set(found["modules"]) == ALLOWED  # type: ignore[call-overload]
    assert found["finders"] == ["_Finder"]


def test_the_wheel_holds_the_jar_and_the_startup_files(wheel: Path) -> None:
    """The wheel has the listener's jar, the start-up files and the example, and no stub or test."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "dagtrace.pth",
        "dagtrace.start",
        "dagtrace/_startup.py",
        "dagtrace/py.typed",
        "dagtrace/spark/listener/dagtrace-spark.jar",
        "dagtrace/examples/flights.py",
    } <= names
    assert not [name for name in names if "stubs" in name or name.startswith(("tests", "org"))]
