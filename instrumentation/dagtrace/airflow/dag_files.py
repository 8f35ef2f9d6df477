"""What is told of a DAG file that was parsed: measurements each time, a span where there is news. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagtrace.airflow.statements import Tally, summary
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


if TYPE_CHECKING:
    from dagtrace.record import Value

OTHERS = "(others)"
"""Stands for all files beyond the first ``MOST``."""

MOST = 1_000
"""Files that have series of their own."""

_SLOW = 1.0
"""Seconds; a parse that took longer, and twice as long as the last one told, is news."""

_MOST_REPEATED = 10
"""Repeated statements a span names."""


@dataclass(frozen=True)
class Parse:
    """One parse of one file, as the dag processor knows it."""

    path: str
    """Relative to its bundle's folder (Airflow 2: to the DAGs folder)."""
    bundle: str
    end_ns: int
    seconds: float
    """From the start of the process that parsed it until its result was taken; Airflow's own ``last_duration``."""
    dags: int
    import_errors: int
    """1, too, where the process was killed because it took too long, and in Airflow 2 where it died."""
    tally: Tally = field(default_factory=Tally)


def points(parse: Parse, path: str) -> list[Point]:
    """Return the measurements of a parse; ``path`` is the file's, or ``OTHERS``."""
    labels: dict[str, Value] = {names.AIRFLOW_DAG_FILE_PATH: path, names.AIRFLOW_DAG_BUNDLE_NAME: parse.bundle}
    found = [
        Point(metrics.AIRFLOW_DAG_FILE_PARSE_DURATION, max(0.0, parse.seconds), labels),
        Point(metrics.AIRFLOW_DAG_FILE_PARSE_DB_QUERIES, parse.tally.queries, labels),
    ]
    for purpose in sorted({"variable", "connection", "xcom", *parse.tally.calls}):  # 0, so that a rate sees the first
        about = {**labels, names.AIRFLOW_API_CALL_PURPOSE: purpose}
        found.append(Point(metrics.AIRFLOW_DAG_FILE_PARSE_API_CALLS, parse.tally.calls[purpose], about))
    if path != OTHERS:  # the last of many files is nobody's state
        found += state(path, parse.bundle, parse.dags, parse.import_errors)
    return found


def state(path: str, bundle: str, dags: int, import_errors: int) -> list[Point]:
    """Return the gauges of a file; all 0 once it is gone."""
    labels: dict[str, Value] = {names.AIRFLOW_DAG_FILE_PATH: path, names.AIRFLOW_DAG_BUNDLE_NAME: bundle}
    return [
        Point(metrics.AIRFLOW_DAG_FILE_DAGS, dags, labels),
        Point(metrics.AIRFLOW_DAG_FILE_IMPORT_ERRORS, import_errors, labels),
    ]


def is_news(parse: Parse, told: Parse | None) -> bool:
    """
    Return whether a parse is worth a span: the first of its file, and one that is unlike the last that was told.

    Every file is parsed twice a minute as long as the dag processor lives.
    """
    if told is None:
        return True
    if (parse.dags, parse.import_errors) != (told.dags, told.import_errors):
        return True
    if [text for text, _ in parse.tally.repeated] != [text for text, _ in told.tally.repeated]:
        return True
    return parse.seconds > _SLOW and parse.seconds > 2 * told.seconds


def span(parse: Parse, host: str, *, sql: bool) -> SpanRecord:
    """Return the span of a parse, a trace of its own; ``sql`` lets it say the text of statements without values."""
    identity = f"dag_file.parse\0{host}\0{parse.bundle}\0{parse.path}\0{parse.end_ns}".encode()
    digest = hashlib.sha256(identity).digest()
    repeated = parse.tally.repeated[:_MOST_REPEATED]
    attributes: dict[str, Value] = {
        names.AIRFLOW_DAG_FILE_PATH: parse.path,
        names.AIRFLOW_DAG_BUNDLE_NAME: parse.bundle,
        names.AIRFLOW_DAG_FILE_DAGS: parse.dags,
        names.AIRFLOW_DAG_FILE_IMPORT_ERRORS: parse.import_errors,
        names.AIRFLOW_DAG_FILE_DB_QUERIES: parse.tally.queries,
        names.AIRFLOW_DAG_FILE_API_CALLS: sum(parse.tally.calls.values()),
    }
    if repeated:
        attributes[names.AIRFLOW_DAG_FILE_REPEATED_STATEMENTS] = [t if sql else summary(t) for t, _ in repeated]
        attributes[names.AIRFLOW_DAG_FILE_REPEATED_COUNTS] = [times for _, times in repeated]
    failed = parse.import_errors > 0
    if failed:
        attributes[names.ERROR_TYPE] = "import_error"
    return SpanRecord(
        name="dag_file.parse",
        trace_id=int.from_bytes(digest[:16], "big") or 1,
        span_id=int.from_bytes(digest[16:24], "big") or 1,
        parent_id=None,
        start_ns=parse.end_ns - int(max(0.0, parse.seconds) * 1e9),
        end_ns=parse.end_ns,
        attributes=attributes,
        error="the file could not be imported" if failed else None,
    )
