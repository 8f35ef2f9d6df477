"""From rows to wrapped functions: one wrapper per target, whatever the number of rows that are about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dagtrace import patch
from dagtrace.patch import Patch
from dagtrace.submit import carrier, jobs
from dagtrace.submit.call import Call
from dagtrace.telemetry.guard import guard, guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dagtrace.submit.table import Row

_armed: dict[str, list[Row]] = {}


def arm(rows: Iterable[Row], *, optional: bool = False) -> None:
    """
    Wrap the targets of rows, as soon as their modules are imported; a row that is armed already adds nothing.

    A module that lacks its target is one warning, unless that is ``optional``: a provider of another version.
    """
    for row in rows:
        of_target = _armed.setdefault(row.target, [])
        if row in of_target:
            continue
        of_target.append(row)
        module, _, attribute = row.target.partition(":")
        patch.apply([Patch(module, attribute, _around(row.target), optional=optional)])


def _around(target: str) -> Callable[..., Any]:
    def around(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = carrier.current()
        if found is None:
            return wrapped(*args, **kwargs)
        call = Call(wrapped, instance, args, kwargs)
        chosen = _put(target, call, found) or ()
        start_ns = time.time_ns()
        try:
            call.result = wrapped(*call.args, **call.kwargs)
        except BaseException:
            _tell([row for row in chosen if row.tells_failures], call, start_ns)
            raise
        finally:
            call.give_back()
        _tell(chosen, call, start_ns)
        return call.result

    return around


@guarded
def _put(target: str, call: Call, found: carrier.Carrier) -> list[Row]:
    chosen = [row for row in _armed[target] if row.when is None or row.when(call)]
    for row in chosen:
        if row.put is not None:
            with guard(f"carrier of {row.starts}"):
                row.put(call, found)
    return chosen


def _tell(chosen: Iterable[Row], call: Call, start_ns: int) -> None:
    for row in chosen:
        with guard(f"job of {row.starts}"):
            for change in call.later:
                change()
            call.later.clear()
            fact = row.tell(call) if row.tell is not None else None
            if fact is not None:
                jobs.note(fact, start_ns)
