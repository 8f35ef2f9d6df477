"""Statements of Airflow's database hooks, run by a real SQLite and a real PostgreSQL."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.sqlite.hooks.sqlite import SqliteHook
from airflow.providers.standard.operators.python import PythonOperator
from opentelemetry import trace

from dagtrace.options import options
from dagtrace.submit.sql import comment
from dagtrace.telemetry.process import make_resource
from dagtrace.telemetry.spans import to_span
from submit.conftest import returning
from support.postgres import Postgres


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from submit.conftest import Task


@pytest.fixture
def sqlite(task: Task, tmp_path: Path) -> None:
    """Define a connection to a file."""
    task.connect("sqlite_default", conn_type="sqlite", host=str(tmp_path / "a.db"))


def statements(task: Task) -> list[Any]:
    """Return the last task's spans but for its own."""
    return [record for record in task.records if record.client]


@pytest.mark.usefixtures("sqlite")
def test_sqlite(task: Task) -> None:
    """Each statement is a client span of the task's, named by what it does, with its rows and without its text."""

    def work() -> list[Any]:
        hook = SqliteHook()
        hook.run(["CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2), (3)"])
        return hook.get_records("-- all\n/* of it */ SELECT 'hunter2' UNION SELECT a FROM t")

    task.run(PythonOperator(task_id="t", python_callable=work))
    found = statements(task)
    assert [record.name for record in found] == ["CREATE", "INSERT", "SELECT"]
    assert found[1].attributes == {
        "db.system.name": "sqlite", "db.operation.name": "INSERT", "db.response.affected_rows": 3,
    }  # fmt: skip
    assert {(record.trace_id, record.parent_id) for record in found} == {(task.span.trace_id, task.span.span_id)}
    assert "hunter2" not in str(found)
    assert to_span(found[0], make_resource("s", None)).kind is trace.SpanKind.CLIENT


@pytest.mark.usefixtures("sqlite")
def test_the_statement_by_opt_in(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAGTRACE_CAPTURE=sql adds the statement, masked, never its parameters."""
    monkeypatch.setenv("DAGTRACE_CAPTURE", "sql")
    options.cache_clear()
    task.run(
        PythonOperator(
            task_id="t",
            python_callable=partial(
                SqliteHook().get_first, "SELECT ? AS a /* password=hunter2 */", parameters=("hunter2-parameter",)
            ),
        )
    )
    (found,) = statements(task)
    assert found.attributes["db.query.text"] == "SELECT ? AS a /* password=*** */"
    assert "hunter2" not in str(found)


@pytest.mark.usefixtures("sqlite")
def test_an_error(task: Task) -> None:
    """A statement that fails is a failed span, with the class of the error and not its text; the user has it all."""
    import sqlite3

    with pytest.raises(sqlite3.OperationalError, match="hunter2"):
        task.run(PythonOperator(task_id="t", python_callable=partial(SqliteHook().run, "SELECT a FROM hunter2")))
    (found,) = statements(task)
    assert found.error == "OperationalError"
    assert found.attributes["error.type"] == "OperationalError"
    assert "hunter2" not in str(found)


@pytest.mark.usefixtures("sqlite")
def test_the_comment_by_opt_in(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAGTRACE_SQL_COMMENT: what SQLite itself is given ends with the traceparent of the statement's own span."""
    monkeypatch.setenv("DAGTRACE_SQL_COMMENT", "true")
    options.cache_clear()
    seen: list[str] = []

    def work() -> None:
        hook = SqliteHook()
        connection: Any = hook.get_conn()  # pyright: ignore[reportUnknownVariableType]
        connection.set_trace_callback(seen.append)
        monkeypatch.setattr(hook, "get_conn", returning(connection))
        hook.run("SELECT 1;")

    task.run(PythonOperator(task_id="t", python_callable=work))
    (found,) = statements(task)
    assert f"SELECT 1 /*traceparent='00-{found.trace_id:032x}-{found.span_id:016x}-01'*/;" in seen


@pytest.mark.parametrize("sql", ["SELECT 1 -- mine", "SELECT /*+ HINT */ 1", b"SELECT 1", None])
def test_no_comment_where_one_could_do_harm(sql: Any) -> None:
    """A statement with a comment of its own, and what is not a text, stays as it is."""
    assert comment(sql, "00-1") is sql


@pytest.fixture
def postgres(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Define a connection to a real PostgreSQL."""
    server = Postgres()
    url = urlsplit(server.database())
    (socket,) = parse_qs(url.query)["host"]
    task.connect("postgres_default", conn_type="postgres", host=socket, login="postgres", schema=url.path[1:])
    yield url.path[1:]
    server.stop()


@pytest.mark.real
def test_postgresql(task: Task, postgres: str) -> None:
    """SQLExecuteQueryOperator: where it is, what it did and how many rows, from the hook and the driver."""
    operator: Any = SQLExecuteQueryOperator(
        task_id="t", conn_id="postgres_default", sql="SELECT generate_series(1, %(n)s)", parameters={"n": 7}
    )
    assert len(task.run(operator)) == 7
    (found,) = statements(task)
    assert found.name == "SELECT"
    assert found.attributes["db.system.name"] == "postgresql"
    assert found.attributes["db.response.returned_rows"] == 7
    assert found.attributes["db.namespace"] == postgres
    assert str(found.attributes["server.address"]).startswith("/")

    def fail() -> None:
        PostgresHook().run("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        task.run(PythonOperator(task_id="t", python_callable=fail))
    assert statements(task)[0].attributes["db.response.status_code"] == "22012"
