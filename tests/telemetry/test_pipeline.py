"""Delivery: everything that was told goes out once, within the budget, and what is lost is counted and said."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from dagtrace import telemetry
from dagtrace.cli.traces import read
from dagtrace.options import options
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
from dagtrace.telemetry import destination, guard
from dagtrace.telemetry.pipeline import Pipeline
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from conftest import InPython
    from dagtrace.options import Options

pytestmark = pytest.mark.usefixtures("fresh")
PATIENCE = 10.0
"""Seconds until a test stops waiting for what should come at once."""


def _span(number: int, *, trace_id: int = 1, sampled: bool = True, error: str | None = None) -> SpanRecord:
    return SpanRecord(f"span {number}", trace_id, number, None, number, number + 1, sampled=sampled, error=error)


def _names(home: Path) -> list[str]:
    return sorted(node.span.name for one in read(home) for node in one.walk())


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "dagtrace"]


def _metrics(home: Path) -> dict[str, list[Any]]:
    """Return the points of each metric in the local files."""
    found: dict[str, list[Any]] = {}
    for line in (line for file in home.glob("metrics-*.jsonl") for line in file.read_bytes().splitlines()):
        for scope in (s for r in json.loads(line)["resourceMetrics"] for s in r["scopeMetrics"]):
            for metric in scope["metrics"]:
                [kind] = metric.keys() & {"sum", "gauge", "histogram"}
                found.setdefault(metric["name"], []).extend(metric[kind]["dataPoints"])
    return found


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def _current() -> Pipeline:
    pipeline = telemetry.current()
    assert isinstance(pipeline, Pipeline)
    return pipeline


class Stub(SpanExporter):
    """A destination whose doings the test decides: ``gate`` holds it, ``answer`` is what it says or raises."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.answer: SpanExportResult | Exception = SpanExportResult.SUCCESS
        self.says = ""
        self.got: list[str] = []
        self.suppressed: list[object] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take a batch as the test has it."""
        self.entered.set()
        self.gate.wait(60)
        self.suppressed.append(otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY))
        if self.says:
            logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error(self.says)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is SpanExportResult.SUCCESS:
            self.got += [span.name for span in spans]
        return self.answer


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """Put a stub in the place of the spans' destination; it is released when the test is over."""
    made = Stub()

    def exporter(_options: Options) -> SpanExporter:
        return made

    monkeypatch.setattr(destination, "span_exporter", exporter)
    yield made
    made.gate.set()


# What arrives


def test_what_was_told_lies_in_the_files_after_a_flush(fresh: Path) -> None:
    """Spans and measurements of one process go out together, each once, unsampled spans not at all."""
    telemetry.tell(_span(1), _span(2))
    telemetry.tell(_span(3), _span(4, sampled=False))
    telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 2, {}), Point(AIRFLOW_DAG_RUN_COUNT, 3, {}))
    assert telemetry.flush() is True
    assert telemetry.flush() is True
    assert _names(fresh) == ["span 1", "span 2", "span 3"]
    assert [point["asInt"] for point in _metrics(fresh)["airflow.dag_run.count"]] == ["5"]


def test_a_process_with_nothing_to_tell_pays_nothing(fresh: Path) -> None:
    """A flush at exit builds no pipeline, no thread and no folder."""
    threads = threading.active_count()
    assert telemetry.flush() is True
    assert telemetry._pipeline is None
    assert threading.active_count() == threads
    assert not fresh.exists()


