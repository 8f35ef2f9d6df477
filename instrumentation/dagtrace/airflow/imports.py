"""Where the time of a DAG file's imports goes, by package: for ``dagtrace parse``, in the process that parses."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from typing_extensions import Self

_DEEP = {"airflow": 3}
"""Parts of a module's name that are its package, where that is not the first one: ``airflow.providers.amazon``."""


def package_of(module: str) -> str:
    """Return the package a module's time is told under."""
    parts = module.split(".")
    return ".".join(parts[: _DEEP.get(parts[0], 1)])


class ImportTimes:
    """
    A meta path finder that finds nothing itself and times what the others find; a context manager.

    A module's time is without that of the modules it imports in turn, so the times of all packages add up.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """By package, the seconds its modules ran, without what they imported in turn."""
        self._busy: set[str] = set()
        self._inner: list[float] = []

    def __enter__(self) -> Self:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def slowest(self, most: int) -> list[tuple[str, float]]:
        """Return the packages that took longest, the slowest first."""
        return sorted(self.seconds.items(), key=lambda item: -item[1])[:most]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the others find it, and time its execution; as in ``dagtrace._startup``."""
        if name in self._busy:
            return None
        self._busy.add(name)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                spec = find(name, path, target) if find is not None and finder is not self else None
                if spec is not None:
                    self._time(name, spec)
                    return spec
            return None
        finally:
            self._busy.discard(name)

    def _time(self, name: str, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if loader is None or execute is None or isinstance(loader, type):
            return  # a namespace, or a loader all modules share (built in)

        def exec_module(module: ModuleType) -> None:
            loader.__dict__.pop("exec_module", None)
            self._inner.append(0.0)
            began = time.perf_counter()
            try:
                execute(module)
            finally:
                took = time.perf_counter() - began
                self.seconds[package_of(name)] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        with suppress(AttributeError):  # a loader with slots: it goes untimed
            loader.exec_module = exec_module
