"""Destination: OpenTelemetry's variables decide where each signal goes, and a wrong one is one warning."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from dagtrace.options import options
from dagtrace.telemetry import destination
from dagtrace.telemetry.destination import Hush, LocalMetricExporter, LocalSpanExporter


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("fresh")

A, B = "http://127.0.0.1:9", "http://127.0.0.1:10/own"


def _kinds() -> tuple[type, type]:
    return type(destination.span_exporter(options())), type(destination.metric_exporter(options()))


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("env", "kinds"),
    [
        ({}, (LocalSpanExporter, LocalMetricExporter)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "  "}, (LocalSpanExporter, LocalMetricExporter)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": A}, (OTLPSpanExporter, OTLPMetricExporter)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": A}, (OTLPSpanExporter, LocalMetricExporter)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": A}, (LocalSpanExporter, OTLPMetricExporter)),
        ({"OTEL_TRACES_EXPORTER": "none"}, (type(None), LocalMetricExporter)),
        ({"OTEL_METRICS_EXPORTER": "None", "OTEL_EXPORTER_OTLP_ENDPOINT": A}, (OTLPSpanExporter, type(None))),
        ({"OTEL_TRACES_EXPORTER": "console"}, (ConsoleSpanExporter, LocalMetricExporter)),
        ({"OTEL_METRICS_EXPORTER": "console"}, (LocalSpanExporter, ConsoleMetricExporter)),
        ({"OTEL_TRACES_EXPORTER": "jaeger,otlp_proto_http"}, (LocalSpanExporter, LocalMetricExporter)),
        ({"OTEL_TRACES_EXPORTER": ""}, (LocalSpanExporter, LocalMetricExporter)),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": A, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            (OTLPSpanExporter, OTLPMetricExporter),
        ),
    ],
)
def test_the_variables_decide(
    env: dict[str, str], kinds: tuple[type, type], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint means OTLP there, none means local files, each signal on its own; none of it is worth a warning."""
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    assert _kinds() == kinds
    assert _messages(caplog) == []


def test_nothing_is_opened_before_there_is_something_to_tell(fresh: Path) -> None:
    """Making the exporters, as preloading does, leaves no folder behind."""
    _kinds()
    assert not fresh.exists()


def test_the_endpoint_of_a_signal_goes_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed as destination is where it goes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", A)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", B)
    assert (destination.endpoint("TRACES"), destination.endpoint("METRICS")) == (B, A)


def test_an_unknown_protocol_is_one_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Both signals go over HTTP then, and one line names the variable and what holds."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", A)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
    assert _kinds() == (OTLPSpanExporter, OTLPMetricExporter)
    assert _messages(caplog) == [
        "OTEL_EXPORTER_OTLP_PROTOCOL='carrier-pigeon' is ignored: expected http/protobuf or grpc; using http/protobuf"
    ]


def test_an_unknown_exporter_is_one_warning_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name nobody knows means OTLP, and the line names its variable."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    for _ in range(2):
        assert _kinds() == (LocalSpanExporter, LocalMetricExporter)
    assert _messages(caplog) == ["OTEL_TRACES_EXPORTER='zipkin' is ignored: expected otlp, console or none; using otlp"]


def test_without_the_grpc_extra_http_does_it(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A protocol that is not installed is one warning with what to install, and telemetry still goes out."""
    for module in ("trace_exporter", "metric_exporter"):
        monkeypatch.setitem(sys.modules, f"opentelemetry.exporter.otlp.proto.grpc.{module}", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", A)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert _kinds() == (OTLPSpanExporter, OTLPMetricExporter)
    assert _messages(caplog) == [
        "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs dagtrace[grpc], which is not here; using http/protobuf"
    ]


@pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry.exporter.otlp.proto.grpc") is None, reason="the grpc extra is not installed"
)
def test_grpc_is_taken_where_it_is_asked_for_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One signal may go another way than the other."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", A)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    spans, metrics = _kinds()
    assert spans.__module__.startswith("opentelemetry.exporter.otlp.proto.grpc.")
    assert metrics is OTLPMetricExporter


def test_an_exporter_named_with_its_protocol_goes_over_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """opentelemetry-distro sets the protocol to grpc by itself; the exporter that the user has named still holds."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", A)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp_proto_http")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp_proto_http")
    assert _kinds() == (OTLPSpanExporter, OTLPMetricExporter)


HTTP = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
LOGGERS = (
    HTTP,
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.common._internal",
    "urllib3.connectionpool",
)


@pytest.fixture
def filters() -> Iterator[None]:
    """Take the filters away again that a test adds."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(("opentelemetry", "urllib3"))]
    before = {name: list(logging.getLogger(name).filters) for name in (*names, *LOGGERS)}
    yield
    for name, kept in before.items():
        logging.getLogger(name).filters = kept


@pytest.mark.usefixtures("filters")
@pytest.mark.parametrize("logger", LOGGERS)
def test_the_exporters_log_lines_become_a_reason(logger: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the delivery thread's exporters say is kept out of the user's log, its last first line as the reason."""
    hush = Hush()
    hush.listen()
    logging.getLogger(logger).warning("trying again in %s s", 2)
    logging.getLogger(logger).error("refused: %s\nand a traceback", "x" * 400)
    assert _messages(caplog) == []
    assert hush.reason == "refused: " + "x" * 291


@pytest.mark.usefixtures("filters")
def test_the_users_own_exporters_still_speak(caplog: pytest.LogCaptureFixture) -> None:
    """Only one thread is hushed, and none that got the number of one that is in another process."""
    hush = Hush()
    hush.listen()
    hush.forget()
    logging.getLogger(HTTP).warning("the user's")
    thread = threading.Thread(target=hush.listen)
    thread.start()
    thread.join()
    hush.thread = -1  # its number may be given to another thread once it has ended
    logging.getLogger(HTTP).warning("the user's")
    assert _messages(caplog) == ["the user's"] * 2
    assert not hush.reason


@pytest.mark.usefixtures("filters")
def test_a_new_delivery_thread_adds_no_second_filter() -> None:
    """One filter for the process: an older one must not take the newer one's reason."""
    for _ in range(2):
        thread = threading.Thread(target=destination.HUSH.listen)
        thread.start()
        thread.join()
    assert logging.getLogger(HTTP).filters.count(destination.HUSH) == 1


@pytest.mark.usefixtures("filters")
def test_a_reason_holds_no_password(caplog: pytest.LogCaptureFixture) -> None:
    """The exporter's error names the URL it was given."""
    hush = Hush()
    hush.listen()
    logging.getLogger(HTTP).error("no route to http://ann:hunter2@collector")
    assert hush.reason == "no route to http://ann:***@collector"


def test_every_logger_of_the_exporters_is_known() -> None:
    """A filter on a logger does not see what is logged below it: each module that logs has to be named."""
    import re
    from pathlib import Path

    found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http")
    assert found is not None
    assert found.origin is not None
    root = Path(found.origin).parents[2]
    modules = [path for path in root.rglob("*.py") if re.search(r"getLogger\(__name__\)", path.read_text())]
    assert modules
    for path in modules:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(("opentelemetry.exporter.otlp", *parts)).removesuffix(".__init__")
        if not re.search(r"log_exporter|_aggregation", name):  # we send no logs; the other speaks at build time
            assert name in destination._TALKERS
