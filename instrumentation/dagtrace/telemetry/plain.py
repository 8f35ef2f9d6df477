"""
Values that every encoder takes.

Protobuf refuses text with a lone surrogate (a file name that is no UTF-8, as ``os.listdir`` gives it) and integers
beyond 64 bits, and with one of them the whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEAST, _MOST = -(2**63), 2**63 - 1


def text(value: str) -> str:
    """Return the text with what UTF-8 cannot say replaced by question marks."""
    if value.isascii():  # nearly always, and the cheapest thing to ask
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="replace").decode()
    return value


def attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with clean text; an integer beyond 64 bits becomes text, and so does the list it is in."""
    return {text(key): _value(value) for key, value in found.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return value if _LEAST <= value <= _MOST else str(value)
    if isinstance(value, (list, tuple)):
        items = [_value(item) for item in cast("Sequence[Any]", value)]
        odd = any(isinstance(item, str) for item in items) and not all(isinstance(item, str) for item in items)
        return [str(item) for item in items] if odd else items
    return value
