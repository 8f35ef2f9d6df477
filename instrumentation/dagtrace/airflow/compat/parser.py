"""
Parsing DAG files the way each Airflow's dag processor does, without storing anything.

Airflow 3's own classes start a process for a file and answer what it asks for, in an API server within this process.
Airflow 2's would store what they find, so the same steps without that are done here: import what the file imports of
Airflow, fork, and load the file.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import selectors
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagtrace import patch
from dagtrace.airflow import compat, parsing, statements
from dagtrace.airflow.compat import parsing as hooks
from dagtrace.airflow.parse_program import Parsed, measured, told
from dagtrace.patch import Patch


if TYPE_CHECKING:
    from collections.abc import Callable

_BUNDLE = "dags-folder"
"""Name of the bundle that ``[core] dags_folder`` is."""

_handover = Path()
"""Where Airflow 3's parser leaves what it measured; set before it is forked."""


def open_folder(folder: Path) -> tuple[Callable[[Path], Parsed], list[Path]]:
    """Return what parses a file, and the files Airflow would parse (``.airflowignore``, safe mode), sorted."""
    utils: Any = importlib.import_module("airflow.utils.file")
    conf: Any = importlib.import_module("airflow.configuration").conf
    safe = conf.getboolean("core", "dag_discovery_safe_mode")
    options: dict[str, Any] = {} if compat.TASK_SDK else {"include_examples": False}
    found = utils.list_py_file_paths(str(folder), safe_mode=safe, **options)
    timeout = conf.getfloat("dag_processor" if compat.TASK_SDK else "core", "dag_file_processor_timeout")
    parser = _Parser3 if compat.TASK_SDK else _Parser2
    return parser(folder, timeout), sorted(map(Path, found))


class _Parser3:
    """By Airflow 3's ``DagFileProcessorManager``."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder, self._timeout = folder, timeout
        self._module: Any = importlib.import_module("airflow.dag_processing.manager")
        requests = hooks.requests_patch()._replace(wrapper=self._around_request)
        patch.apply([requests, Patch(hooks.PROCESSOR, "_parse_file", _around_parse)])
        statements.listen()
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # as the dag processor has it: the API reads the database
        self._manager: Any = self._module.DagFileProcessorManager(max_runs=1)
        self._manager.selector = selectors.DefaultSelector()
        bundles: Any = importlib.import_module("airflow.dag_processing.bundles.local")
        self._manager._dag_bundles = [bundles.LocalDagBundle(name=_BUNDLE, path=str(folder))]
        self._warming = 0.0

    def __call__(self, file: Path) -> Parsed:
        """Parse one file."""
        global _handover  # noqa: PLW0603 - the child inherits it
        path = file.relative_to(self._folder)
        parsed = Parsed(str(path))
        warm = self._warming
        with tempfile.TemporaryDirectory() as folder:
            _handover = Path(folder) / "measured"
            info = self._module.DagFileInfo(rel_path=path, bundle_name=_BUNDLE, bundle_path=self._folder)
            process = self._manager._create_process(info)
            while not process.is_ready:
                self._manager._service_processor_sockets(timeout=0.05)
                if time.monotonic() - process.start_time - (self._warming - warm) > self._timeout:
                    process.kill(signal.SIGKILL)
                    parsed.errors.append(f"took longer than {self._timeout:g} s (dag_file_processor_timeout)")
                    break
            parsed.seconds = time.monotonic() - process.start_time - (self._warming - warm)
            text = _handover.read_text(encoding="utf-8") if _handover.exists() else ""
        told(parsed, text, parsing.take(process))
        result = process.parsing_result
        process.logger_filehandle.close()
        if result is not None:
            parsed.dags = len(result.serialized_dags)
            parsed.errors += (result.import_errors or {}).values()
        elif not parsed.errors:
            parsed.errors.append("its process ended without a result")
        return parsed

    def _around_request(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Count a request; before the first one build the API server, which is no cost of the file that asks."""
        if not self._warming and hooks.purpose(args[0]) is not None:
            began = time.monotonic()
            with suppress(Exception):  # without a database; the file's own request will say so
                instance.client.variables.get("dagtrace")
            self._warming = time.monotonic() - began
        return parsing.around_request(wrapped, instance, args, kwargs)


def _around_parse(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap Airflow 3's ``_parse_file``, in the process that parses."""
    return measured(lambda: wrapped(*args, **kwargs), _handover.write_text)


class _Parser2:
    """Airflow 2's steps."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder, self._timeout = folder, timeout
        self._imports: Any = importlib.import_module("airflow.utils.file").iter_airflow_imports
        for module in ("airflow.models.dagbag", "airflow.serialization.serialized_objects"):
            importlib.import_module(module)
        patch.apply(hooks.reads_patches())

    def __call__(self, file: Path) -> Parsed:
        """Parse one file."""
        parsed = Parsed(str(file.relative_to(self._folder)))
        for module in self._imports(str(file)):
            try:
                importlib.import_module(module)
            except Exception:  # noqa: BLE001, S112 - the file itself will say so
                continue
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        began = time.monotonic()
        process = context.Process(target=_load, args=(str(file), there))
        process.start()
        there.close()
        text = ""
        try:
            if here.poll(self._timeout):
                text, parsed.dags, errors = here.recv()
                parsed.errors += errors
            else:
                process.kill()
                parsed.errors.append(f"took longer than {self._timeout:g} s (dag_file_processor_timeout)")
        except EOFError:
            parsed.errors.append("its process ended without a result")
        process.join()
        parsed.seconds = time.monotonic() - began
        told(parsed, text, statements.Tally())
        return parsed


def _load(file: str, out: Any) -> None:
    """Load a file of Airflow 2's, in a process of its own; send what was measured, the DAGs and the errors."""
    settings: Any = importlib.import_module("airflow.settings")
    settings.configure_orm()  # as Airflow does after the fork
    written: list[str] = []
    dags, errors = measured(lambda: _bag(file), written.append)
    out.send((written[0], dags, errors))
    settings.dispose_orm()


def _bag(file: str) -> tuple[int, list[str]]:
    module: Any = importlib.import_module("airflow.models.dagbag")
    serialized: Any = importlib.import_module("airflow.serialization.serialized_objects")
    bag = module.DagBag(file, include_examples=False)
    errors: list[str] = list(bag.import_errors.values())
    for dag in bag.dags.values():
        try:
            serialized.SerializedDAG.to_dict(dag)
        except Exception as error:  # noqa: BLE001 - Airflow takes each for an import error
            errors.append(f"{type(error).__name__}: {error}")
    return len(bag.dags), errors
