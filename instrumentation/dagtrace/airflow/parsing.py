"""
The dag processor: what each DAG file costs whenever it is parsed.

Each file is parsed in a process forked for it. In Airflow 3 that one has no database: it asks the dag processor for
Variables and Connections, which has the API server in its own process, and which stores the result; so all its
statements are seen there. Airflow 2's child has the database and does it all itself: its numbers come back with its
result. The dag processor tells both, with Airflow's own duration and counts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dagtrace import telemetry
from dagtrace.airflow import dag_files, statements
from dagtrace.airflow.compat import parsing as compat
from dagtrace.airflow.statements import Tally
from dagtrace.options import options
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dagtrace.airflow.dag_files import Parse

_EVERY = 60.0
"""Seconds between two looks for files that are gone."""


class _Teller:
    """Tells parses; remembers of each file what was told last."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], Parse] = {}
        self._cleaned = time.monotonic()

    def tell(self, parse: Parse) -> None:
        """Measure a parse, and tell its span where there is news."""
        key = parse.bundle, parse.path
        own = key in self._told or len(self._told) < dag_files.MOST
        telemetry.measure(*dag_files.points(parse, parse.path if own else dag_files.OTHERS))
        if own and dag_files.is_news(parse, self._told.get(key)):
            from dagtrace.telemetry.process import host_name

            self._told[key] = parse
            telemetry.tell(dag_files.span(parse, host_name(), sql="sql" in options().capture))

    def forget(self, there: Iterable[tuple[str, str]]) -> None:
        """Once a minute, set the gauges of files that are gone to 0; ``there`` are those that are not."""
        if time.monotonic() - self._cleaned < _EVERY:
            return
        self._cleaned = time.monotonic()
        for bundle, path in self._told.keys() - set(there):
            telemetry.measure(*dag_files.state(path, bundle, 0, 0))
            del self._told[bundle, path]


_teller = _Teller()
_tallies: dict[int, Tally] = {}
"""By identity of Airflow's object, what was asked for it: a process that parses, or its result."""


def around_loop(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``DagFileProcessorManager._run_parsing_loop``: nothing is imported later, between forks."""
    _begin()
    try:
        return wrapped(*args, **kwargs)
    finally:
        telemetry.flush()


@guarded
def _begin() -> None:
    telemetry.describe("airflow", "dag-processor", lasting=True)
    statements.listen()
    telemetry.preload()


def tally_of(thing: Any) -> Tally:
    """Return what is asked for an object of Airflow's, from now on until it is taken."""
    return _tallies.setdefault(id(thing), Tally())


def take(thing: Any) -> Tally:
    """Return what was asked for an object of Airflow's, and forget it."""
    return _tallies.pop(id(thing), None) or Tally()


def around_request(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 3's ``DagFileProcessorProcess._handle_request(msg, log, req_id)``, in the dag processor."""
    tally = _asked(instance, kwargs.get("msg", args[0] if args else None))
    if tally is None:
        return wrapped(*args, **kwargs)
    with statements.taking(tally):
        return wrapped(*args, **kwargs)


@guarded
def _asked(process: Any, message: Any) -> Tally | None:
    purpose = compat.purpose(message)
    if purpose is None:
        return None
    tally = tally_of(process)
    tally.calls[purpose] += 1
    return tally


def around_persist(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap what stores a result (``parsing_result=``) of Airflow 3's parser."""
    result = kwargs.get("parsing_result")
    if result is None:
        return wrapped(*args, **kwargs)
    with statements.taking(tally_of(result)):
        return wrapped(*args, **kwargs)


def around_collect(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """
    Wrap what takes processes from ``DagFileProcessorManager._processors``: tell their files.

    That is ``_kill_timed_out_processors`` and, in Airflow 3, ``_collect_results``.
    """
    before = _processors(instance)
    result = wrapped(*args, **kwargs)
    if before:
        _tell_collected(instance, before)
    return result


@guarded
def _processors(manager: Any) -> dict[Any, Any]:
    return dict(manager._processors)


@guarded
def _tell_collected(manager: Any, before: dict[Any, Any]) -> None:
    left = manager._processors
    for file, process in before.items():
        if left.get(file) is process:
            continue
        tally = take(process)
        result = compat.result_of(process)
        if result is not None:
            tally.add(take(result))
        if not compat.only_callbacks(process):
            _teller.tell(compat.parse_of(file, manager, tally))
    _teller.forget(compat.file_key(file, manager) for file in manager._file_stats)


class _Result(tuple[int, int, int]):  # noqa: SLOT001 - it is to carry more
    """Airflow 2's result of a parse (DAGs, import errors, queries), and what was asked for: it is pickled with it."""

    tally: Tally


def around_file(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 2's ``DagFileProcessor.process_file``, in the process that parses."""
    statements.listen()
    tally = Tally()
    with statements.taking(tally):
        result = wrapped(*args, **kwargs)
    return _with(tally, result) or result


@guarded
def _with(tally: Tally, result: Any) -> _Result:
    found = _Result(result)
    found.tally = tally
    return found


def around_taken(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 2's ``DagFileProcessorManager._collect_results_from_processor(processor)``."""
    result = wrapped(*args, **kwargs)
    _tell_taken(instance, kwargs.get("processor", args[0] if args else None))
    return result


@guarded
def _tell_taken(manager: Any, processor: Any) -> None:
    tally = getattr(processor.result, "tally", None) or Tally()
    _teller.tell(compat.parse_of(processor.file_path, manager, tally))
    _teller.forget(compat.file_key(file, manager) for file in manager._file_stats)
