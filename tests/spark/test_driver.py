"""The wrappers around SparkContext, without a Spark."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from dagtrace.spark import compat, driver, watch


@pytest.fixture
def refusing() -> Any:
    """Return a SparkContext whose JVM knows no listener yet."""
    context = mock.MagicMock(appName="app")
    context._jvm.java.lang.System.getProperties().get.return_value = None
    return context


@pytest.mark.usefixtures("fresh")
def test_a_package_without_its_jar_is_one_warning(
    refusing: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A source tree that was never built: one warning that names the jar, and nothing attached."""
    monkeypatch.setattr(driver, "JAR", Path("gone.jar"))
    with caplog.at_level(logging.WARNING, "dagtrace"):
        driver.attach(refusing)
        driver.attach(refusing)
    assert [record.getMessage() for record in caplog.records] == [
        (
            "Spark is not traced: its JVM refused the listener "
            "(FileNotFoundError: gone.jar is missing from the installed package)"
        )
    ]


def test_the_users_own_parent_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that is in SparkConf already is not replaced; the wrapped call is made exactly once either way."""
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    for has in (True, False):
        conf, wrapped = mock.MagicMock(), mock.MagicMock()
        conf.contains.return_value = has
        assert driver.initialize_context(wrapped, None, (conf,), {}) is wrapped.return_value
        wrapped.assert_called_once_with(conf)
        assert conf.set.called is not has


def test_what_stop_raises_is_the_users() -> None:
    """An exception of ``stop`` passes as it is, after our end of it was done; a second stop is Spark's alone."""
    attached = mock.MagicMock()
    context = SimpleNamespace(_dagtrace=attached)
    with pytest.raises(ZeroDivisionError):
        driver.stop(mock.MagicMock(side_effect=ZeroDivisionError), context, (), {})
    driver.stop(mock.MagicMock(), context, (), {})
    attached.stopped.assert_called_once_with()


@pytest.mark.parametrize(
    ("version", "module"),
    [("3.5.9", "pyspark.context"), ("4.0.0", "pyspark.core.context"), ("10.1", "pyspark.core.context")],
)
def test_where_the_context_lives(version: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SparkContext`` moved in 4.0."""
    monkeypatch.setitem(compat.sys.modules, "pyspark", SimpleNamespace(__version__=version))  # pyright: ignore[reportArgumentType]
    assert compat.context_module() == module


def test_executors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python worker of an executor inherits the switch, and is not patched."""
    monkeypatch.setenv("PYTHON_WORKER_FACTORY_PORT", "1")
    monkeypatch.setattr("dagtrace.patch.apply", mock.MagicMock(side_effect=AssertionError))
    watch()
