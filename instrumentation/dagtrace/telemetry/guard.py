"""
The guard on every outer edge: an error of ours is swallowed, counted and logged once a minute.

Under pytest it is raised again, so that what may never break a user always breaks a test.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar


if TYPE_CHECKING:
    from collections.abc import Callable, Generator

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("dagtrace")
_EVERY = 60.0
_said: dict[str, float] = {}
_warned: set[str] = set()

errors: dict[str, int] = {}
"""How many errors each edge has swallowed in this process."""


@contextmanager
def guard(edge: str) -> Generator[None]:
    """Keep an error within this block from its caller; ``edge`` names the place in the one line a minute."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is the edge
        swallow(edge, error)


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """Decorate an outer edge: an error inside becomes None."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - this is the edge
            swallow(function.__qualname__, error)
            return None

    return wrapper


@contextmanager
def unobserved() -> Generator[None]:
    """Keep what happens within from being traced by the user's own instrumentations (requests, SQLAlchemy, gRPC)."""
    from opentelemetry import context

    key: str | None = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", None)
    token = context.attach(context.set_value(key, value=True)) if key is not None else None
    try:
        yield
    finally:
        if token is not None:
            context.detach(token)


def swallow(edge: str, error: Exception) -> None:
    """
    Count and log an error; raise it again under pytest.

    ``BaseException`` (a task's timeout, Ctrl-C) never comes here.
    """
    errors[edge] = errors.get(edge, 0) + 1
    if "pytest" in sys.modules:
        raise error
    from dagtrace.masking import mask

    say_at_most_once_a_minute(
        edge,
        "%s failed (%s: %s); your work is not affected, telemetry may miss a part",
        edge,
        type(error).__name__,
        mask(str(error)),
    )


def say_at_most_once_a_minute(key: str, message: str, *values: object) -> None:
    """Log a warning unless one with this key was logged within the last minute."""
    now = time.monotonic()
    if now - _said.get(key, -_EVERY) >= _EVERY:
        _said[key] = now
        _log.warning(message, *values)


def warn_once(key: str, message: str, *values: object) -> None:
    """Log a warning the first time this process, or the one it was forked from, has it to say."""
    if key not in _warned:
        _warned.add(key)
        _log.warning(message, *values)
