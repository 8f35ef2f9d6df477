"""
One call that starts something: how a row changes it, and what it may know of it.

The call is the user's: what goes in is copies, an instance gets its own attribute back, and his exception passes as it
is. So a second execution, a retry or a resumed task begins with what the user wrote.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, TypeAlias


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dagtrace.submit.carrier import Carrier

Place: TypeAlias = "Callable[[Any, Carrier], Any]"
"""Returns a copy of a value with the carrier in it; the value itself, where there is no place in it or it has one."""

Put: TypeAlias = "Callable[[Call, Carrier], None]"
"""Puts the carrier into a call that is about to be made, or into what it has returned."""


class Call:
    """A wrapped function, what it is called with, and, afterwards, what it returned."""

    def __init__(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.wrapped = wrapped
        self.instance = instance
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.later: list[Callable[[], None]] = []
        """What changes the result."""
        self._lent: list[tuple[dict[str, Any], str, Any, Any]] = []

    def get(self, name: str) -> Any:
        """Return an argument by its name, None where it is not given."""
        if name in self.kwargs:
            return self.kwargs[name]
        position = self._position(name)
        return self.args[position] if position is not None and position < len(self.args) else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return an argument that is a mapping, an empty one where it is not given."""
        return self.get(name) or {}

    def set(self, name: str, value: Any) -> None:
        """Give another value for an argument, where the caller gave it: some hooks refuse positional ones."""
        position = None if name in self.kwargs else self._position(name)
        if position is not None and position < len(self.args):
            self.args = (*self.args[:position], value, *self.args[position + 1 :])
        else:
            self.kwargs = {**self.kwargs, name: value}

    def _position(self, name: str) -> int | None:
        parameters = list(signature(self.wrapped).parameters)
        return parameters.index(name) if name in parameters else None

    def lend(self, owner: Any, name: str, value: Any) -> None:
        """Give an object another value for an attribute until the call is over; past operators' ``__setattr__``."""
        self._lent.append((owner.__dict__, name, owner.__dict__.get(name), value))
        owner.__dict__[name] = value

    def give_back(self) -> None:
        """Undo ``lend``, unless the call has set something else itself."""
        while self._lent:
            attributes, name, before, value = self._lent.pop()
            if attributes.get(name) is value:
                attributes[name] = before


def argument(**places: Place) -> Put:
    """Put it into arguments."""

    def put(call: Call, carrier: Carrier) -> None:
        for name, place in places.items():
            value = call.get(name)
            placed = place(value, carrier)
            if placed is not value:
                call.set(name, placed)

    return put


def attribute(**places: Place) -> Put:
    """Put it into attributes of the object whose method is called, for as long as that takes."""

    def put(call: Call, carrier: Carrier) -> None:
        for name, place in places.items():
            value = getattr(call.instance, name, None)
            placed = place(value, carrier)
            if placed is not value:
                call.lend(call.instance, name, placed)

    return put


def result(place: Place) -> Put:
    """Put it into what is returned."""

    def put(call: Call, carrier: Carrier) -> None:
        def change() -> None:
            call.result = place(call.result, carrier)

        call.later.append(change)

    return put
