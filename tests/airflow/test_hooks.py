"""Every function of ours in Airflow's way, with a fault in it: Airflow gets what it would get without us."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.airflow import compat, scheduler


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagtrace.patch import Patch

PATCHES = {f"{patch.module}:{patch.attribute}": patch for patch in compat.patches()}
"""All of this version's; the other versions run this test, too (``nox -s full``)."""


class Strange:
    """What no version of Airflow passes: looking at it is a fault."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"injected fault: {name}")

    def __bool__(self) -> bool:  # as an array's, of which a custom XCom backend may return one
        raise RuntimeError("injected fault: bool")

    def __len__(self) -> int:
        raise RuntimeError("injected fault: len")


class UsersError(Exception):
    """What Airflow's own function raises."""


def no_thread() -> None:
    """Stand in for the reader's thread, which would look for an Airflow."""
    raise RuntimeError("injected fault: thread")


@pytest.fixture
def swallowing(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the guard swallow, as it does everywhere but under pytest."""
    monkeypatch.setenv("DAGTRACE_ENABLED", "true")
    monkeypatch.setattr(scheduler, "_Thread", no_thread)
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "pytest")
        yield


def call(patch: Patch, result: Any, *, by_name: bool = False) -> Any:
    """Call through a patch with arguments of no use; return what came out, awaited where that is a coroutine."""
    strange = Strange()
    is_async = inspect.iscoroutinefunction(patch.wrapper) or patch.attribute == "TriggerRunner.run_trigger"

    def plain(*_: Any, **__: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    async def coroutine(*_: Any, **__: Any) -> Any:
        return plain()

    wrapped = coroutine if is_async else plain
    named: dict[str, Any] = {}
    if by_name:
        named.update(dict.fromkeys(("id", "pid", "ti", "context", "trigger", "msg"), strange))
    out = patch.wrapper(wrapped, strange, () if by_name else (strange,) * 6, named)
    return asyncio.run(out) if is_async else out


@pytest.mark.parametrize("by_name", [False, True], ids=["by position", "by name"])
@pytest.mark.parametrize("name", PATCHES)
def test_a_fault_in_a_hook_changes_no_result(swallowing: None, name: str, by_name: bool) -> None:  # noqa: FBT001
    """Arguments that make all our code raise at its first look reach Airflow's function, whose result comes back."""
    result = Strange()
    assert call(PATCHES[name], result, by_name=by_name) is result


@pytest.mark.parametrize("name", PATCHES)
def test_an_exception_passes_a_hook_as_it_is(swallowing: None, name: str) -> None:
    """What Airflow or the user's code raises is the same object behind the hook."""
    error = UsersError()
    with pytest.raises(UsersError) as raised:
        call(PATCHES[name], error)
    assert raised.value is error
