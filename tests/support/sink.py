"""A small OTLP/HTTP collector, protobuf or JSON: keeps spans, metrics and log records, can refuse or keep silent."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dagtrace.telemetry.otlp_json import to_line
from support.loopback import Loopback, Quiet


if TYPE_CHECKING:
    from pathlib import Path

_TYPES: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Sink(Loopback):
    """An endpoint on loopback; ``requests`` are the export requests it took, by path, as OTLP/JSON."""

    def __init__(self, *, silent: bool = False) -> None:
        self.requests: dict[str, list[dict[str, Any]]] = {path: [] for path in _TYPES}
        self.headers: list[dict[str, str]] = []
        sink = self
        self._release = threading.Event()

        class Handler(Quiet):
            def do_POST(self) -> None:  # noqa: N802 - the base class calls it
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if silent:
                    sink._release.wait(60)
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path not in sink.requests:
                    self.send_error(404)
                    return
                sink.headers.append(dict(self.headers))
                if "json" in self.headers["Content-Type"]:
                    sink.requests[self.path].append(json.loads(body))
                else:
                    message = _TYPES[self.path]()
                    message.ParseFromString(body)
                    sink.requests[self.path].append(json.loads(to_line(message)))
                self.yes()

            def do_GET(self) -> None:  # noqa: N802 - the base class calls it
                self.yes()

        super().__init__(Handler)

    def __exit__(self, *exception: object) -> None:
        self._release.set()
        super().__exit__(*exception)

    def save_traces(self, path: Path) -> None:
        """Write the traces it took as a local file, so that both are read by the same code."""
        path.write_text("".join(json.dumps(request) + "\n" for request in self.requests["/v1/traces"]))

    def metrics(self) -> list[dict[str, Any]]:
        """Return every metric of every request."""
        return [
            metric
            for request in self.requests["/v1/metrics"]
            for resource in request.get("resourceMetrics", ())
            for scope in resource.get("scopeMetrics", ())
            for metric in scope.get("metrics", ())
        ]

    def logs(self) -> list[dict[str, Any]]:
        """Return every log record of every request."""
        return [
            record
            for request in self.requests["/v1/logs"]
            for resource in request.get("resourceLogs", ())
            for scope in resource.get("scopeLogs", ())
            for record in scope.get("logRecords", ())
        ]
