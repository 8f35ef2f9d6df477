"""The porch: off means off, on means armed and nothing more, and whatever goes wrong the import goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from pathlib import Path

    from conftest import InPython

REPORT = """
new = sorted(set(sys.modules) - before)
import json, threading
print(json.dumps({
    "new": new,
    "ours": sorted(name for name in sys.modules if name.partition(".")[0] in ("dagtrace", "opentelemetry", "wrapt")),
    "finders": [type(finder).__module__ for finder in sys.meta_path if type(finder).__name__ == "_Finder"],
    "threads": threading.active_count(),
}))
"""

ROOMS = """
import logging, sys, types
logging.basicConfig(format="%(name)s: %(message)s")
opened = []
for room in ("airflow", "spark"):
    sys.modules["dagtrace." + room] = types.SimpleNamespace(watch=lambda room=room: opened.append(room))
"""
"""Stands for the rooms: the porch only has to open them."""


@pytest.fixture
def targets(tmp_path: Path) -> str:
    """Return a PYTHONPATH with dagtrace and an ``airflow`` and a ``pyspark`` that are there in name only."""
    from conftest import SOURCES

    for name in ("airflow", "pyspark"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("value = 1\n")
        (tmp_path / name / "inner.py").write_text("")
    return f"{SOURCES}:{tmp_path}"


def _report(in_python: InPython, code: str, **env: str) -> dict[str, Any]:
    printed = in_python(f"import sys; before = set(sys.modules)\n{code}\n{REPORT}", "-S", **env).stdout
    return json.loads(printed)


@pytest.mark.parametrize("value", [None, "", "0", " False ", "no", "OFF"])
def test_off_is_nothing_at_all(in_python: InPython, targets: str, value: str | None) -> None:
    """While the switch is off the porch itself leaves no finder, no thread and no other module of ours."""
    env = {} if value is None else {"DAGTRACE_ENABLED": value}
    code = "import dagtrace._startup as s; s.main(); s.Door().instrument(); import airflow, pyspark"
    found = _report(in_python, code, PYTHONPATH=targets, **env)
    assert found["ours"] == ["dagtrace", "dagtrace._startup"]
    assert found["finders"] == []
    assert found["threads"] == 1


@pytest.mark.parametrize(("value", "ours"), [(None, []), ("off", []), (" TRUE ", ["dagtrace", "dagtrace._startup"])])
def test_the_start_up_line_reads_the_switch_first(in_python: InPython, value: str | None, ours: list[str]) -> None:
    """The line that every Python of the machine runs imports nothing of ours unless the switch is on."""
    from conftest import SOURCES

    line = (SOURCES / "dagtrace.pth").read_text().strip()
    assert "\n" not in line, "site executes each line of a .pth file on its own"
    found = _report(in_python, line, **({} if value is None else {"DAGTRACE_ENABLED": value}))
    assert found["ours"] == ours


def test_on_arms_one_finder_and_imports_the_standard_library_only(in_python: InPython) -> None:
    """Every Python process of the machine pays for this: no typing, no logging, nothing installed, nothing started."""
    found = _report(in_python, "import dagtrace._startup as s; s.main(); s.main()", DAGTRACE_ENABLED="true")
    assert found["ours"] == ["dagtrace", "dagtrace._startup"]
    assert found["finders"] == ["dagtrace._startup"]
    assert found["threads"] == 1
    assert not {"typing", "logging", "re", "importlib.metadata"} & set(found["new"])


@pytest.mark.parametrize(
    ("env", "opened"),
    [
        ({}, ["spark", "airflow"]),
        ({"DAGTRACE_ENABLED": "YES "}, ["spark", "airflow"]),
        ({"OTEL_SDK_DISABLED": "True"}, []),
        ({"OTEL_SDK_DISABLED": "false"}, ["spark", "airflow"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests, airflow"}, ["spark"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "pyspark"}, ["airflow"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, []),
    ],
)
def test_a_room_opens_once_its_target_is_imported(
    in_python: InPython, targets: str, env: dict[str, str], opened: list[str]
) -> None:
    """Each room opens with its target, once however often the porch runs, unless the user said no to it."""
    code = f"""{ROOMS}
