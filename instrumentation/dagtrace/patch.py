"""
Patches as a declarative table: (module, attribute, wrapper), applied once the module is imported.

wrapt does the wrapping (descriptors, signatures, ``__wrapped__``); it is imported with the first target, which takes
seconds to import anyway. A wrapper has wrapt's signature ``(wrapped, instance, args, kwargs)`` and calls ``wrapped``
exactly once, outside every guard of ours: the user's exceptions pass as they are.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace._startup import when_imported
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Patch(NamedTuple):
    """One place to wrap; ``attribute`` may be dotted (``Class.method``)."""

    module: str
    attribute: str
    wrapper: Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]
    optional: bool = False
    """Some versions of the module lack it, and nothing is said."""


_applied: set[tuple[str, str]] = set()


def apply(patches: Iterable[Patch]) -> None:
    """Wrap each place as soon as its module is there; a place already wrapped by dagtrace is left alone."""
    for patch in patches:
        when_imported(patch.module, _Apply(patch))


class _Apply:
    """A callback that equals another one for the same place, so that arming twice adds nothing."""

    def __init__(self, patch: Patch) -> None:
        self.patch = patch

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Apply) and self.patch[:2] == other.patch[:2]

    def __hash__(self) -> int:
        return hash(self.patch[:2])

    def __call__(self) -> None:
        place = self.patch[:2]
        if place in _applied:
            return
        with guard(f"patching {'.'.join(place)}"):
            import wrapt

            if self.patch.optional and not _has(self.patch):
                return
            wrapt.wrap_function_wrapper(self.patch.module, self.patch.attribute, self.patch.wrapper)
            _applied.add(place)


def _has(patch: Patch) -> bool:
    found: Any = sys.modules[patch.module]
    for name in patch.attribute.split("."):
        found = getattr(found, name, None)
    return found is not None
