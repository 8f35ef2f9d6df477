"""
Where telemetry goes: OTLP where an endpoint is set, local files where none is.

OpenTelemetry's variables decide (``OTEL_{TRACES,METRICS}_EXPORTER``, ``OTEL_EXPORTER_OTLP_*``); the SDK's own exporters
read them and do the sending. Both destinations have the SDK's exporter interface, so the pipeline sees no difference.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

from dagtrace.masking import mask
from dagtrace.telemetry.guard import warn_once


if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from dagtrace.options import Options


def endpoint(signal: str) -> str | None:
    """Return the OTLP endpoint set for ``signal`` (TRACES, METRICS), or None."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "").strip()
    return own or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or None


def shown(signal: str) -> str | None:
    """Return the endpoint as it may be printed: without a password."""
    url = endpoint(signal)
    return url and mask(url)


def _protocol(signal: str) -> str:
    """
    Return grpc or http/protobuf, the default: it imports 45 ms faster and leaves no native threads across forks.

    An exporter named with its protocol (``otlp_proto_http``) goes over ``…_PROTOCOL``, as in the SDK's own
    configuration: opentelemetry-distro sets that to grpc wherever the user has not.
    """
    for name in _names(signal):
        if name.startswith("otlp_proto_"):
            return "grpc" if name == "otlp_proto_grpc" else "http/protobuf"
    for variable in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        value = os.environ.get(variable, "").strip().lower()
        if value in ("grpc", "http/protobuf"):
            return value
        if value:
            warn_once(
                "protocol", "%s=%r is ignored: expected http/protobuf or grpc; using http/protobuf", variable, value
            )
            return "http/protobuf"
    return "http/protobuf"


def _names(signal: str) -> list[str]:
    return [name.strip() for name in os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").lower().split(",")]


def _wants(signal: str) -> str:
    """Return what ``OTEL_<signal>_EXPORTER`` asks for: none, console or otlp; a list means its first name we know."""
    names = _names(signal)
    for name in names:
        if name in ("none", "console") or name.startswith("otlp"):
            return "otlp" if name.startswith("otlp") else name
    if any(names):
        warn_once(
            signal, "OTEL_%s_EXPORTER=%r is ignored: expected otlp, console or none; using otlp", signal, names[0]
        )
    return "otlp"


def span_exporter(options: Options) -> SpanExporter | None:
    """Return the exporter of spans, or None where the user wants none."""
    wanted = _wants("TRACES")
    if wanted == "none":
        return None
    if wanted == "console":
        return ConsoleSpanExporter()
    if endpoint("TRACES"):
        return _otlp("TRACES", "trace_exporter", "OTLPSpanExporter")
    return LocalSpanExporter(options)


def metric_exporter(options: Options) -> MetricExporter | None:
    """Return the exporter of metrics, or None where the user wants none."""
    wanted = _wants("METRICS")
    if wanted == "none":
        return None
    if wanted == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    if endpoint("METRICS"):
        return _otlp("METRICS", "metric_exporter", "OTLPMetricExporter")
    return LocalMetricExporter(options)


def _otlp(signal: str, module: str, name: str) -> Any:
    import importlib

    package = "opentelemetry.exporter.otlp.proto"
    if _protocol(signal) == "grpc":
        try:
            return getattr(importlib.import_module(f"{package}.grpc.{module}"), name)()
        except ImportError:
            warn_once(
                "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs dagtrace[grpc], which is not here; using http/protobuf"
            )
    importlib.import_module("netrc")  # which requests imports when it is first used
    return getattr(importlib.import_module(f"{package}.http.{module}"), name)()


def encodes(span: ReadableSpan) -> bool:
    """Return whether a span can be encoded; a user's own may hold what protobuf refuses."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    try:
        encode_spans([span])
    except Exception:  # noqa: BLE001 - the encoder raises ValueError, TypeError and plain Exception
        return False
    return True


def _import_encoders() -> None:
    """
    Import what ``export`` will need, 80 ms of CPU: not first in each short process, within its exit budget.

    And not in the thread that delivers: a child forked meanwhile would have half a module for the rest of its life.
    """
    import importlib

    for module in ("trace_encoder", "metrics_encoder"):
        importlib.import_module(f"opentelemetry.exporter.otlp.proto.common.{module}")
    importlib.import_module("google.protobuf.json_format")
    importlib.import_module("dagtrace.telemetry.otlp_json")


class LocalSpanExporter(SpanExporter):
    """Spans to ``traces-*.jsonl``."""

    def __init__(self, options: Options) -> None:
        from dagtrace.telemetry.local import LocalFile

        _import_encoders()
        self._file = LocalFile(options.home, "traces", options.local_max_bytes)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the batch as one line."""
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        from dagtrace.telemetry.otlp_json import to_line

        written = self._file.append(to_line(encode_spans(spans)))
        return SpanExportResult.SUCCESS if written else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is held back."""
        return True


class LocalMetricExporter(MetricExporter):
    """Metrics to ``metrics-*.jsonl``."""

    def __init__(self, options: Options) -> None:
        from dagtrace.telemetry.local import LocalFile

        super().__init__()
        _import_encoders()
        self._file = LocalFile(options.home, "metrics", options.local_max_bytes)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Write the collection as one line."""
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

        from dagtrace.telemetry.otlp_json import to_line

        written = self._file.append(to_line(encode_metrics(metrics_data)))
        return MetricExportResult.SUCCESS if written else MetricExportResult.FAILURE

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back."""
        return True


class Hush(logging.Filter):
    """
    Keep the exporters' own log lines out of the user's log, and the last of them as the reason of a failure.

    The SDK logs each retry of each request; in a task's log that is a page of warnings about a collector. The pipeline
    says it in one line instead. Only records of the delivery thread are held back: the user's own exporters speak.
    There is one for the process, because loggers keep their filters: across a fork, and when the thread is a new one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread = 0
        self.reason = ""

    def listen(self) -> None:
        """Hush the calling thread from now on, and no other."""
        self.thread, self.reason = threading.get_ident(), ""
        for name in _TALKERS:
            logging.getLogger(name).addFilter(self)  # a logger takes the same filter once

    def forget(self) -> None:
        """In a forked child: the delivery thread is not here, and its number may be given to any other."""
        self.thread, self.reason = 0, ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back what our thread's exporters say."""
        if record.thread != self.thread:
            return True
        self.reason = mask(record.getMessage().partition("\n")[0])[:300]
        return False


_TALKERS = (
    *(
        f"opentelemetry.exporter.otlp.{module}"
        for module in (
            "common.http",
            "proto.common._internal",
            "proto.common._internal.metrics_encoder",
            "proto.common._internal.trace_encoder",
            "proto.grpc.exporter",
            "proto.grpc.metric_exporter",
            "proto.grpc.trace_exporter",
            "proto.http._common",
            "proto.http._common._http",
            "proto.http.metric_exporter",
            "proto.http.trace_exporter",
        )
    ),
    "urllib3.connectionpool",
)
"""Where the exporters of all SDK versions log; a filter sees what is logged there, not what comes from below."""

HUSH = Hush()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HUSH.forget)
