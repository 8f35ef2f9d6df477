"""The listener's jar: what it is made of, and that the stubs it is compiled against tell the truth."""

from __future__ import annotations

import importlib.util
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest


ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def hook() -> Any:
    """Return the build hook's module; hatchling itself is only in the build environment."""
    name = "hatchling.builders.hooks.plugin.interface"
    try:
        importlib.import_module(name)
    except ImportError:
        stand_in: Any = types.ModuleType(name)
        stand_in.BuildHookInterface = dict  # any class that takes a type argument
        parts = name.split(".")
        for n in range(1, len(parts)):
            sys.modules.setdefault(".".join(parts[:n]), types.ModuleType(".".join(parts[:n])))
        sys.modules[name] = stand_in
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def jar(hook: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the jar as a wheel does."""
    path = tmp_path_factory.mktemp("jar") / "listener.jar"
    hook.make_jar(path)
    return path


def classes(jar: Path) -> dict[str, bytes]:
    """Return the content of a jar."""
    with zipfile.ZipFile(jar) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_stubs_do_not_lie(hook: Any, jar: Path, tmp_path: Path) -> None:
    """Compiled against PySpark's own jars, every class file comes out the same, byte by byte."""
    pyspark = importlib.util.find_spec("pyspark")
    assert pyspark is not None
    assert pyspark.origin is not None
    real = tmp_path / "real.jar"
    hook.make_jar(real, str(Path(pyspark.origin).parent / "jars" / "*"))
    assert classes(real) == classes(jar)


def test_jar_holds_ours_alone_for_java_8(jar: Path) -> None:
    """No stub is in the jar, and every class is of format 52, which Java 8 reads."""
    found = classes(jar)
    assert "io/dagtrace/spark/TraceListener.class" in found
    assert all(name.startswith("io/dagtrace/spark/") for name in found)
    assert {int.from_bytes(code[6:8], "big") for code in found.values()} == {52}


def test_no_linked_method_has_a_seq(jar: Path) -> None:
    """No class names a Scala Seq: it is another class in Scala 2.12 than in 2.13, and one jar serves both."""
    assert not [name for name, code in classes(jar).items() if b"/Seq;" in code or b"/Seq\x00" in code]


def test_jar_is_reproducible(hook: Any, jar: Path, tmp_path: Path) -> None:
    """Two builds give the same bytes."""
    again = tmp_path / "again.jar"
    hook.make_jar(again)
    assert again.read_bytes() == jar.read_bytes()


def test_a_missing_jdk_is_one_clear_message(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without javac the build fails and says what to install; ``JAVA_HOME`` without one is no answer either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="install a JDK"):
        hook.make_jar(tmp_path / "never.jar")


def test_javac_that_fails_shows_why(hook: Any, tmp_path: Path) -> None:
    """What javac had to say is in the message, and no half a jar is left behind."""
    with pytest.raises(RuntimeError, match=r"package org\.apache\.spark does not exist"):
        hook.make_jar(tmp_path / "never.jar", str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_hook_compiles_only_what_changed(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar newer than every source is left alone; a missing one is made."""
    made: list[Path] = []
    monkeypatch.setattr(hook, "make_jar", made.append)
    monkeypatch.setattr(hook, "JAR", tmp_path / "dagtrace-spark.jar")
    run = hook.CustomBuildHook.initialize
    run({}, "standard", {})
    assert made == [tmp_path / "dagtrace-spark.jar"]
    made[0].touch()
    run({}, "standard", {})
    assert len(made) == 1