def test_many_threads_tell_at_once(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every span of eight threads arrives once, and there is one pipeline for all of them."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    start = threading.Barrier(8)

    def work(first: int) -> None:
        start.wait()
        for number in range(first, first + 100):
            telemetry.tell(_span(number + 1))

    threads = [threading.Thread(target=work, args=(n * 100,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert telemetry.flush(PATIENCE)
    traces = read(fresh)
    assert sorted(node.span.span_id for one in traces for node in one.walk()) == list(range(1, 801))
    assert [one.duplicates for one in traces] == [0]
    assert len([t for t in threading.enumerate() if t is _current()._thread]) == 1


@pytest.mark.parametrize(
    ("variable", "value", "told"), [("OTEL_BSP_SCHEDULE_DELAY", "20", 1), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3", 3)]
)
def test_delivery_does_not_wait_for_a_flush(
    stub: Stub, variable: str, value: str, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is queued goes out after the delay, and at once where a batch is full."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    monkeypatch.setenv(variable, value)
    telemetry.tell(*[_span(number) for number in range(1, told + 1)])
    _until(lambda: len(stub.got) == told)


def test_a_long_queue_goes_out_in_batches(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is longer than ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE``, and order is kept."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    telemetry.tell(*[_span(number) for number in range(1, 11)])
    assert telemetry.flush(PATIENCE)
    assert stub.got == [f"span {number}" for number in range(1, 11)]
    assert len(stub.suppressed) == 3


def test_metrics_go_out_by_themselves(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler never flushes: its counters are sent each ``OTEL_METRIC_EXPORT_INTERVAL``."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
    telemetry.tell(_span(1))
    _until(lambda: "airflow.dag_run.count" in _metrics(fresh))


def test_a_signal_set_to_none_goes_nowhere(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``OTEL_{TRACES,METRICS}_EXPORTER=none`` is no loss and no failure."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    telemetry.tell(_span(1))
    telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
    assert telemetry.flush()
    assert not fresh.exists()


def test_the_delivery_is_not_traced_itself(stub: Stub) -> None:
    """A user's instrumentation of ``requests`` must not make spans of our own requests: that would never end."""
    telemetry.tell(_span(1))
    telemetry.flush()
    assert stub.suppressed == [True]


def test_an_endpoint_gets_spans_and_metrics_at_exit(in_python: InPython) -> None:
    """A process that only tells and ends has delivered over OTLP when it is gone."""
    code = """
from dagtrace import telemetry
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
telemetry.describe("airflow", "scheduler", lasting=True)
telemetry.tell(SpanRecord("n", 1, 2, None, 3, 4))
telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
"""
    with Sink() as sink:
        done = in_python(code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, DAGTRACE_FLUSH_TIMEOUT="10")
    assert done.stderr == ""
    [request] = sink.requests["/v1/traces"]
    assert [s["name"] for r in request["resourceSpans"] for k in r["scopeSpans"] for s in k["spans"]] == ["n"]
    [metric] = sink.metrics()
    assert (metric["name"], metric["sum"]["aggregationTemporality"]) == ("airflow.dag_run.count", 2)


# Who speaks


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, "airflow"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,team=data"}, "theirs"),
    ],
)
def test_the_resource_says_which_process_this_is(
    env: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first description holds, the user's own variables go over it."""
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    telemetry.describe("airflow", "worker")
    telemetry.describe("late", "late")
    found = _current().resource.attributes
    assert (found["service.name"], found["airflow.component"]) == (name, "worker")
    assert found["process.pid"] == os.getpid()
    assert found["host.name"] == socket.gethostname()
    assert found.get("team") == ("data" if "RESOURCE" in "".join(env) else None)


# The budget


def test_a_destination_that_hangs_takes_one_budget_for_all_flushes(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow, the interpreter and we ourselves flush at the end: together they wait once, and say so once."""
    monkeypatch.setenv("DAGTRACE_FLUSH_TIMEOUT", "0.3")
    stub.gate.clear()
    telemetry.tell(_span(1), _span(2), _span(3))
    began = time.monotonic()
    assert telemetry.flush() is False
    once = time.monotonic() - began
    assert [telemetry.flush(30) for _ in range(9)] == [False] * 9
    assert 0.2 < once < 2
    assert time.monotonic() - began < 2
    assert telemetry.budget() < 0.1
    assert _messages(caplog) == [
        "telemetry was not delivered within DAGTRACE_FLUSH_TIMEOUT=0.3 s; 3 spans were still to go",
    ]


def test_a_caller_may_ask_for_less_than_the_budget(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short timeout is kept to, and takes no more than that off the budget."""
    monkeypatch.setenv("DAGTRACE_FLUSH_TIMEOUT", "30")
    stub.gate.clear()
    telemetry.tell(_span(1))
    began = time.monotonic()
    assert telemetry.flush(0.05) is False
    assert time.monotonic() - began < 5
    assert 20 < telemetry.budget() < 30


def test_a_flush_that_works_gives_the_budget_back(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that was away for a while does not cost a lasting process its flushes for ever."""
    monkeypatch.setenv("DAGTRACE_FLUSH_TIMEOUT", "20")
    stub.gate.clear()
    telemetry.tell(_span(1))
    assert telemetry.flush(0.05) is False
    telemetry.spend(3)
    assert telemetry.budget() < 17
    stub.gate.set()
    assert telemetry.flush() is True
    assert telemetry.budget() == 20
    assert stub.got == ["span 1"]


def test_a_budget_of_nothing_waits_for_nothing(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """``DAGTRACE_FLUSH_TIMEOUT=0`` means: never hold my process."""
    monkeypatch.setenv("DAGTRACE_FLUSH_TIMEOUT", "0")
    stub.gate.clear()
    telemetry.tell(_span(1))
    began = time.monotonic()
    telemetry.flush()
    assert time.monotonic() - began < 1


def test_telling_never_waits_for_a_destination_that_hangs(stub: Stub) -> None:
    """While a batch hangs, the task goes on telling."""
    stub.gate.clear()
    telemetry.tell(_span(1))
    assert not telemetry.flush(0.01)
    assert stub.entered.wait(PATIENCE)
    began = time.monotonic()
    for number in range(2, 502):
        telemetry.tell(_span(number))
    assert time.monotonic() - began < 2


ENDING = """
import logging, sys, time
logging.basicConfig(format="%(name)s: %(message)s")
from dagtrace import telemetry
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
telemetry.tell(SpanRecord("n", 1, 2, None, 3, 4))
telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
began = time.monotonic()
for _ in range(4):
    assert telemetry.flush(30) is False
print(time.monotonic() - began, flush=True)
"""


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_a_dead_collector_costs_one_budget(in_python: InPython, silent: bool) -> None:  # noqa: FBT001
    """Refused or silent: four flushes and the process's end take one budget, and one line says what happened."""
    if silent:
        with Sink(silent=True) as sink:
            began, done = time.monotonic(), _end(in_python, sink.url)
            took, url = time.monotonic() - began, sink.url
    else:
        with socket.socket() as free:  # bound and not listening: a connection is refused
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            began, done = time.monotonic(), _end(in_python, url)
            took = time.monotonic() - began
    assert float(done) < 3
    assert took < 10, "the interpreter's start and the imports included; the exporter's own timeout is 10 s"


def _end(in_python: InPython, url: str) -> str:
    """Run a process against a dead endpoint; return how long its flushes took, after a look at what it said."""
    done = in_python(ENDING, OTEL_EXPORTER_OTLP_ENDPOINT=url, DAGTRACE_FLUSH_TIMEOUT="0.5")
    [line] = done.stderr.splitlines()
    assert line == (
        f"dagtrace: telemetry was not delivered within DAGTRACE_FLUSH_TIMEOUT=0.5 s to {url}; 1 spans were still to go"
    )
    return done.stdout


# Losses


def test_a_full_queue_counts_what_it_loses(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond ``OTEL_BSP_MAX_QUEUE_SIZE`` the newest go; the number is a metric, the reason one warning."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "2")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    telemetry.tell(*[_span(number) for number in range(1, 6)])
    assert telemetry.flush()
    assert _names(fresh) == ["span 1", "span 2"]
    assert [point["asInt"] for point in _metrics(fresh)["dagtrace.spans.lost"]] == ["3"]
    assert _messages(caplog) == [
        "1 spans could not be delivered: the queue is full (OTEL_BSP_MAX_QUEUE_SIZE)",
    ]
    telemetry.tell(_span(6))
    assert telemetry.flush()
    assert _names(fresh) == ["span 1", "span 2", "span 6"]
    assert len(_metrics(fresh)["dagtrace.spans.lost"]) == 1, "a loss is counted once"


def test_a_refused_batch_is_counted_and_said_with_its_reason(
    stub: Stub, fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporter's own log lines become the one reason; a second failure within the minute is counted only."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")
    stub.answer, stub.says = SpanExportResult.FAILURE, "Failed to export span batch code: 401"
    for number in (1, 2):
        telemetry.tell(_span(number), _span(number + 10))
        assert telemetry.flush() is False
    assert _current()._lost == 4
    assert [point["asInt"] for point in _metrics(fresh)["dagtrace.spans.lost"]] == ["2", "2"]
    assert [record.getMessage() for record in caplog.records] == [
        "2 spans could not be delivered to http://collector:4318/v1/traces: Failed to export span batch code: 401",
    ]


def test_an_exporter_that_raises_what_others_say_is_no_error(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters up to 1.30 raise where nobody listens: that is a loss with its reason, and no error of ours."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")
    stub.answer = requests.ConnectionError("nobody listens")
    telemetry.tell(_span(1), _span(2))
    assert telemetry.flush() is False
    assert (_current()._lost, _current()._in_hand, guard.errors) == (2, 0, {})
    assert _messages(caplog) == [
        "2 spans could not be delivered to http://collector:4318/v1/traces: ConnectionError: nobody listens",
    ]


def test_metrics_that_nobody_takes_are_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The metrics' exporter of 1.30 raises, too, and that is said like a loss of spans."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")

    class Raises:
        def export(self, _data: object) -> None:
            raise requests.ConnectionError("nobody listens")

    def exporter(_options: Options) -> Any:
        return Raises()

    monkeypatch.setattr(destination, "metric_exporter", exporter)
    telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
    assert telemetry.flush() is False
    assert guard.errors == {}
    [warning] = _messages(caplog)
    assert warning.startswith("metrics could not be delivered")
    assert warning.endswith(": ConnectionError: nobody listens")


def test_a_destination_that_refuses_and_then_hangs_is_one_warning(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A collector that is away refuses one batch and lets the last flush wait in vain: one line within a minute."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces")
    stub.answer, stub.says = SpanExportResult.FAILURE, "refused"
    telemetry.tell(_span(1))
    assert telemetry.flush() is False
    stub.gate.clear()
    telemetry.tell(_span(2))
    assert telemetry.flush(0.05) is False
    stub.gate.set()
    deadline = time.monotonic() + 10
    while _current()._lost < 2 and time.monotonic() < deadline:  # it ends in this test, not in the next
        time.sleep(0.01)
    assert _messages(caplog) == ["1 spans could not be delivered to http://collector:4318/v1/traces: refused"]


def test_a_folder_that_cannot_be_written_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans and metrics both fail there, and one line names the variable and the folder."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAGTRACE_HOME", str(tmp_path / "file" / "home"))
    telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
    for number in (1, 2, 3):
        telemetry.tell(_span(number))
        assert telemetry.flush() is False
    assert _current()._lost == 3
    [warning] = _messages(caplog)
    assert warning.startswith(f"DAGTRACE_HOME={tmp_path}/file/home cannot be written (")


def test_a_destination_that_raises_does_not_end_delivery(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    """The thread outlives any one batch; the error is counted and said."""
    stub.answer = RuntimeError("no idea")
    telemetry.tell(_span(1))
    assert telemetry.flush() is False
    assert guard.errors == {"delivery": 1}
    assert _messages(caplog) == ["delivery failed: RuntimeError: no idea"]
    stub.answer = SpanExportResult.SUCCESS
    telemetry.tell(_span(2))
    assert telemetry.flush() is True
    assert stub.got == ["span 2"]


def test_what_is_lost_to_an_error_is_counted_too(stub: Stub) -> None:
    """Whatever the reason, a span that will never arrive is in ``dagtrace.spans.lost``."""
    stub.answer = RuntimeError("no idea")
    telemetry.tell(_span(1), _span(2))
    telemetry.flush()
    assert (_current()._lost, _current()._in_hand) == (2, 0)


def test_one_odd_span_does_not_take_the_batch_with_it(fresh: Path) -> None:
    """An exception's message may hold a file name that is no UTF-8 (``os.listdir`` makes surrogates of it)."""
    telemetry.tell(_span(1), _span(2, error="no such file: caf\udce9.csv"), _span(3))
    telemetry.flush()
    assert fresh.exists()
    assert _names(fresh) == ["span 1", "span 2", "span 3"]


def test_a_users_odd_span_is_lost_alone(fresh: Path) -> None:
    """What user code traces is not ours to clean: the one span that no encoder takes goes, and is counted."""
    from dagtrace.telemetry.spans import to_span

    pipeline = _current()
    odd = to_span(_span(2), pipeline.resource)
    odd._name = "caf\udce9"
    pipeline.queue([to_span(_span(1), pipeline.resource), odd, to_span(_span(3), pipeline.resource)])
    assert telemetry.flush() is False
    assert _names(fresh) == ["span 1", "span 3"]
    assert (pipeline._lost, pipeline._in_hand) == (1, 0)


def test_a_batch_that_raises_does_not_hold_up_the_next(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    """All batches of a flush are tried, and each is tried once where the spans are not to blame."""
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    stub.answer = RuntimeError("no idea")
    telemetry.tell(*[_span(number) for number in range(1, 6)])
    assert telemetry.flush() is False
    assert len(stub.suppressed) == 3
    assert (_current()._lost, len(_current()._queue)) == (5, 0)


def test_no_warning_tells_a_password(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint may hold one: a refusal, an error and a time-out say where to without it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ann:hunter2@collector:4318")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    for answer in (SpanExportResult.FAILURE, ValueError("no such URL: http://ann:hunter2@collector:4318")):
        stub.answer = answer
        telemetry.tell(_span(1))
        telemetry.flush()
    guard._said.clear()  # a minute later
    stub.answer = SpanExportResult.SUCCESS
    stub.gate.clear()
    telemetry.tell(_span(1))
    telemetry.flush(0.05)
    assert len(_messages(caplog)) == 3
    assert all("http://ann:***@collector:4318" in message for message in _messages(caplog))


def test_errors_of_our_own_are_a_metric(fresh: Path) -> None:
    """What the guard has swallowed is told with the next metrics, each error once."""
    guard.errors.update({"reader": 2, "tell": 1})
    telemetry.tell(_span(1))
    assert telemetry.flush()
    assert telemetry.flush()
    assert [point["asInt"] for point in _metrics(fresh)["dagtrace.errors"]] == ["3"]


# Settings


@pytest.mark.parametrize(
    ("variable", "default"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "20000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
    ],
)
@pytest.mark.parametrize("text", ["many", "0", "-1", "0.5", "inf", "nan", "1e300"])
def test_a_wrong_number_is_one_warning(
    variable: str, text: str, default: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry's own numbers, too: named once, the default holds, and telemetry goes out."""
    monkeypatch.setenv(variable, text)
    telemetry.tell(_span(1))
    assert telemetry.flush()
    assert _names(options().home) == ["span 1"]
    assert _messages(caplog) == [
        f"{variable}={text!r} is ignored: expected a number from 1 to 1000000000; using {default}"
    ]


def test_a_budget_longer_than_any_clock_is_no_reason_to_fail(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Python cannot wait for 30,000 years: it waits as long as it can."""
    monkeypatch.setenv("DAGTRACE_FLUSH_TIMEOUT", "1e12")
    telemetry.tell(_span(1))
    assert telemetry.flush()
    assert telemetry.budget() == threading.TIMEOUT_MAX
    assert _names(fresh) == ["span 1"]
    assert _messages(caplog) == []


@pytest.mark.parametrize(
    ("variable", "text", "error"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "abc", "could not convert string to float: 'abc'"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip", "'zip' is not a valid Compression"),
    ],
)
def test_a_pipeline_that_cannot_be_built_is_one_warning(
    variable: str, text: str, error: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporters of older SDKs raise on their variables, here one in their place: one line names the variable."""

    def exporter(_options: Options) -> SpanExporter:
        raise ValueError(error)

    built: list[object] = []
    make = Pipeline.__init__

    def count(*args: Any, **kwargs: Any) -> None:
        built.append(args)
        make(*args, **kwargs)

    monkeypatch.setattr(Pipeline, "__init__", count)
    monkeypatch.setattr(destination, "span_exporter", exporter)
    monkeypatch.setenv(variable, text)
    telemetry.preload()
    for _ in range(3):
        telemetry.tell(_span(1))
        telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, 1, {}))
        telemetry.offer_user_provider()
        telemetry.spend(1)
        assert (telemetry.budget(), telemetry.flush(), telemetry.sampled(1)) == (0, False, False)
    assert len(built) == 1
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    said = f"{variable}={text!r} cannot be used, ValueError: {error}; your work is not affected"
    assert _messages(caplog) == [f"telemetry is off in this process: {said}"]


def test_a_limit_that_fails_at_import_is_one_warning(in_python: InPython) -> None:
    """The SDK reads its limits when it is imported."""
    code = f"""{FORKING}
tell("n", 1); count(1)
assert (telemetry.budget(), telemetry.flush(), telemetry.sampled(1)) == (0, False, False)
"""
    [line] = in_python(code, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="abc").stderr.splitlines()
    assert line.startswith("dagtrace: telemetry is off in this process: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT='abc' cannot ")


# Sampling

LOW, HIGH = 0x1, 0xFFFF_FFFF_FFFF_FFFF
"""Lower halves of trace ids: what a ratio is compared with."""


@pytest.mark.parametrize(
    ("sampler", "argument", "verdicts"),
    [
        ("", "", (True, True)),
        ("always_off", "", (False, False)),
        ("always_on", "", (True, True)),
        ("parentbased_always_off", "", (False, False)),
        ("traceidratio", "0.5", (True, False)),
        ("parentbased_traceidratio", "0.5", (True, False)),
        ("traceidratio", "0", (False, False)),
    ],
)
@pytest.mark.parametrize("current", [None, 0, 1], ids=["nothing current", "unsampled current", "sampled current"])
def test_the_trace_id_alone_decides(
    sampler: str, argument: str, verdicts: tuple[bool, bool], current: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduler, worker and driver agree without talking: whatever span is current, the verdict is the trace id's."""
    if sampler:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    if argument:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    span = trace.INVALID_SPAN
    if current is not None:
        span = trace.NonRecordingSpan(trace.SpanContext(LOW, 1, is_remote=False, trace_flags=trace.TraceFlags(current)))
    with trace.use_span(span):
        assert (telemetry.sampled(LOW), telemetry.sampled(HIGH)) == verdicts


# Forks

FORKING = """
import logging, os, sys
logging.basicConfig(format="%(name)s: %(message)s")
from dagtrace import telemetry
from dagtrace.record import Point, SpanRecord
from dagtrace.semconv.metrics import AIRFLOW_DAG_RUN_COUNT
def count(n): telemetry.measure(Point(AIRFLOW_DAG_RUN_COUNT, n, {}))
def tell(name, number): telemetry.tell(SpanRecord(name, 1, number, None, 3, 4))
telemetry.describe("airflow", "scheduler", lasting=True)
"""


def _told(home: Path) -> dict[str, tuple[str, int, str, str | None]]:
    """Return by span name who told it: service, process, instance, component."""
    return {
        node.span.name: tuple(
            node.resource.get(key)
            for key in ("service.name", "process.pid", "service.instance.id", "airflow.component")
        )  # pyright: ignore[reportReturnType]
        for one in read(home)
        for node in one.walk()
    }


def test_a_forked_child_tells_its_own_and_nothing_else(in_python: InPython, tmp_path: Path) -> None:
    """The parent's queue, counts, thread and name stay the parent's; the child has its own instance id and delivers."""
    code = f"""{FORKING}
tell("before", 1); count(5)
assert telemetry.flush()
tell("queued", 2); count(7)
child = os.fork()
if not child:
    assert telemetry._pipeline is None
    telemetry.describe("airflow", "worker")
    tell("child", 3); count(1)
    assert telemetry.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert not any(b"queued" in f.read_bytes() for f in __import__("pathlib").Path({str(tmp_path / "home")!r}).glob("t*"))
tell("after", 4)
assert telemetry.flush()
print(os.getpid(), child)
"""
    done = in_python(code, OTEL_BSP_SCHEDULE_DELAY="60000", DAGTRACE_FLUSH_TIMEOUT="20")
    assert done.stderr == ""
    parent, child = map(int, done.stdout.split())
    told = _told(tmp_path / "home")
    assert {name: who[:2] + who[3:] for name, who in told.items()} == {
        "before": ("airflow", parent, "scheduler"),
        "queued": ("airflow", parent, "scheduler"),
        "after": ("airflow", parent, "scheduler"),
        "child": ("airflow", child, "worker"),
    }
    assert [one.duplicates for one in read(tmp_path / "home")] == [0]
    assert told["before"][2] == told["queued"][2] == told["after"][2]
    assert told["child"][2] != told["before"][2]
    assert [p["asInt"] for p in _metrics(tmp_path / "home")["airflow.dag_run.count"]][:3] == ["5", "1", "12"]


def test_a_child_forked_while_the_parent_delivers_is_not_stuck(in_python: InPython) -> None:
    """The parent's thread holds a batch and its locks for ever in the child: the child does not wait for either."""
    code = f"""{FORKING}
tell("hangs", 1); count(1)
assert not telemetry.flush(0.2)
child = os.fork()
if not child:
    os.environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT")
    tell("child", 3); count(1)
    os._exit(0 if telemetry.flush(10) else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    with Sink(silent=True) as sink:
        in_python(code, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, DAGTRACE_FLUSH_TIMEOUT="10")


@pytest.mark.parametrize("over_http", [False, True])
def test_the_delivering_thread_imports_nothing(in_python: InPython, *, over_http: bool) -> None:
    """A child forked in the middle of an import could never finish it: all of them are done by ``preload``."""
    code = f"""{FORKING}
import sys
telemetry.preload()
before = set(sys.modules)
tell("one", 1); count(1)
assert telemetry.flush(10)
print(sorted(set(sys.modules) - before))
"""
    with Sink() as sink:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url} if over_http else {}
        assert in_python(code, DAGTRACE_FLUSH_TIMEOUT="10", **env).stdout.strip() == "[]"


def test_a_child_says_why_it_could_not_deliver(in_python: InPython) -> None:
    """The filter that keeps the parent's exporters quiet does not swallow the child's reason."""
    code = f"""{FORKING}
tell("parent", 1)
telemetry.flush()
child = os.fork()
if not child:
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
    tell("child", 2)
    telemetry.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
    said = in_python(code, DAGTRACE_FLUSH_TIMEOUT="20").stderr
    assert "spans could not be delivered to http://127.0.0.1:9: " in said
    assert "no reason given" not in said


def test_a_destination_that_comes_back_gives_the_budget_back(stub: Stub) -> None:
    """Where the budget was spent in vain, a later delivery by itself gives it back: no flush could wait for one."""
    telemetry.spend(telemetry.budget())
    assert telemetry.budget() == 0
    telemetry.tell(_span(1))
    _until(lambda: telemetry.budget() > 0)
    assert stub.got == ["span 1"]
