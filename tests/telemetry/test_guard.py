"""The guard: our errors never reach the user, always reach a test, and are counted."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from dagtrace.telemetry import guard
from dagtrace.telemetry.guard import guard as guarding
from dagtrace.telemetry.guard import guarded, say_at_most_once_a_minute, warn_once


if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def production() -> Iterator[None]:
    """Let the guard believe that no test runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delitem(sys.modules, "pytest")
        yield


@guarded
def fail(error: BaseException) -> NoReturn:
    """Raise what it is given."""
    raise error


@guarded
def add(one: int, *, two: int) -> int:
    """Add."""
    return one + two


def test_a_guarded_function_is_itself_where_nothing_fails() -> None:
    """Arguments, result, name and docstring pass through."""
    assert add(1, two=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert guard.errors == {}


def test_an_error_breaks_a_test() -> None:
    """Under pytest the error is raised again, by both forms, and still counted."""
    with pytest.raises(KeyError):
        fail(KeyError("x"))
    with pytest.raises(KeyError), guarding("here"):
        raise KeyError("x")
    assert guard.errors == {"fail": 1, "here": 1}


@pytest.mark.usefixtures("production")
def test_an_error_never_breaks_the_user(caplog: pytest.LogCaptureFixture) -> None:
    """In production it is swallowed, counted each time, and said once a minute with its edge and its class."""
    assert fail(ValueError("bad row")) is None
    assert fail(ValueError("bad row")) is None
    with guarding("reading rows"):
        raise OSError("gone")
    assert guard.errors == {"fail": 2, "reading rows": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "fail failed (ValueError: bad row); your work is not affected, telemetry may miss a part",
        "reading rows failed (OSError: gone); your work is not affected, telemetry may miss a part",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_ends_a_process_is_never_swallowed(error: BaseException) -> None:
    """Ctrl-C and a task's timeout are no errors of ours."""
    with pytest.raises(type(error)):
        fail(error)
    with pytest.raises(type(error)), guarding("here"):
        raise error
    assert guard.errors == {}


def test_a_minute_later_it_is_said_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Each key speaks once a minute, another key does not wait for it."""
    now = 5.0  # a machine that started five seconds ago
    monkeypatch.setattr(guard.time, "monotonic", lambda: now)
    for now, key in ((5.0, "a"), (6.0, "b"), (64.9, "a"), (65.0, "a"), (65.1, "b"), (66.0, "b")):  # noqa: B007
        say_at_most_once_a_minute(key, "%s", key)
    assert [record.getMessage() for record in caplog.records] == ["a", "b", "a", "b"]


def test_a_mistake_of_the_user_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong setting does not become right with time: one line per key and process."""
    for key in ("a", "b", "a", "a"):
        warn_once(key, "%s is wrong", key)
    assert [record.getMessage() for record in caplog.records] == ["a is wrong", "b is wrong"]
