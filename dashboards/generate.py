"""
Write what Grafana is given: ``boards/*.json``, and the alerts as Grafana has them, out of ``rules/*.yml``; their table.

``make boards`` runs it; a test holds the files in the tree to what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import alerting  # noqa: E402 - found by the line above
from source import dag, data, health, own, scheduler, spark_application, spark_stages, task  # noqa: E402 - found by the line above


def files() -> dict[Path, str]:
    """Return what is written, by file."""
    boards = (
        health.board(),
        dag.board(),
        task.board(),
        spark_application.board(),
        spark_stages.board(),
        data.board(),
        scheduler.board(),
        own.board(),
    )
    encoder = JSONEncoder(indent=2, sort_keys=True)
    made = {HERE / "boards" / f"{board.uid}.json": encoder.encode(board.build()) + "\n" for board in boards}
    return {**made, **alerting.files()}


def main() -> None:
    """Write the files, and remove boards that are no more."""
    made = files()
    for stale in set((HERE / "boards").glob("*.json")) - set(made):
        stale.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
