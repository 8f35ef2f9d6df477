"""Statements are counted as SQLAlchemy itself sees them, and one in a loop is known as one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from dagtrace.airflow import statements
from dagtrace.airflow.statements import REPEATED, Tally, normalise, summary


if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def engine() -> Iterator[tuple[sa.Engine, list[str]]]:
    """Return a database and the statements that a listener of the test's own sees on it."""
    made = sa.create_engine("sqlite://")
    seen: list[str] = []

    def see(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(made, "before_cursor_execute", see)
    yield made, seen
    made.dispose()


@pytest.mark.parametrize(
    ("statement", "same"),
    [
        ("select * from t where id = 7", "select * from t where id = ?"),
        ("select * from t where name = 'it''s 5'", "select * from t where name = ?"),
        ("select a1, t_2.x from t_2 where a1 > -3.5", "select a1, t_2.x from t_2 where a1 > ?"),
        ("select 1 from t where a in (%(a_1)s, %(a_2)s,\n %(a_3)s)", "select ? from t where a in (?)"),
        ("insert into t values (?, ?), (?, ?)", "insert into t values (?)"),
        ("select :a, x::int, $1 /* why 3 */ -- 4\n from t", "select ?, x::int, ? from t"),
    ],
)
def test_values_are_no_part_of_a_statement(statement: str, same: str) -> None:
    """Literals, parameters of every style, lists of them and comments go; names and casts stay."""
    assert normalise(statement) == same


@pytest.mark.parametrize(
    ("statement", "short"),
    [
        ('SELECT a FROM "dag_run" JOIN x', "SELECT dag_run"),
        ("insert into public.t (a) values (1)", "INSERT public.t"),
        ("UPDATE t SET a = 'secret'", "UPDATE t"),
        ("WITH c AS (SELECT 1) DELETE FROM t", "WITH t"),
        ("PRAGMA foreign_keys=ON", "PRAGMA"),
        ("", ""),
    ],
)
def test_a_summary_has_operation_and_table_only(statement: str, short: str) -> None:
    """What may be told without anybody's leave has no value and no condition in it."""
    assert summary(statement) == short


def test_counts_are_those_of_sqlalchemy(engine: tuple[sa.Engine, list[str]]) -> None:
    """Within a tally, of an engine made before the listening: as many as the test's listener saw, none outside."""
    made, seen = engine
    statements.listen()
    statements.listen()
    tally = Tally()
    with made.connect() as connection:
        connection.execute(sa.text("create table t (a int)"))
        seen.clear()
        with statements.taking(tally):
            for number in range(REPEATED + 2):
                connection.execute(sa.text(f"select * from t where a = {number}"))  # noqa: S608 - numbers of the test's own
            connection.execute(sa.text("select count(*) from t"))
        told = list(seen)
        connection.execute(sa.text("select 1"))
    assert tally.queries == len(told) == REPEATED + 3
    assert tally.statements == Counter(map(normalise, told))
    assert tally.repeated == [("select * from t where a = ?", REPEATED + 2)]


def test_the_tally_is_bounded() -> None:
    """A file that runs thousands of different statements has them all counted and some hundreds remembered."""
    tally = Tally()
    for number in range(3000):
        tally.ran(f"select c{number}")
    assert tally.queries == 3000
    assert len(tally.statements) == 500
