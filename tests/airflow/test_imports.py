"""Where imports take their time."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from dagtrace.airflow.imports import ImportTimes, package_of


if TYPE_CHECKING:
    from pathlib import Path


def test_a_package_has_the_time_of_its_own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that imports a slow one is quick itself; an import that fails is timed, and fails as it would have."""
    (tmp_path / "quick_one.py").write_text("import slow_one.inner\n")
    (tmp_path / "slow_one").mkdir()
    (tmp_path / "slow_one" / "__init__.py").write_text("")
    (tmp_path / "slow_one" / "inner.py").write_text("import time\ntime.sleep(0.05)\n")
    (tmp_path / "bad_one.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = list(sys.meta_path)
    with ImportTimes() as times:
        quick = importlib.import_module("quick_one")
        with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
            importlib.import_module("bad_one")
    assert sys.meta_path == before
    assert times.seconds.keys() == {"quick_one", "slow_one", "bad_one"}
    assert times.slowest(1)[0][0] == "slow_one"
    assert "exec_module" not in vars(quick.__loader__)
    for name in ("quick_one", "slow_one", "slow_one.inner"):
        del sys.modules[name]


def test_packages() -> None:
    """A provider is a package of its own, a library is one."""
    assert package_of("airflow.providers.amazon.aws.hooks.s3") == "airflow.providers.amazon"
    assert package_of("pandas.core.frame") == "pandas"
