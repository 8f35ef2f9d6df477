"""A dict for what may never be taken out again: the oldest go first."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar


K = TypeVar("K")
V = TypeVar("V")


class Remembered(OrderedDict[K, V]):
    """Keeps the newest ``most`` entries; one that is set again is new."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.most:
            self.popitem(last=False)
