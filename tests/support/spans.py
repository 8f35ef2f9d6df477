"""Spans as they lie in files, one by one: what `dagtrace.cli.traces` puts together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dagtrace.telemetry.otlp_json import span_from


if TYPE_CHECKING:
    from pathlib import Path

    from dagtrace.record import SpanRecord


def spans_in(folder: Path) -> list[SpanRecord]:
    """Return every span of a folder's files, duplicates included; a last line that is still being written is not."""
    found: list[SpanRecord] = []
    for file in sorted(folder.glob("traces*.jsonl")):
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                for group in json.loads(line)["resourceSpans"]:
                    found += [span_from(span) for scope in group["scopeSpans"] for span in scope["spans"]]
    return found
