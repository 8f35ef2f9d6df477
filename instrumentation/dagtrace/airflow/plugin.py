"""
The plugin by which Airflow's UI links runs and tasks to their traces (``DAGTRACE_TRACE_URL``).

Airflow loads plugins in most of its processes, so this makes one of plain data, and only where the variable is set: the
pages themselves (`trace_page`) are built when an API server asks for them, and a trace id is derived when somebody
looks, from the run's row. It has no listener: any would keep DAGs with ``end_from_trigger=True`` from being loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagtrace.airflow.compat import states, ui
from dagtrace.options import options
from dagtrace.telemetry.guard import guarded


if TYPE_CHECKING:
    from dagtrace.airflow.facts import Run

NAME = "Trace"
"""What the link is called: a button of every task instance, and from 3.1 on a tab of every run and task instance."""

PREFIX = "/dagtrace"
"""Of the paths below the API server's."""


class NoTraceError(Exception):
    """A run has no trace that could be linked to; the message says why, to the user."""


def url_of(dag_id: str, run_id: str) -> str:
    """Return the page of a run's trace, as the template has it; raise NoTraceError where there can be none."""
    if not options().traces(dag_id):
        raise NoTraceError(f"{dag_id} is not traced: DAGTRACE_INCLUDE or DAGTRACE_EXCLUDE leaves it out.")
    run = _run(dag_id, run_id)
    if run is None:
        raise NoTraceError("There is no such run.")
    if run.triggered_by == states.TEST_TRIGGER:
        raise NoTraceError(
            "This is a run of dag.test(): the process that made it has the trace, under an id of its own."
        )
    if run.start_date is None:
        raise NoTraceError("The run has not started. Its trace gets its id from the moment when it does.")
    return options().trace_url.replace("{trace_id}", f"{run.trace_id:032x}")


def _run(dag_id: str, run_id: str) -> Run | None:
    from dagtrace.airflow.database import connect

    database = connect()
    found = [] if database is None else database.runs([(dag_id, run_id)])
    return found[0][1] if found else None


class TraceLink:
    """A link of every operator's, which Airflow asks for when somebody looks at a task instance."""

    name = NAME
    operators = ()

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return where the trace of a task instance's run is, an empty string where it has none."""
        return _link(ti_key.dag_id, ti_key.run_id) or ""


@guarded
def _link(dag_id: str, run_id: str) -> str:
    try:
        return url_of(dag_id, run_id)
    except NoTraceError:
        return ""


def make(base: type[Any]) -> type[Any]:
    """Return the plugin, a subclass of Airflow's own class for such."""

    class DagtracePlugin(base):
        name = "dagtrace"
        global_operator_extra_links = (TraceLink(),)
        external_views = _views()

        @property
        def fastapi_apps(self) -> list[dict[str, Any]]:
            return _apps() or []

    return DagtracePlugin


def _views() -> list[dict[str, str]]:
    """Return the tabs. Paths are relative, as the UI's own: an API server may be reached below some other path."""
    if not ui.HAS_VIEWS:
        return []
    path = f"{PREFIX.removeprefix('/')}/run/{{DAG_ID}}/{{RUN_ID}}"
    return [
        {
            "name": NAME,
            "href": path,
            "destination": destination,
            "url_route": f"dagtrace-{destination.replace('_', '-')}",
        }
        for destination in ("dag_run", "task_instance")
    ]


@guarded
def _apps() -> list[dict[str, Any]]:
    if not ui.HAS_VIEWS:
        return []
    from dagtrace.airflow.trace_page import app

    return [{"name": "dagtrace", "app": app(), "url_prefix": PREFIX}]
