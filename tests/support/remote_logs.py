"""
A store of task logs that is not the worker's disk, by Airflow's own interface for one (``RemoteLogIO``).

A folder stands for the bucket; the worker's copy goes with its upload, so whoever shows the log has read it from here.
Airflow imports this module by name, in its own processes: ``[logging] logging_config_class``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG


LOGGING_CONFIG = DEFAULT_LOGGING_CONFIG


class _Folder:
    processors = ()

    def __init__(self) -> None:
        self._far = Path(os.environ["REMOTE_LOGS"])
        self._near = Path(os.environ["AIRFLOW_HOME"]) / "logs"

    def upload(self, path: os.PathLike[str] | str, ti: Any = None) -> None:
        """Take a finished log file away from the worker."""
        (self._far / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._near / path, self._far / path)

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str] | None]:
        """Return where the log lies and what is in it."""
        kept = self._far / relative_path
        return [str(kept)], [kept.read_text()] if kept.exists() else None


REMOTE_TASK_LOG = _Folder()
