"""
What a reader has told, kept in a file so that a restarted scheduler neither repeats nor skips.

The file lies in ``DAGTRACE_HOME``, one per database. It names the newest run id seen, of each open run its generation
and the tries told so far, and under ``more`` what others that count have to remember. It is written after all that was
delivered: a scheduler that is killed in between tells its last second once more, the same ids with the same content.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dagtrace.airflow.followed import Followed
from dagtrace.options import options
from dagtrace.telemetry.guard import warn_once


if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dagtrace.airflow.database import Key


class Watermark:
    """The file of one Airflow database, known by a hash of its URL without the password."""

    def __init__(self, database_url: str) -> None:
        name = hashlib.sha256(database_url.encode()).hexdigest()[:12]
        self._path: Path = options().home / f"reader-{name}.json"
        self._written = self._noted = ""
        self.more: dict[str, Any] = {}

    def load(self) -> tuple[int, dict[Key, Followed]] | None:
        """Return (newest run id, open runs with what was told of them), or None where nothing usable was kept."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            runs = {
                (dag, run): Followed(start and datetime.fromisoformat(start), {int(span, 16) for span in spans})
                for dag, run, start, spans in document["told"]
            }
            last_id = int(document["last_id"])
            self.more.update(document.get("more", {}))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            warn_once(
                "watermark", "%s cannot be read (%s): open runs are told from their start again", self._path, error
            )
            return None
        return last_id, runs

    def is_news(self, last_id: int, runs: Mapping[Key, Followed]) -> bool:
        """Take note of what was told; return whether it differs from what the file says."""
        told = [
            [dag, run, kept.start and kept.start.isoformat(), sorted(f"{span:016x}" for span in kept.told)]
            for (dag, run), kept in sorted(runs.items())
        ]
        self._noted = json.dumps({"last_id": last_id, "told": told, "more": self.more})
        return self._noted != self._written

    def save(self) -> None:
        """Replace the file, in one step, by what was noted last."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._path.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(self._noted)
            unfinished.replace(self._path)
            self._written = self._noted
        except OSError as error:
            warn_once("watermark", "%s cannot be written (%s): a restart may repeat spans", self._path, error)
