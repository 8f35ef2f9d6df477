"""
Context into whatever a task starts: another process, a container, a Spark job somewhere.

One `table` says where it goes: a row names the function at the boundary (a hook's method, a client's request) and the
place in what that function is given: a Spark conf, an environment, parameters. The `places` are tiny functions on
copies, so what the user wrote stays as it is and wins, and a second try begins as the first one did. Child processes of
the worker need no row: the task's own `environment` has ``TRACEPARENT`` while its operator runs. What comes back of a
remote job (`jobs`) is a span below ``execute``. A plain Python process that was started with a carrier becomes its
child (`received`). A query by one of Airflow's database hooks is a client span (`sql`).

What is carried is the W3C trace context; never a header, a key or a secret.
"""

from __future__ import annotations


def watch() -> None:
    """Arm the table's own rows; called when ``airflow`` is imported while the switch is on."""
    from dagtrace import patch
    from dagtrace.submit import sql, wrapping
    from dagtrace.submit.table import ROWS

    wrapping.arm(ROWS, optional=True)
    patch.apply(sql.PATCHES)


def ready() -> None:
    """Arm the rows that users have installed; a second call in a process, or one forked from it, costs nothing."""
    from dagtrace.submit import wrapping
    from dagtrace.submit.table import users_rows

    wrapping.arm(users_rows())
