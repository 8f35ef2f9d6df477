"""
The exception that a driver dies of, as far as the interpreter itself says so at its exit.

Nobody's hook is replaced: Python keeps the exception it ends with in ``sys.last_value`` before it calls ``excepthook``.
Others put theirs there too (an interactive prompt, a test runner), but only the one nobody caught began in the frame of
the program itself. ``sys.exit(3)`` leaves nothing behind that says 3, so an application that ends with it is no error.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from dagtrace.masking import redact
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from types import TracebackType

    from dagtrace.record import SpanRecord

_PROGRAMS = ("<module>", "_run_module_as_main")  # a script, ``-c``; ``-m``
_MOST = 1000  # characters, as the listener's


def uncaught() -> Exception | None:
    """Return what this process is dying of, at its exit; Ctrl-C is a wish, not an error."""
    value: object = getattr(sys, "last_value", None)
    trace: TracebackType | None = getattr(sys, "last_traceback", None)
    if not isinstance(value, Exception) or trace is None or hasattr(sys, "ps1") or sys.flags.interactive:
        return None
    frame = trace.tb_frame
    return value if frame.f_back is None and frame.f_code.co_name in _PROGRAMS else None


def failed(record: SpanRecord, error: Exception | None) -> SpanRecord:
    """Return the record as that of something that ended with ``error``, None for nothing."""
    if error is None:
        return record
    kind = type(error).__name__
    said = ""
    with guard("spark.uncaught"):
        said = first_line(error)
    attributes = {**record.attributes, names.ERROR_TYPE: kind}
    return replace(record, attributes=attributes, error=f"{kind}: {said}" if said else kind)


def first_line(error: BaseException) -> str:
    """
    Return the first line with a word on it of what an error says, masked.

    PySpark's exceptions ask the JVM for more when they are turned into text; what they say first, they know themselves.
    """
    text: object = getattr(error, "_desc", None) or getattr(error, "desc", None) or getattr(error, "errmsg", None)
    lines = (text if isinstance(text, str) else str(error)).split("\n")
    return redact(next((line.strip() for line in lines if line.strip()), "")[:_MOST])
