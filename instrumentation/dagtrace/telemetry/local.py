"""
Local files: OTLP/JSON lines in ``DAGTRACE_HOME``, the destination when no endpoint is set.

Many processes share one file per signal, host and day: each export request is one line, written by one ``write`` under
``flock``. Where locking fails (some network file systems), each process gets a file of its own. Files are 0600.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from dagtrace.telemetry.guard import say_at_most_once_a_minute, warn_once
from dagtrace.telemetry.process import host_name


_PATTERN = re.compile(r"(traces|metrics|logs)-.+\.jsonl")


class LocalFile:
    """The file of one signal (``traces``, ``metrics`` or ``logs``) in ``folder``, capped together with its siblings."""

    def __init__(self, folder: Path, signal: str, max_bytes: int) -> None:
        self._folder = folder
        self._signal = signal
        self._max_bytes = max_bytes
        self._locking = True

    def append(self, line: bytes) -> bool:
        """Write one line; return False, after one warning that names the folder, where that is not possible."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(line))
            descriptor = self._open()
            try:
                _write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            warn_once(
                "home",
                "DAGTRACE_HOME=%s cannot be written (%s): telemetry is not kept",
                self._folder,
                error.strerror or error,
            )
            return False
        return True

    def _open(self) -> int:
        """Return a descriptor that nobody else writes to: of the shared file under its lock, else of one of our own."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path(), flags, 0o600)
        if self._locking and not _lock(descriptor):
            os.close(descriptor)
            self._locking = False
            descriptor = os.open(self._path(), flags, 0o600)
        return descriptor

    def _path(self) -> Path:
        host = re.sub(r"[^A-Za-z0-9._]", "_", host_name())
        own = "" if self._locking else f"-{os.getpid()}"
        return self._folder / f"{self._signal}-{host}{own}-{datetime.now(timezone.utc):%Y%m%d}.jsonl"

    def _make_room(self, needed: int) -> None:
        """Remove the oldest files until ``needed`` more bytes fit under the cap, and say how much went."""
        files: list[tuple[float, int, str]] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if _PATTERN.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # another process keeps the cap, too, and was faster
                        status = entry.stat()
                        files.append((status.st_mtime, status.st_size, entry.path))
        excess = sum(size for _, size, _ in files) + needed - self._max_bytes
        removed = ours = 0
        for _, size, path in sorted(files):
            if excess <= removed:
                break
            removed += size
            with suppress(FileNotFoundError):
                Path(path).unlink()
                ours += size
        if ours:
            say_at_most_once_a_minute(
                "local cap", "%d bytes of the oldest local telemetry went, to keep DAGTRACE_LOCAL_MAX_BYTES", ours
            )


def _lock(descriptor: int) -> bool:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


def _write(descriptor: int, line: bytes) -> None:
    """Write the whole line or nothing: half of one (the disk is full) would spoil the file for its readers."""
    before = os.fstat(descriptor).st_size
    written = os.write(descriptor, line)
    if written != len(line):
        os.ftruncate(descriptor, before)
        raise OSError(f"only {written} of {len(line)} bytes fitted")
