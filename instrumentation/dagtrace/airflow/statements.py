"""
What code asks of databases and of Airflow's API while a DAG file is parsed: counted, and what is asked again and again.

One listener on SQLAlchemy's ``Engine`` class sees the statements of every engine in the process, Airflow's and the
user's. It counts while a tally is taken and is a look at a variable otherwise. Airflow 3's in-process API server has
threads of its own, so the tally is the process's and not a thread's: the dag processor serves one request at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dagtrace.telemetry.guard import guard, guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Generator

REPEATED = 10
"""From so many times on, one statement in one parse is told as repeated: a loop asks for rows one by one (N+1)."""

_MOST = 500
"""Different statements remembered of one parse; the others are counted."""

_LONGEST = 2_000
"""Characters of a statement that are looked at: a bulk insert may have millions."""

# Not compiled here: every process of Airflow imports this, and few ever see a statement. ``re`` keeps what it compiled.
_COMMENT = r"(?s)/\*.*?\*/|--[^\n]*"
_VALUE = r"'(?:[^']|'')*'?|%\(\w+\)s|%s|\$\d+|(?<![:\w]):[a-zA-Z_]\w*|(?<![\w.])-?\d+(?:\.\d+)?(?!\w)"
_LIST = r"\(\s*\?(?:\s*,\s*\?)*\s*\)(?:\s*,\s*\(\s*\?(?:\s*,\s*\?)*\s*\))*"
_OPERATION = r"\A\W*(\w+)"
_TABLE = r"(?i)\b(?:FROM|INTO|UPDATE|JOIN)\s+(?:ONLY\s+)?([\w.\"`\[\]]+)"


@lru_cache(maxsize=4096)
def normalise(statement: str) -> str:
    """Return a statement without its values, so that one in a loop is the same each time it runs."""
    text = re.sub(_VALUE, "?", re.sub(_COMMENT, " ", statement[:_LONGEST]))
    return " ".join(re.sub(_LIST, "(?)", text).split())


@lru_cache(maxsize=4096)
def summary(statement: str) -> str:
    """Return operation and first table (``SELECT variable``): what may be told of a statement whose text may not."""
    operation = re.search(_OPERATION, statement)
    table = re.search(_TABLE, statement)
    found = (operation[1].upper() if operation else "", table[1] if table else "")
    return re.sub(r"[\"`\[\]]", "", " ".join(filter(None, found)))


@dataclass
class Tally:
    """What one parse of one file asked for."""

    queries: int = 0
    """Statements that were sent to databases."""
    statements: Counter[str] = field(default_factory=Counter[str])
    """By normalised text, how often each ran; the first ``_MOST`` different ones."""
    calls: Counter[str] = field(default_factory=Counter[str])
    """Requests to Airflow's API, or what these were in Airflow 2, by what they are for: variable, connection, xcom …"""

    def ran(self, statement: str) -> None:
        """Count a statement."""
        self.queries += 1
        text = normalise(statement)
        if text in self.statements or len(self.statements) < _MOST:
            self.statements[text] += 1

    def add(self, other: Tally) -> None:
        """Count what another tally of the same parse has."""
        self.queries += other.queries
        self.statements.update(other.statements)
        self.calls.update(other.calls)

    @property
    def repeated(self) -> list[tuple[str, int]]:
        """Statements that ran ``REPEATED`` times or more, the most frequent first."""
        return [(text, times) for text, times in self.statements.most_common() if times >= REPEATED]


_taken: Tally | None = None
_listening = False


@contextmanager
def taking(tally: Tally) -> Generator[None]:
    """Count into ``tally`` what this process asks for within the block; an inner block's is not the outer one's."""
    global _taken  # noqa: PLW0603 - see the module's docstring
    before, _taken = _taken, tally
    try:
        yield
    finally:
        _taken = before


def called(purpose: str) -> None:
    """Count a request to Airflow's API, if a tally is taken."""
    if _taken is not None:
        _taken.calls[purpose] += 1


def listen() -> None:
    """See every statement from here on, of engines there are and of those to come; a second call changes nothing."""
    global _listening  # noqa: PLW0603 - one listener per process
    if not _listening:
        with guard("listening to SQLAlchemy"):
            from sqlalchemy import event
            from sqlalchemy.engine import Engine

            event.listen(Engine, "before_cursor_execute", _on_statement)
            _listening = True


def _on_statement(*event: Any) -> None:
    if _taken is not None:
        _count(_taken, event[2])  # connection, cursor, statement, parameters, context, executemany


@guarded
def _count(tally: Tally, statement: Any) -> None:
    tally.ran(str(statement))


def around_variable(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap where Airflow 2 asks its database for a Variable."""
    called("variable")
    return wrapped(*args, **kwargs)


def around_connection(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap where Airflow 2 asks its database for a Connection."""
    called("connection")
    return wrapped(*args, **kwargs)


def around_xcom(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap where Airflow 2 asks its database for XComs."""
    called("xcom")
    return wrapped(*args, **kwargs)
