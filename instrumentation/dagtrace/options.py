"""
Every option of dagtrace in one frozen dataclass: environment variable = keyword = YAML key.

A wrong value is one warning that names the variable and the default used instead, never an exception. OpenTelemetry's
own variables (``OTEL_*``) are read where they take effect, mostly by its SDK; they are not repeated here.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dagtrace.masking import mask


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("dagtrace")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"", "0", "false", "no", "off"})
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def _home() -> Path:
    """Return the default folder; in the working folder where nobody knows a home (a container with any user id)."""
    try:
        return Path("~/.dagtrace").expanduser()
    except RuntimeError:
        return Path(".dagtrace")


_HOME = _home()


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("expected true or false")
    return word in TRUE


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError("expected seconds, 0 or more")
    return value


def _seconds_or_never(text: str) -> float:
    if text.strip().lower() == "never":
        return float("inf")
    try:
        return _seconds(text)
    except ValueError:
        raise ValueError("expected seconds, 0 or more, or never") from None


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match or match[2].upper() not in _UNITS:
        raise ValueError("expected a size such as 512MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _globs(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return word

    return parse


def _some_of(*allowed: str) -> Callable[[str], frozenset[str]]:
    def parse(text: str) -> frozenset[str]:
        words = frozenset(_globs(text.lower()))
        if words - set(allowed):
            raise ValueError(f"expected a comma list out of {', '.join(allowed)}")
        return words

    return parse


def _url_template(text: str) -> str:
    if not text.strip().lower().startswith(("http://", "https://")) or "{trace_id}" not in text:
        raise ValueError("expected an http or https URL that contains {trace_id}")
    return text.strip()


def _path(text: str) -> Path:
    if "\0" in text or not text.strip():
        raise ValueError("expected a folder")
    return Path(text).expanduser()


def _option(variable: str, default: Any, parse: Callable[[str], Any]) -> Any:
    return field(default=default, metadata={"variable": variable, "parse": parse})


@dataclass(frozen=True)
class Options:
    """What the user asked for. Sizes are bytes, times seconds."""

    enabled: bool = _option("DAGTRACE_ENABLED", default=False, parse=_switch)
    """The switch. It is read by ``_startup`` before this module is ever imported."""
    home: Path = _option("DAGTRACE_HOME", _HOME, _path)
    """Folder of the local files, ``spool/`` inside it."""
    flush_timeout: float = _option("DAGTRACE_FLUSH_TIMEOUT", 2.0, _seconds)
    """The whole budget at the end of a task or driver, all signals together."""
    local_max_bytes: int = _option("DAGTRACE_LOCAL_MAX_BYTES", 2**30, _size)
    """Cap of the local files; the oldest goes first."""
    spool_max_bytes: int = _option("DAGTRACE_SPOOL_MAX_BYTES", 2**28, _size)
    """Cap of the spool; the oldest goes first."""
    include: tuple[str, ...] = _option("DAGTRACE_INCLUDE", (), _globs)
    """Globs on dag ids; empty means all."""
    exclude: tuple[str, ...] = _option("DAGTRACE_EXCLUDE", (), _globs)
    """Globs on dag ids; an excluded DAG has no spans, no metrics, no carrier."""
    native: str = _option("DAGTRACE_NATIVE", "replace", _one_of("replace", "keep"))
    """What becomes of Airflow's own tracing where it is on."""
    capture: frozenset[str] = _option("DAGTRACE_CAPTURE", frozenset[str](), _some_of("sql", "plan", "params", "conf"))
    """Sensitive content the user opts in to."""
    sql_comment: bool = _option("DAGTRACE_SQL_COMMENT", default=False, parse=_switch)
    """Whether statements of Airflow's database hooks end with a comment that names their span (sqlcommenter)."""
    started_after: float = _option("DAGTRACE_STARTED_AFTER", 60.0, _seconds_or_never)
    """Seconds after which a run or try that is still going is told by a marker; ``never`` for none."""
    spark_detail: str = _option("DAGTRACE_SPARK_DETAIL", "stage", _one_of("application", "job", "stage", "task"))
    """How deep a Spark application is traced."""
    spark_attach: bool = _option("DAGTRACE_SPARK_ATTACH", default=False, parse=_switch)
    """Whether submitting operators add the listener to the job."""
    spark_eventlog: str = _option("DAGTRACE_SPARK_EVENTLOG", "", str)
    """Where the worker finds the event log of a job it submitted."""
    trace_url: str = _option("DAGTRACE_TRACE_URL", "", _url_template)
    """Template with ``{trace_id}``: the Airflow UI's link to the trace."""

    VARIABLES: ClassVar[tuple[str, ...]]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Options:
        """Read the environment; each wrong value is one warning and its default."""
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for option in fields(cls):
            variable: str = option.metadata["variable"]
            text = source.get(variable)
            if text is None or (not text.strip() and option.name != "enabled"):
                continue
            try:
                values[option.name] = option.metadata["parse"](text)
            except (ValueError, ArithmeticError, RuntimeError) as error:  # a size beyond all floats, a ~user unknown
                _log.warning("%s=%r is ignored: %s; using %s", variable, mask(text), error, option.default)
        return cls(**values)

    def traces(self, dag_id: str) -> bool:
        """Whether this DAG is to be traced: included (or nothing is named) and not excluded."""
        if any(fnmatch.fnmatchcase(dag_id, glob) for glob in self.exclude):
            return False
        return not self.include or any(fnmatch.fnmatchcase(dag_id, glob) for glob in self.include)


Options.VARIABLES = tuple(option.metadata["variable"] for option in fields(Options))


@lru_cache(maxsize=1)
def options() -> Options:
    """Return this process's options, read once; forked children inherit them, warnings and all."""
    return Options.from_environ()
