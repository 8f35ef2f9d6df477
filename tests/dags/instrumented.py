"""A task whose HTTP requests and SQL are traced by other people's instrumentations."""

from __future__ import annotations

import logging
import os

from versions import dag, task


@task
def asks():
    import requests
    import sqlalchemy
    from opentelemetry import trace

    if not os.environ.get("INSTRUMENTED_FROM_OUTSIDE"):
        from opentelemetry.instrumentation.requests import RequestsInstrumentor
        from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
        from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

        RequestsInstrumentor().instrument()
        SQLAlchemyInstrumentor().instrument(skip_dep_check=True)  # it says SQLAlchemy < 2.1, Airflow 3.3 has that
        SQLite3Instrumentor().instrument()
    requests.get(os.environ["ASKS"], timeout=30)
    with (
        trace.get_tracer("user.code").start_as_current_span("user work"),
        sqlalchemy.create_engine("sqlite://").connect() as connection,
    ):
        connection.execute(sqlalchemy.text("select 42"))
    logging.getLogger(__name__).warning("a line of the task's own")


@dag(schedule=None, tags=["test"])
def instrumented() -> None:
    asks()


instrumented()
