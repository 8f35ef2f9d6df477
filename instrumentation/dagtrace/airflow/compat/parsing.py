"""How Airflow's versions parse DAG files: what is wrapped in the dag processor, and the form of its facts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagtrace.airflow import compat, dag_files
from dagtrace.patch import Patch


if TYPE_CHECKING:
    from dagtrace.airflow.dag_files import Parse
    from dagtrace.airflow.statements import Tally

_MANAGER = "airflow.dag_processing.manager"
PROCESSOR = "airflow.dag_processing.processor"

_NO_CALLS = ("DagFileParsingResult", "MaskSecret")
"""What Airflow 3's parser sends to the dag processor that asks nothing of the API."""


def patches() -> list[Patch]:
    """Return the places to wrap."""
    from dagtrace.airflow import parsing

    loop = Patch(_MANAGER, "DagFileProcessorManager._run_parsing_loop", parsing.around_loop)
    if not compat.TASK_SDK:
        return [
            loop,
            Patch(PROCESSOR, "DagFileProcessor.process_file", parsing.around_file),
            Patch(_MANAGER, "DagFileProcessorManager._collect_results_from_processor", parsing.around_taken),
            *reads_patches(),
        ]
    stores = "DagFileProcessorManager.persist_parsing_result" if compat.VERSION >= (3, 3) else "process_parse_results"
    return [
        loop,
        requests_patch(),
        Patch(_MANAGER, stores, parsing.around_persist),
        Patch(_MANAGER, "DagFileProcessorManager._collect_results", parsing.around_collect),
    ]


def requests_patch() -> Patch:
    """Return where Airflow 3's dag processor answers what its parsers ask for."""
    from dagtrace.airflow import parsing

    return Patch(PROCESSOR, "DagFileProcessorProcess._handle_request", parsing.around_request)


def reads_patches() -> list[Patch]:
    """Return where Airflow 2 asks its database for what DAG files read; what the environment has is not asked for."""
    from dagtrace.airflow import statements

    return [
        Patch("airflow.secrets.metastore", "MetastoreBackend.get_variable", statements.around_variable),
        Patch("airflow.secrets.metastore", "MetastoreBackend.get_connection", statements.around_connection),
        Patch("airflow.models.xcom", "BaseXCom.get_many", statements.around_xcom),
    ]


def purpose(message: Any) -> str | None:
    """Return what a parser's message asks the API for; None where it asks nothing."""
    name = type(message).__name__
    if name in _NO_CALLS:
        return None
    return next((word.lower() for word in ("Variable", "Connection", "XCom") if word in name), "other")


def only_callbacks(process: Any) -> bool:
    """Return whether a process ran callbacks and stored nothing; before 3.1 Airflow does not know."""
    return bool(getattr(process, "had_callbacks", False)) and process.parsing_result is None


def parse_of(file: Any, stat: Any, tally: Tally) -> Parse:
    """Return a parse as Airflow 3's dag processor has it (``DagFileInfo``, ``DagFileStat``)."""
    return dag_files.Parse(
        path=str(file.rel_path),
        bundle=file.bundle_name,
        end_ns=time.time_ns(),
        seconds=stat.last_duration or 0.0,
        dags=stat.num_dags,
        import_errors=stat.import_errors,
        tally=tally,
    )


def parse_of_2(path: str, folder: Any, stat: Any, tally: Tally) -> Parse:
    """Return a parse as Airflow 2's manager has it."""
    return dag_files.Parse(
        path=relative(path, folder),
        bundle="",
        end_ns=time.time_ns(),
        seconds=stat.last_duration.total_seconds(),
        dags=stat.num_dags,
        import_errors=abs(stat.import_errors),  # -1: the process died
        tally=tally,
    )


def relative(path: str, folder: Any) -> str:
    """Return a file's path within the DAGs folder."""
    try:
        return str(Path(path).relative_to(folder))
    except ValueError:
        return Path(path).name
