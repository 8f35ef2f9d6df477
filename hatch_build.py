"""
Build hook: every wheel carries the Spark listener's jar, compiled here from its sources, also in an editable install.

It takes a JDK and nothing else: the Spark and Scala classes are stubs beside the sources (``listener/stubs``). The jar
is reproducible (sorted names, one date) and in class file format 52, which Java 8 reads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


LISTENER = Path(__file__).parent / "instrumentation" / "dagtrace" / "spark" / "listener"
JAR = LISTENER / "dagtrace-spark.jar"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first date a zip file can hold."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Makes the jar before hatchling collects the files of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile unless the jar is newer than everything it is made of."""
        inputs = [Path(__file__), *LISTENER.rglob("*.java")]
        if not JAR.exists() or JAR.stat().st_mtime <= max(path.stat().st_mtime for path in inputs):
            make_jar(JAR)


def make_jar(jar: Path, classpath: str | None = None) -> None:
    """Compile the listener, against the stubs unless ``classpath`` names real Spark jars, and write it to ``jar``."""
    with tempfile.TemporaryDirectory() as folder:
        classes = Path(folder)
        _compile(classes, ["-classpath", classpath] if classpath else ["-sourcepath", str(LISTENER / "stubs")])
        unfinished = jar.with_suffix(".unfinished")  # two builds at once must not see each other's half
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(classes.rglob("*.class")):
                entry = zipfile.ZipInfo(path.relative_to(classes).as_posix(), EPOCH)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
        unfinished.replace(jar)


def _compile(classes: Path, where: list[str]) -> None:
    sources = sorted(str(path) for path in LISTENER.glob("io/**/*.java"))
    # -implicit:none: the stubs are read, never written.
    flags = ["--release", "8", "-Xlint:-options", "-proc:none", "-implicit:none", "-encoding", "UTF-8"]
    try:
        done = subprocess.run(
            [javac(), *flags, *where, "-d", str(classes), *sources], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RuntimeError(f"dagtrace: javac could not be started ({error}). Install a JDK (9 or newer).") from None
    if done.returncode:
        raise RuntimeError(f"dagtrace: javac failed to compile the Spark listener:\n{done.stdout}{done.stderr}")


def javac() -> str:
    """Return the compiler of ``JAVA_HOME``, else the one on ``PATH``."""
    home = os.environ.get("JAVA_HOME")
    found = (shutil.which("javac", path=str(Path(home) / "bin")) if home else None) or shutil.which("javac")
    if not found:
        raise RuntimeError(
            "dagtrace: no javac found in JAVA_HOME/bin or on PATH. Building dagtrace compiles its Spark listener: "
            "install a JDK, 9 or newer (a JRE is not enough), or install a wheel, which contains the compiled listener."
        )
    return found
