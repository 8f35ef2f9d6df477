"""A finished run, and the questions tests ask its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagtrace.cli.traces import Trace, read
from dagtrace.semconv import attributes as names


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TRIES = """
    select task_id, map_index, try_number, state, start_date, end_date from task_instance
        where run_id = '{run_id}' and dag_id = '{dag_id}' and state is not null
    union all
    select task_id, map_index, try_number, state, start_date, end_date from task_instance_history
        where run_id = '{run_id}' and dag_id = '{dag_id}'
"""
"""Every try of a run, as the database has it."""


class Ran:
    """A finished run: where its traces lie and how to ask its database."""

    def __init__(
        self, traces: Path, query: Callable[[str], list[dict[str, Any]]], env: Mapping[str, str] | None = None
    ) -> None:
        self.traces = traces
        self.query = query
        self.env = env or {}

    def read(self) -> list[Trace]:
        """Return all traces but those of DAG files that took long to parse, which depends on the machine."""
        return [
            trace
            for trace in read(self.traces)
            if not any(names.AIRFLOW_DAG_FILE_PATH in root.span.attributes for root in trace.roots)
        ]

    def trace(self, dag_id: str, run_id: str) -> Trace:
        """Return the only trace of a run."""
        wanted = {names.AIRFLOW_DAG_ID: dag_id, names.AIRFLOW_DAG_RUN_RUN_ID: run_id}
        (found,) = (
            trace for trace in self.read() for root in trace.roots if wanted.items() <= root.span.attributes.items()
        )
        return found
