"""What a process dies of, as its interpreter has it at exit; each case in a Python of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dagtrace.record import SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.spark.uncaught import failed, first_line


SOURCES = Path(__file__).parents[2] / "instrumentation"
ASKS = """
import atexit, sys
@atexit.register
def ask():
    from dagtrace.spark.uncaught import uncaught
    sys.stdout.write(f"DIED OF {uncaught()!r}\\n")
"""
DIES = "raise ValueError('mine')"
SURVIVORS = {
    "nothing": "",
    "sys.exit": "sys.exit(3)",
    "Ctrl-C": "raise KeyboardInterrupt",
    "caught": f"try:\n    {DIES}\nexcept ValueError:\n    pass",
    "an embedded prompt": f"import code\ncode.InteractiveInterpreter().runsource({DIES!r})",
    "a test runner": f"def run():\n    try:\n        {DIES}\n    except ValueError as e:\n"
    "        sys.last_value, sys.last_traceback = e, e.__traceback__\nrun()",
    "a thread": f"import threading\ndef work():\n    {DIES}\nt = threading.Thread(target=work)\nt.start()\nt.join()",
}


def ends(code: str, folder: Path, *how: str) -> str:
    """Run a program that asks at its exit; return what it heard."""
    (folder / "program.py").write_text(ASKS + code)
    done = subprocess.run(
        [sys.executable, *(how or ("program.py",))],
        cwd=folder,
        env={"PYTHONPATH": f"{SOURCES}:{folder}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("DIED OF"))
    return line.removeprefix("DIED OF ")


@pytest.mark.parametrize("how", [("program.py",), ("-m", "program"), ("-c", "import runpy, program")])
def test_an_exception_nobody_caught(tmp_path: Path, how: tuple[str, ...]) -> None:
    """A script, a module, a command: what went through the program's own frame is what it died of."""
    hook = "sys.excepthook = lambda *error: None\n"
    assert ends(hook + DIES, tmp_path, *how) == "ValueError('mine')"


@pytest.mark.parametrize("code", SURVIVORS.values(), ids=SURVIVORS)
def test_what_nobody_died_of(tmp_path: Path, code: str) -> None:
    """An exit code, Ctrl-C, and exceptions somebody caught, prompts and test runners among them, are no error."""
    assert ends(code, tmp_path) == "None"


def test_an_interactive_session_goes_on(tmp_path: Path) -> None:
    """``python -i`` keeps the exception and the session; it does not die of it."""
    assert ends(DIES, tmp_path, "-i", "program.py") == "None"


def test_what_it_says() -> None:
    """The first line with words, masked; PySpark's exceptions are not asked for their JVM's part."""

    class Captured(Exception):  # noqa: N818 - as PySpark's
        _desc = "\n[PARSE] token=abc wrong\nmore"

        def __str__(self) -> str:
            raise AssertionError

    record = SpanRecord("spark.application a", 1, 2, None, 3, 4)
    assert failed(record, None) is record
    told = failed(record, Captured())
    assert told.attributes[names.ERROR_TYPE] == "Captured"
    assert told.error == "Captured: [PARSE] token=*** wrong"
    assert first_line(ValueError("")) == ""
