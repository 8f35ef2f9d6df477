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
    killed = Patch(_MANAGER, "DagFileProcessorManager._kill_timed_out_processors", parsing.around_collect)
    if not compat.TASK_SDK:
        return [
            loop,
            Patch(PROCESSOR, "DagFileProcessor.process_file", parsing.around_file),
            Patch(_MANAGER, "DagFileProcessorManager._collect_results_from_processor", parsing.around_taken),
            killed,
            *reads_patches(),
        ]
    stores = "DagFileProcessorManager.persist_parsing_result" if compat.VERSION >= (3, 3) else "process_parse_results"
    return [
        loop,
        requests_patch(),
        Patch(_MANAGER, stores, parsing.around_persist),
        Patch(_MANAGER, "DagFileProcessorManager._collect_results", parsing.around_collect),
        killed,
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


def result_of(process: Any) -> Any:
    """Return what Airflow 3's parser sent; Airflow 2's has told what it asked for with its result."""
    return process.parsing_result if compat.TASK_SDK else None


def only_callbacks(process: Any) -> bool:
    """Return whether a process ran callbacks and parsed nothing; before 3.1 Airflow does not know."""
    return bool(getattr(process, "had_callbacks", False)) and process.parsing_result is None


def file_key(file: Any, manager: Any) -> tuple[str, str]:
    """Return a file's bundle and path: of a ``DagFileInfo``, in Airflow 2 of its whole path."""
    if compat.TASK_SDK:
        return file.bundle_name, str(file.rel_path)
    try:
        return "", str(Path(file).relative_to(manager.get_dag_directory()))
    except ValueError:
        return "", Path(file).name


def parse_of(file: Any, manager: Any, tally: Tally) -> Parse:
    """Return the last parse of a file as the dag processor has it (``DagFileStat``)."""
    stat = manager._file_stats[file]
    bundle, path = file_key(file, manager)
    took = stat.last_duration or 0.0  # Airflow 2 has a timedelta
    return dag_files.Parse(
        path=path,
        bundle=bundle,
        end_ns=time.time_ns(),
        seconds=took if isinstance(took, (int, float)) else took.total_seconds(),
        dags=stat.num_dags,
        import_errors=abs(stat.import_errors),  # Airflow 2 has -1 where the process died
        tally=tally,
    )
