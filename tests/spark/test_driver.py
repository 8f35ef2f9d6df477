"""The wrappers around SparkContext, without a Spark."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from py4j.protocol import Py4JError

from dagtrace.spark import compat, driver, parents, watch


@pytest.fixture
def refusing() -> Any:
    """Return a SparkContext whose JVM knows no listener yet."""
    context = mock.MagicMock(appName="app")
    context._jsc.sc().listenerBus().listeners.return_value = []
    return context


@pytest.mark.usefixtures("fresh")
def test_a_package_without_its_jar_is_one_warning(
    refusing: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A source tree that was never built: one warning that names the jar, and no listener attached."""
    monkeypatch.setattr(driver, "JAR", Path("gone.jar"))
    with caplog.at_level(logging.WARNING, "dagtrace"):
        for _ in range(2):
            driver.attach(refusing)
            refusing._dagtrace.stopped()
    assert [record.getMessage() for record in caplog.records] == [
        (
            "only the application is traced, its JVM refused the listener "
            "(FileNotFoundError: gone.jar is missing from the installed package); "
            "let Spark load it itself: `dagtrace spark-conf` says how"
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


def test_a_client_without_py4j_is_patched_for_connect_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """``pyspark-client`` has no py4j: nothing that needs it is imported, and Connect's places are wrapped."""
    applied = mock.Mock()
    monkeypatch.setattr("dagtrace.patch.apply", applied)
    monkeypatch.setattr(compat, "has_py4j", lambda: False)
    monkeypatch.setitem(compat.sys.modules, "pyspark", SimpleNamespace(__version__="4.2.0"))  # pyright: ignore[reportArgumentType]
    watch()
    (call,) = applied.call_args_list
    assert {patch.module for patch in call.args[0]} == {"pyspark.sql.connect.session"}


@pytest.mark.parametrize(("version", "methods"), [("3.4.4", 1), ("3.5.9", 2), ("4.3.0", 2)])
def test_which_builders_connect(version: str, methods: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SparkSession.Builder.create`` came to Connect in 3.5; a place that is missing would be a warning."""
    monkeypatch.setitem(compat.sys.modules, "pyspark", SimpleNamespace(__version__=version))  # pyright: ignore[reportArgumentType]
    assert len(compat.connect_builders()) == methods


@pytest.mark.usefixtures("fresh")
def test_a_listener_that_spark_loads_tells_by_itself(refusing: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where conf attaches the listener and the JVM refuses Python: no second application, no warning, parents kept."""
    refusing._jsc.sc().listenerBus.side_effect = Py4JError("not whitelisted")
    refusing._conf.get.side_effect = {"spark.extraListeners": f"a.B,{driver.CLASS}"}.get
    del refusing._dagtrace
    with caplog.at_level(logging.WARNING, "dagtrace"):
        driver.attach(refusing)
    assert "_dagtrace" not in vars(refusing)
    assert caplog.records == []
    followed = parents._followed
    parents.follow(None)
    assert followed is not None
    followed.listener.follow("00-a")
    refusing._jsc.setLocalProperty.assert_called_once_with(parents.LOCAL, "00-a")
