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

VERSIONS = ((2, 10), (3, 0), (3, 1), (3, 2), (3, 3))


def hooks() -> Iterator[tuple[tuple[int, int], Patch]]:
    """Yield every place that is wrapped in any version, with the newest version that has it."""
    found: dict[tuple[str, str], tuple[tuple[int, int], Patch]] = {}
    with pytest.MonkeyPatch.context() as patching:
        for version in VERSIONS:
            as_in(version, patching)
            found.update((patch[:2], (version, patch)) for patch in compat.patches())
    yield from found.values()


def as_in(version: tuple[int, int], patching: pytest.MonkeyPatch) -> None:
    """Let our code take this Airflow for another version."""
    patching.setattr(compat, "VERSION", version)
    patching.setattr(compat, "TASK_SDK", version >= (3, 0))


EVERY_HOOK = pytest.mark.parametrize(
    ("version", "patch"), [pytest.param(*hook, id=f"{hook[1].module}:{hook[1].attribute}") for hook in hooks()]
)


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
def swallowing(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let the guard swallow, as it does everywhere but under pytest."""
    monkeypatch.setenv("DAGTRACE_ENABLED", "true")
    monkeypatch.setattr(scheduler, "_Thread", no_thread)
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "pytest")
        yield without


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
@EVERY_HOOK
def test_a_fault_in_a_hook_changes_no_result(
    swallowing: pytest.MonkeyPatch, version: tuple[int, int], patch: Patch, *, by_name: bool
) -> None:
    """Arguments that make all our code raise at its first look reach Airflow's function, whose result comes back."""
    as_in(version, swallowing)
    result = Strange()
    assert call(patch, result, by_name=by_name) is result


@EVERY_HOOK
def test_an_exception_passes_a_hook_as_it_is(
    swallowing: pytest.MonkeyPatch, version: tuple[int, int], patch: Patch
) -> None:
    """What Airflow or the user's code raises is the same object behind the hook."""
    as_in(version, swallowing)
    error = UsersError()
    with pytest.raises(UsersError) as raised:
        call(patch, error)
    assert raised.value is error
