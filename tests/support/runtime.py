"""
A task runtime that is no Python of Airflow's, as a Go or Java SDK would be: Airflow 3.3's ``ExecutableCoordinator``.

The bundle is what the coordinator asks for: an executable with metadata and a checksum behind it
(``airflow.sdk.coordinators.executable``). It is a shell script that starts ``runtime_program.py``, which imports
nothing of Airflow or dagtrace and speaks the supervisor's protocol by itself.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAM = Path(__file__).parent / "runtime_program.py"


def settings(folder: Path, dag_ids: Sequence[str], queue: str = "other") -> dict[str, str]:
    """Put a bundle for these DAGs into ``folder``; return the settings that send a queue's tasks to it."""
    folder.mkdir()
    script = f'#!/bin/sh\nDAGTRACE_ENABLED=false exec "{sys.executable}" -I "{_PROGRAM}" "$@"\n'.encode()
    metadata = json.dumps({"sdk": {"supervisor_schema_version": "2026-06-16"}, "dags": {key: {} for key in dag_ids}})
    footer = struct.pack("<III32s12s8s", 0, len(metadata), 1, hashlib.sha256(script).digest(), b"", b"AFBNDL01")
    bundle = folder / "bundle"
    bundle.write_bytes(script + metadata.encode() + footer)
    bundle.chmod(0o700)
    coordinator = {
        "classpath": "airflow.sdk.coordinators.executable.ExecutableCoordinator",
        "kwargs": {"executables_root": [str(folder)]},
    }
    return {
        "AIRFLOW__SDK__COORDINATORS": json.dumps({"script": coordinator}),
        "AIRFLOW__SDK__QUEUE_TO_COORDINATOR": json.dumps({queue: "script"}),
    }
