"""A webhook on loopback, as Alertmanager calls it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from typing_extensions import Self


class Webhook:
    """Takes notifications; ``alerts`` are all alerts in them, each with when it came (seconds since 1970)."""

    def __init__(self) -> None:
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hook.alerts += [(time.time(), alert) for alert in body["alerts"]]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class says so
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str, status: str, **labels: str) -> list[tuple[float, dict[str, Any]]]:
        """Return the alerts of a name and a status (firing, resolved) that have these labels."""
        wanted = {"alertname": name, **labels}
        return [
            (at, alert)
            for at, alert in self.alerts
            if alert["status"] == status and wanted.items() <= alert["labels"].items()
        ]
