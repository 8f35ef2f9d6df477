"""A webhook on loopback, as Alertmanager calls it."""

from __future__ import annotations

import json
import time
from typing import Any

from support.loopback import Loopback, Quiet


class Webhook(Loopback):
    """Takes notifications; ``alerts`` are all alerts in them, each with when it came (seconds since 1970)."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        hook = self

        class Handler(Quiet):
            def do_POST(self) -> None:  # noqa: N802 - the base class calls it
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.alerts += [(time.time(), alert) for alert in body["alerts"]]
                self.yes()

        super().__init__(Handler)

    def named(self, name: str, status: str, **labels: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the alerts of a name and a status (firing, resolved) that have these labels."""
        wanted = {"alertname": name, **labels}
        return [
            (at, alert)
            for at, alert in self.alerts
            if alert["status"] == status and wanted.items() <= alert["labels"].items()
        ]
