"""
A statement run by one of Airflow's database hooks (``DbApiHook``) as a client span below ``execute``.

``run``, ``get_records``, ``get_first`` and the SQL operators all go through one method of the hook. Its span is the
current one meanwhile, so that an instrumentation of the driver's hangs below it. The statement's text stays out unless
``DAGTRACE_CAPTURE`` has ``sql``, parameters always; an error is told by its class and the database's code, because its
message quotes the statement. With ``DAGTRACE_SQL_COMMENT`` the statement ends with ``/*traceparent='…'*/``, in
sqlcommenter's form, for the database's own log.
"""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from dagtrace import identity, telemetry
from dagtrace.airflow.current import execution
from dagtrace.masking import redact
from dagtrace.options import options
from dagtrace.patch import Patch
from dagtrace.record import SpanRecord, Value
from dagtrace.semconv import attributes as names
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from collections.abc import Callable

_SYSTEMS = {
    "postgres": "postgresql",
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "redshift": "aws.redshift",
    "gcpbigquery": "gcp.bigquery",
}
"""OpenTelemetry's names, where Airflow's connection types have others."""

_OPERATIONS = frozenset(
    {
        *("SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "EXPLAIN", "USE", "SET", "CALL", "EXEC", "EXECUTE"),
        *("INSERT", "UPDATE", "DELETE", "MERGE", "UPSERT", "REPLACE", "COPY", "LOAD", "UNLOAD", "TRUNCATE"),
        *("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "BEGIN", "COMMIT", "ROLLBACK"),
        *("ANALYZE", "VACUUM", "OPTIMIZE", "REFRESH"),
    }
)
_FIRST_WORD = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*(\w+)", re.DOTALL)


class _Statement:
    """One statement, from before it runs to after it."""

    def __init__(self, hook: Any, sql: Any) -> None:
        parent = trace.get_current_span().get_span_context()
        flags = parent.trace_flags
        self._span_id = random.getrandbits(64) or 1
        self._parent, self._start_ns = parent, time.time_ns()
        self.traceparent = identity.SpanContext(parent.trace_id, self._span_id, flags.sampled).traceparent
        self._attributes = _describe(hook, sql)
        context = trace.SpanContext(parent.trace_id, self._span_id, False, flags, parent.trace_state)  # noqa: FBT003
        self._token = otel_context.attach(trace.set_span_in_context(trace.NonRecordingSpan(context)))

    def end(self, cursor: Any, error: BaseException | None) -> None:
        """Tell the span."""
        otel_context.detach(self._token)
        found = self._attributes
        if error is not None:
            found[names.ERROR_TYPE] = type(error).__name__
            code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
            found.update({names.DB_RESPONSE_STATUS_CODE: str(code)} if code else {})
        rows = getattr(cursor, "rowcount", None)
        if error is None and isinstance(rows, int) and rows >= 0:
            returns = getattr(cursor, "description", None)
            found[names.DB_RESPONSE_RETURNED_ROWS if returns else names.DB_RESPONSE_AFFECTED_ROWS] = rows
        telemetry.tell(
            SpanRecord(
                name=str(found.get(names.DB_OPERATION_NAME) or found[names.DB_SYSTEM_NAME]),
                trace_id=self._parent.trace_id,
                span_id=self._span_id,
                parent_id=self._parent.span_id,
                start_ns=self._start_ns,
                end_ns=time.time_ns(),
                attributes=found,
                error=None if error is None else type(error).__name__,
                sampled=self._parent.trace_flags.sampled,
                client=True,
            )
        )


def _describe(hook: Any, sql: Any) -> dict[str, Value]:
    kind = str(getattr(hook, "conn_type", None) or type(hook).__name__)
    found: dict[str, Any] = {names.DB_SYSTEM_NAME: _SYSTEMS.get(kind, kind)}
    # Only what the hook has by now: asking for its connection would be a request of its own in Airflow 3.
    connection = hook.__dict__.get("_connection")
    if connection is not None:
        found[names.SERVER_ADDRESS] = connection.host
        found[names.SERVER_PORT] = connection.port
        found[names.DB_NAMESPACE] = hook.__dict__.get("database") or connection.schema
    if isinstance(sql, str):
        word = _FIRST_WORD.match(sql[:4096])
        if word is not None and word[1].upper() in _OPERATIONS:
            found[names.DB_OPERATION_NAME] = word[1].upper()
        if "sql" in options().capture:
            found[names.DB_QUERY_TEXT] = redact(sql)
    return {name: value for name, value in found.items() if value}


def around_command(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``DbApiHook._run_command(cur, sql_statement, parameters)``; the database's exception passes as it is."""
    cursor = kwargs.get("cur", args[0] if args else None)
    statement = _begin(instance, kwargs.get("sql_statement", args[1] if len(args) > 1 else None))
    if statement is not None and options().sql_comment:
        args, kwargs = _commented(args, kwargs, statement.traceparent)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        _end(statement, cursor, error)
        raise
    _end(statement, cursor, None)
    return result


@guarded
def _begin(hook: Any, sql: Any) -> _Statement | None:
    return _Statement(hook, sql) if execution() is not None else None


@guarded
def _end(statement: _Statement | None, cursor: Any, error: BaseException | None) -> None:
    if statement is not None:
        statement.end(cursor, error)


def _commented(
    args: tuple[Any, ...], kwargs: dict[str, Any], traceparent: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if "sql_statement" in kwargs:
        return args, {**kwargs, "sql_statement": comment(kwargs["sql_statement"], traceparent)}
    return (args[0], comment(args[1], traceparent), *args[2:]), kwargs


def comment(sql: Any, traceparent: str) -> Any:
    """Return a statement with the comment at its end, before a last semicolon; one with a comment stays as it is."""
    if not isinstance(sql, str) or "/*" in sql or "--" in sql:
        return sql
    body = sql.rstrip()
    end = ";" if body.endswith(";") else ""
    return f"{body.removesuffix(';')} /*traceparent='{traceparent}'*/{end}"


PATCHES = (Patch("airflow.providers.common.sql.hooks.sql", "DbApiHook._run_command", around_command),)
"""Armed with the table."""
