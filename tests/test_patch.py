"""Patches: applied once, as soon as the module is there, and never in the user's way."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace import _startup, patch
from dagtrace.patch import Patch


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
def double(number):
    "Twice."
    if number < 0:
        raise ValueError("the user's own")
    return 2 * number

class Box:
    def open(self, key):
        return (self, key)
"""


@pytest.fixture
def target(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module that can be imported and has not been."""
    name = "dagtrace_test_target"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    monkeypatch.setattr(patch, "_applied", set[tuple[str, str]]())
    monkeypatch.setattr(_startup, "_waiting", dict[str, Any]())
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, _startup._Finder)])
    yield name
    sys.modules.pop(name, None)


def more(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Add one to what the wrapped function returns."""
    return wrapped(*args, **kwargs) + 1


def test_a_function_is_wrapped_when_its_module_comes(target: str) -> None:
    """Arming imports nothing; the import that the user makes finds the function wrapped, still itself by name."""
    patch.apply([Patch(target, "double", more)])
    assert target not in sys.modules
    module = importlib.import_module(target)
    assert module.double(4) == 9
    assert (module.double.__name__, module.double.__doc__) == ("double", "Twice.")


def test_a_module_that_is_already_there_is_wrapped_at_once(target: str) -> None:
    """Being late is no reason to miss the place."""
    module = importlib.import_module(target)
    patch.apply([Patch(target, "double", more)])
    assert module.double(4) == 9


@pytest.mark.parametrize("imported_first", [True, False])
def test_arming_twice_wraps_once(target: str, imported_first: bool) -> None:  # noqa: FBT001
    """Two doors lead to the same patches: nothing may be told twice."""
    if imported_first:
        importlib.import_module(target)
    for _ in range(3):
        patch.apply([Patch(target, "double", more)])
    assert importlib.import_module(target).double(4) == 9


def test_a_method_is_wrapped_with_its_instance(target: str) -> None:
    """A dotted attribute is a method; the wrapper gets the object, and two patches of one module both apply."""
    seen: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []

    def watch(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        seen.append((instance, args, kwargs))
        return wrapped(*args, **kwargs)

    patch.apply([Patch(target, "Box.open", watch), Patch(target, "double", more)])
    module = importlib.import_module(target)
    box = module.Box()
    assert box.open(1) == (box, 1)
    assert box.open(key=2) == (box, 2)
    assert seen == [(box, (1,), {}), (box, (), {"key": 2})]
    assert module.double(0) == 1


def test_the_users_exception_passes_as_it_is(target: str) -> None:
    """No guard stands between a function and its caller."""
    patch.apply([Patch(target, "double", more)])
    with pytest.raises(ValueError, match="the user's own"):
        importlib.import_module(target).double(-1)


def test_a_place_that_is_gone_is_one_warning(
    target: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another version of Airflow may lack the place: the module still imports, and the other patches apply."""
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "pytest")
        patch.apply([Patch(target, "gone", more), Patch(target, "double", more)])
        module = importlib.import_module(target)
    assert module.double(4) == 9
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith(f"patching {target}.gone failed (")


def test_a_place_that_some_versions_lack_is_passed_over(target: str, caplog: pytest.LogCaptureFixture) -> None:
    """An optional place that is not there costs no line of the user's log; one that is there is wrapped."""
    patch.apply([Patch(target, "Box.shut", more, optional=True), Patch(target, "double", more, optional=True)])
    assert importlib.import_module(target).double(4) == 9
    assert caplog.records == []