import dagtrace._startup as s
s.main(); s.main(); s.Door().instrument()
assert opened == []
import pyspark.inner, airflow, pyspark, airflow.inner
assert (airflow.value, pyspark.value) == (1, 1)
assert opened == {opened}, opened
assert "exec_module" not in vars(airflow.__spec__.loader)
"""
    assert in_python(code, PYTHONPATH=targets, **({"DAGTRACE_ENABLED": "true"} | env)).stderr == ""


def test_a_target_that_is_already_there_opens_at_once(in_python: InPython, targets: str) -> None:
    """The entry points may come after the import."""
    code = f"{ROOMS}\nimport airflow\nimport dagtrace._startup\nassert opened == ['airflow'], opened"
    in_python(code, PYTHONPATH=targets, DAGTRACE_ENABLED="1")


def test_a_room_that_fails_is_one_warning(in_python: InPython, targets: str) -> None:
    """Airflow's import goes on whatever is wrong with us: a failing policy would break every command."""
    code = f"""{ROOMS}
def fail(): raise RuntimeError("no such place")
sys.modules["dagtrace.airflow"].watch = fail
import dagtrace._startup, airflow
assert airflow.value == 1
"""
    done = in_python(code, PYTHONPATH=targets, DAGTRACE_ENABLED="true")
    assert done.stderr == "dagtrace: dagtrace could not start: RuntimeError: no such place\n"


def test_nonsense_in_the_switch_is_one_warning(in_python: InPython, targets: str) -> None:
    """A switch nobody understands stays off, and says so once, only where there would be something to trace."""
    code = f"{ROOMS}\nimport dagtrace._startup as s\ns.main()\nimport airflow, pyspark\ns.main()\nassert not opened"
    done = in_python(code, PYTHONPATH=targets, DAGTRACE_ENABLED="maybe")
    assert done.stderr == (
        "dagtrace: DAGTRACE_ENABLED='maybe' is ignored: expected true or false; dagtrace stays off\n"
    )
    assert in_python("import dagtrace._startup", DAGTRACE_ENABLED="maybe").stderr == ""


def test_a_target_that_fails_to_import_fails_as_before(in_python: InPython, targets: str, tmp_path: Path) -> None:
    """The user's ImportError passes as it is; the room stays shut until an import succeeds."""
    (tmp_path / "airflow" / "__init__.py").write_text(
        "import sys\nif not hasattr(sys, 'ready'): raise ValueError('no')\n"
    )
    code = f"""{ROOMS}
import dagtrace._startup
try:
    import airflow
except ValueError as error:
    assert str(error) == "no"
else:
    raise AssertionError
assert opened == [] and "airflow" not in sys.modules
sys.ready = True
import airflow
assert opened == ["airflow"], opened
"""
    in_python(code, PYTHONPATH=targets, DAGTRACE_ENABLED="true")


def test_a_target_that_is_not_installed_is_not_found(in_python: InPython, tmp_path: Path) -> None:
    """A machine without Spark gets the ModuleNotFoundError it always got."""
    code = "import dagtrace._startup\ntry:\n    import pyspark\nexcept ModuleNotFoundError as e:\n    print(e)"
    assert in_python(code, "-S", DAGTRACE_ENABLED="true").stdout == "No module named 'pyspark'\n"


def test_two_threads_that_import_at_once_both_get_the_module(in_python: InPython, targets: str, tmp_path: Path) -> None:
    """The finder keeps no state across an import that another thread could trip over."""
    (tmp_path / "airflow" / "__init__.py").write_text("import time\ntime.sleep(0.1)\nvalue = 1\n")
    code = f"""{ROOMS}
import threading
import dagtrace._startup
got = []
def load():
    import airflow
    got.append(airflow.value)
threads = [threading.Thread(target=load) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert got == [1] * 4 and opened == ["airflow"], (got, opened)
"""
    in_python(code, PYTHONPATH=targets, DAGTRACE_ENABLED="true")
