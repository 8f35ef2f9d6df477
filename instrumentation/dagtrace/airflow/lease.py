"""Which scheduler tells: with several, one at a time, by a lock in the database that goes with its holder."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError


_LOCK = 0x64616774  # "dagt"

_inherited: list[Any] = []


class Lease:
    """One process's claim to lead."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._lease: Any = None
        os.register_at_fork(after_in_child=self.let_go)

    def leads(self) -> bool:
        """
        Return whether this process is the one that tells: with several schedulers, one at a time.

        A session's advisory lock on a connection of its own; it goes with the connection, so a dead leader's is free.
        Behind a proxy that pools by transaction (PgBouncer) there is no session to hold one: several schedulers may
        both lead there, or after a crash none, until the proxy recycles the connection. SQLite allows one only.
        """
        if self._engine.dialect.name == "sqlite":
            return True
        query = {"postgresql": "select pg_try_advisory_lock(%d)", "mysql": "select get_lock('dagtrace-%d', 0)"}.get(
            self._engine.dialect.name
        )
        if query is None:
            return True
        try:
            if self._lease is not None:
                self._lease.execute(text("select 1"))
                self._lease.commit()
                return True
            lease = self._engine.connect()
            if lease.execute(text(query % _LOCK)).scalar():
                lease.commit()
                self._lease = lease
                return True
            lease.close()
        except SQLAlchemyError:
            self.resign()  # the connection is lost or in doubt: close it, and the lock with it; ask again next time
        return False

    def resign(self) -> None:
        """Let another scheduler lead."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(SQLAlchemyError):
                lease.invalidate()  # really closed, not given back to the pool with the lock on it
            lease.close()

    def let_go(self) -> None:
        """
        In a forked child: let go of the leader's connection without a word to the server.

        A worker that the executor replaces while we lead inherits the socket; with it the lock would outlive a leader
        that is killed. Closing it properly would end the parent's session: the descriptor is made to point nowhere.
        """
        lease, self._lease = self._lease, None
        descriptor = getattr(getattr(lease, "connection", None), "fileno", None)
        if descriptor is not None:
            _inherited.append(lease)  # never collected: its end would be told to whatever the descriptor is by then
            with suppress(Exception):  # psycopg2 says InterfaceError of a connection that is closed already
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, descriptor())
                os.close(nowhere)
