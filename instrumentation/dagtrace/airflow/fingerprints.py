"""
Which errors are the same: a short hash of what went wrong and of the user's own functions it came through.

The same for each try, run and host, and after an edit elsewhere in the file: there are no line numbers in it, no
message and no paths. Frames of installed packages, of Python's library and of Airflow are left out, so an upgrade of
them changes nothing; how deep a function calls itself does not matter. So a DAG has no more of them than its code has
ways to fail.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 32
"""Frames that count: the innermost."""

_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages[\\/]")

_THEIRS = re.compile(r"(?:airflow|dagtrace)(?:\.|$)")

_PREFIX = re.compile(r"^unusual_prefix_[0-9a-f]{40}_")
"""What Airflow puts before the name of a DAG file's module: a hash of its path, another in each bundle's version."""

_INLINED = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})
"""Frames of their own before Python 3.12."""


def fingerprint(error: BaseException, kind: str) -> str:
    """Return 16 hex digits for an exception of this class."""
    return of_kind(kind, _frames(error))


def of_kind(kind: str, frames: Iterator[str] | tuple[str, ...] = ()) -> str:
    """Return the fingerprint of what has no exception: a signal, an exit code."""
    return hashlib.sha256("\n".join((kind, *frames)).encode(errors="replace")).hexdigest()[:16]


def plain_module(name: str) -> str:
    """Return a module's name without what depends on where its file lies."""
    return _PREFIX.sub("", name)


def _frames(error: BaseException) -> Iterator[str]:
    """Yield the user's functions, innermost first."""
    before, left = "", _MOST
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = plain_module(str(frame.f_globals.get("__name__", "")))
        name = f"{module}:{frame.f_code.co_name}"
        if name != before and _is_users(frame.f_code.co_filename, module, frame.f_code.co_name):
            yield name
            before, left = name, left - 1
            if not left:
                return


def _is_users(file: str, module: str, function: str) -> bool:
    if file.startswith("<") or function in _INLINED or _THEIRS.match(module):
        return False
    return not _INSTALLED.search(file) and not file.startswith(_library())


@lru_cache(maxsize=1)
def _library() -> tuple[str, ...]:
    return tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
