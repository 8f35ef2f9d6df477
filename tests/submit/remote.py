"""A remote system on loopback: answers as it is told to and keeps every request."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, cast


if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


class Request(NamedTuple):
    """What left the machine."""

    what: str
    """``POST /path``; of Amazon's RPCs ``POST Service.Operation``."""
    body: Any
    headers: Mapping[str, str]
    raw: str
    """Everything in it, as text."""


class Remote:
    """``answers`` has, for each kind of request, JSON or (status, JSON); of a list of them the last one stays."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.requests: list[Request] = []
        left: dict[str, list[Any]] = {
            pattern: given if isinstance(given, list) else [given] for pattern, given in answers.items()
        }
        remote = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                what = f"{self.command} {self.headers.get('X-Amz-Target') or self.path}"
                body = json.loads(raw) if raw.startswith(("{", "[")) else raw
                remote.requests.append(
                    Request(what, body, dict(self.headers), f"{self.requestline}\n{self.headers}\n{raw}")
                )
                given = next((left[pattern] for pattern in left if re.search(pattern, what)), None)
                answer: Any = {} if given is None else given.pop(0) if len(given) > 1 else given[0]
                status: int = 404 if given is None else 200
                if isinstance(answer, tuple):
                    status, answer = cast("tuple[int, Any]", answer)
                text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.handle_any
                raise AttributeError(name)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class says so
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sent(self, pattern: str) -> list[Any]:
        """Return the bodies of the requests of a kind, in their order."""
        return [request.body for request in self.requests if re.search(pattern, request.what)]

    @property
    def raw(self) -> str:
        """Everything that was sent."""
        return "\n".join(request.raw for request in self.requests)
