"""
Facts out of Airflow, by the process they come from.

The **scheduler** tells ``dag_run`` and every ``task_instance`` from the database (`reader`), on a thread of its own:
that is the one place that knows how each try ended, also of those whose process was killed. The **task process** tells
``execute`` and makes it the current span, so that whatever the task does or starts hangs under it (`execution`). The
**supervisor** tells the ``execute`` of a child that was killed (`supervisor`). ``dag.test()`` and ``airflow dags test``
do it all in one process (`dag_test`). Ids are derived from names (`dagtrace.identity`), so the processes agree without
talking. Nothing here registers a listener: any listener plugin makes DAGs with ``end_from_trigger=True`` fail to load.
"""

from __future__ import annotations

from dagtrace import patch
from dagtrace._startup import when_imported


def watch() -> None:
    """Arm the patches; called when ``airflow`` is imported while the switch is on."""
    from dagtrace import submit
    from dagtrace.airflow import compat, native

    native.begin()
    patch.apply(compat.patches())
    submit.watch()
    when_imported(compat.SUPERVISOR, _preload)


def _preload() -> None:
    """Import in the long-lived process what each forked task would have to import again (0.3 s in all)."""
    import wrapt  # noqa: F401  # pyright: ignore[reportUnusedImport]

    from dagtrace import submit, telemetry
    from dagtrace.airflow import execution  # noqa: F401  # pyright: ignore[reportUnusedImport]

    telemetry.preload()
    submit.ready()
