"""What PostgreSQL's planner says of queries that dagtrace asks: by an index, or by reading a whole table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.airflow import run


if TYPE_CHECKING:
    from collections.abc import Mapping

_AROUND = """
import json
from airflow import settings
from sqlalchemy import event

asked = []
event.listen(settings.engine, "before_cursor_execute", lambda c, cur, sql, values, *_: asked.append((sql, values)))
{ask}
queries, plans = list(asked), {{}}  # the listener hears the EXPLAINs, too
with settings.engine.connect() as connection:
    connection.exec_driver_sql("set enable_seqscan = off")
    for sql, values in queries:
        plans[sql] = [row[0] for row in connection.exec_driver_sql("explain " + sql, values)]
print(json.dumps(plans))
"""


def plans_of(ask: str, env: Mapping[str, str]) -> dict[str, list[str]]:
    """
    Return the plan, in lines, of every query that this Python code asks Airflow's database.

    The tables of a test are so small that a scan is always cheapest: where an index can be used, it is, because
    sequential scans are switched off; a scan that is left in a plan has no index.
    """
    done = run(dict(env), "python", "-c", _AROUND.format(ask=ask))
    return json.loads(done.stdout.splitlines()[-1])
