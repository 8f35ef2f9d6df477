"""The listener's ways into a driver, alone and together, and every way a driver ends: each span is told once."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli import main
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from dagtrace.spark.attachment import CLASS
from support.drivers import run, spans_of, submit_args
from support.sink import Sink


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagtrace.record import SpanRecord

pytestmark = [pytest.mark.real, pytest.mark.matrix]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = """
import os, signal, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("ways").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
for n in range(3):
    spark.range(0, 10, 1, 2).count()
spark.sparkContext.parallelize([1], 1).count()
"""
LOST = metrics.DAGTRACE_SPARK_RECORDS_LOST.name
ENDINGS = {
    "stopped": "spark.stop()",
    "exited": "sys.exit(3)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "driver killed": "time.sleep(1); os.kill(spark.sparkContext._gateway.proc.pid, signal.SIGKILL)",
}
CODES = {"stopped": 0, "exited": 3, "killed": -signal.SIGKILL, "driver killed": 0}


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Return a collector on loopback."""
    with Sink() as made:
        yield made


WAYS: dict[str, dict[str, str]] = {
    "wheel": {"DAGTRACE_ENABLED": "true"},
    "attached": {"PYSPARK_SUBMIT_ARGS": submit_args()},
    "both": {"DAGTRACE_ENABLED": "true", "PYSPARK_SUBMIT_ARGS": submit_args()},
    "twice": {"DAGTRACE_ENABLED": "true", "PYSPARK_SUBMIT_ARGS": submit_args(listeners=f"{CLASS},{CLASS}")},
    "neither": {},
}


def counted_tasks(sink: Sink) -> int:
    """Return how many tasks the metrics have counted."""
    found = [metric for metric in sink.metrics() if metric["name"] == "spark.stage.tasks"]
    return sum(int(point["asInt"]) for metric in found for point in metric["sum"]["dataPoints"])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", ["wheel", "attached", "both"])
def test_each_span_is_told_once(sink: Sink, tmp_path: Path, way: str, ending: str) -> None:
    """
    Wheel, attached listener or both, and however driver or JVM end: unique ids, and all jobs that had ended are there.

    Where the JVM lives longer than its Python, it tells the rest itself, the application too. A JVM that is killed
    takes the application's end along, and nothing that ended more than a second before.
    """
    env = {**WAYS[way], "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "TRACEPARENT": PARENT}
    done = run(tmp_path, PROGRAM + ENDINGS[ending], **env)
    assert done.returncode == CODES[ending], done.stderr
    dies = ending == "driver killed"
    spans = spans_of(sink, until=None if dies else "spark.application")
    assert len({s.span_id for s in spans}) == len(spans)
    assert {s.trace_id for s in spans} == {0x0AF7651916CD43DD8448EB211C80319C}
    assert len([s for s in spans if s.name == "spark.application ways"]) == (0 if dies else 1)
    assert len([s for s in spans if s.name == "spark.sql"]) == 3
    assert len([s for s in spans if s.name == "spark.job"]) >= 4
    ids = {s.span_id for s in spans}
    if not dies:
        assert all(s.parent_id in ids for s in spans if not s.name.startswith("spark.application"))
    if not dies and (way == "attached" or ending != "killed"):  # a Python that is killed has told its metrics to nobody
        stages = [s for s in spans if s.name == "spark.stage"]
        tasks = sum(int(str(s.attributes[names.SPARK_STAGE_TASKS_SUCCEEDED])) for s in stages)
        deadline = time.monotonic() + 20
        while counted_tasks(sink) != tasks and time.monotonic() < deadline:
            time.sleep(0.2)
        assert counted_tasks(sink) == tasks
    assert "dagtrace" not in "".join(line for line in done.stderr.splitlines() if "WARN" in line)


WRITES = (
    PROGRAM
    + """
spark.range(0).write.parquet("nothing")
spark.stop()
"""
)


@pytest.mark.parametrize(("detail", "stages"), [("stage", True), ("job", False)])
@pytest.mark.parametrize("way", ["wheel", "attached"])
def test_numbers_lead_to_spans(sink: Sink, tmp_path: Path, way: str, detail: str, stages: bool) -> None:  # noqa: FBT001
    """
    An application's duration has its own span as exemplar, and none leads to a span that is not told.

    A write of no rows is a number like others: 0, with the query that wrote them.
    """
    env = {**WAYS[way], "DAGTRACE_SPARK_DETAIL": detail, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "TRACEPARENT": PARENT}
    assert run(tmp_path, WRITES, **env).returncode == 0
    spans = {(f"{s.trace_id:032x}", f"{s.span_id:016x}"): s for s in spans_of(sink, until="spark.application")}
    led: dict[str, list[SpanRecord]] = {}
    numbers: dict[str, float] = {}
    for metric in sink.metrics():
        data: dict[str, Any] = metric.get("sum") or metric["histogram"]
        for point in data["dataPoints"]:
            exemplars = point.get("exemplars", ())
            led.setdefault(metric["name"], []).extend(spans[e["traceId"], e["spanId"]] for e in exemplars)
            assert all(int(e["timeUnixNano"]) <= int(point["timeUnixNano"]) for e in exemplars)
            numbers[metric["name"]] = float(point.get("sum", point.get("asInt", point.get("asDouble"))))
    (application,) = led[metrics.SPARK_APPLICATION_DURATION.name]
    assert application.name == "spark.application ways"
    seconds = (application.end_ns - application.start_ns) / 1e9
    assert numbers[metrics.SPARK_APPLICATION_DURATION.name] == pytest.approx(seconds)
    (query,) = led[metrics.DATA_DATASET_ROWS.name]
    assert (query.name, numbers[metrics.DATA_DATASET_ROWS.name]) == ("spark.sql", 0)
    assert f"file:{tmp_path / 'nothing'}" in query.attributes[names.DATA_OUTPUTS]  # type: ignore[operator]
    assert bool(led[metrics.SPARK_STAGE_DURATION.name]) == stages


def test_attached_twice_is_attached_once(sink: Sink, tmp_path: Path) -> None:
    """A listener named twice, and loaded by Python as well, tells each span once."""
    done = run(tmp_path, PROGRAM + "spark.stop()", **WAYS["twice"], OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    spans = spans_of(sink, until="spark.application")
    assert len({s.span_id for s in spans}) == len(spans)
    assert [s.name for s in spans if s.name.startswith("spark.application")] == ["spark.application ways"]


def test_what_spark_conf_prints_attaches(sink: Sink, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The options that ``dagtrace spark-conf --submit`` prints are all that a driver needs."""
    assert main(["spark-conf", "--submit"]) == 0
    options = capsys.readouterr().out.strip()
    env = {"PYSPARK_SUBMIT_ARGS": f"{options} pyspark-shell", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    assert run(tmp_path, PROGRAM + "spark.stop()", **env).returncode == 0
    assert [s.name for s in spans_of(sink, until="spark.app") if s.name.startswith("spark.app")] == [
        "spark.application ways"
    ]


def test_neither(sink: Sink, tmp_path: Path) -> None:
    """The control: nothing is told where nothing of ours was asked for."""
    done = run(tmp_path, PROGRAM + "spark.stop()", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert spans_of(sink) == []
    assert not (tmp_path / "home").exists()


def test_both_ways_tell_the_same(sink: Sink, tmp_path: Path) -> None:
    """What the JVM posts itself has the same names, parents and attributes as what Python tells of the same driver."""
    shapes: list[Any] = []
    for way in ("wheel", "attached"):
        folder = tmp_path / way
        folder.mkdir()
        with Sink() as own:
            env = {**WAYS[way], "OTEL_EXPORTER_OTLP_ENDPOINT": own.url, "TRACEPARENT": PARENT}
            assert run(folder, PROGRAM + "spark.stop()", **env).returncode == 0
            spans = spans_of(own, until="spark.application")
            known = {s.span_id: s.name for s in spans}
            shapes.append(sorted((s.name, known.get(s.parent_id or 0, ""), sorted(s.attributes)) for s in spans))
            told = sorted({m["name"] for m in own.metrics()})
            shapes.append([name for name in told if name.startswith("spark.")])
    assert shapes[0] == shapes[2]
    assert shapes[1] == shapes[3]


def test_local_files_of_a_jvm(tmp_path: Path) -> None:
    """Without an endpoint the JVM leaves OTLP/JSON lines where Python would, for its owner alone, and they are read."""
    from dagtrace.cli.traces import read as read_traces

    done = run(tmp_path, PROGRAM + "spark.stop()", PYSPARK_SUBMIT_ARGS=submit_args())
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "home").iterdir())
    assert [file.name.split("-")[0] for file in files] == ["metrics", "traces"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    (trace,) = read_traces(tmp_path / "home")
    assert [root.span.name for root in trace.roots] == ["spark.application ways"]
    assert trace.orphans == []


def points(sink: Sink, metric: str, attribute: str) -> dict[str, int]:
    """Return a counter's sums by an attribute of its points."""
    sums: dict[str, int] = {}
    for found in sink.metrics():
        for point in found["sum"]["dataPoints"] if found["name"] == metric else ():
            of = {a["key"]: a["value"]["stringValue"] for a in point["attributes"]}
            sums[of[attribute]] = sums.get(of[attribute], 0) + int(point["asInt"])
    return sums


def test_an_endpoint_that_is_away(tmp_path: Path) -> None:
    """Nobody listens, or nobody answers: the driver ends as it would, and its log has a few lines about it."""
    with Sink(silent=True) as silent:
        for url in ("http://127.0.0.1:9", silent.url):
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "DAGTRACE_FLUSH_TIMEOUT": "1"}
            code = PROGRAM.replace("ERROR", "WARN") + "spark.stop()"
            done = run(tmp_path, code, PYSPARK_SUBMIT_ARGS=submit_args(), **env)
            assert done.returncode == 0, done.stderr
            said = [line for line in done.stderr.splitlines() if " dagtrace: " in line]
            assert 1 <= len(said) <= 3, done.stderr
            assert "Exception in" not in done.stderr


LIVES_ON = PROGRAM + "time.sleep({seconds}); os.kill(spark.sparkContext._gateway.proc.pid, signal.SIGKILL)"
APART = {"OTEL_EXPORTER_OTLP_TIMEOUT": "500", "OTEL_METRIC_EXPORT_INTERVAL": "500"}


@pytest.mark.parametrize("away", ["traces", "metrics"])
def test_a_signal_does_not_wait_for_another(sink: Sink, tmp_path: Path, away: str) -> None:
    """While the traces' endpoint keeps silent a living driver's metrics arrive, all of them, and vice versa."""
    with Sink(silent=True) as silent:
        urls = {"traces": sink.url, "metrics": sink.url, away: silent.url}
        env = {f"OTEL_EXPORTER_OTLP_{key.upper()}_ENDPOINT": f"{url}/v1/{key}" for key, url in urls.items()}
        done = run(tmp_path, LIVES_ON.format(seconds=6), PYSPARK_SUBMIT_ARGS=submit_args(), **env, **APART)
    assert done.returncode == 0, done.stderr
    if away == "traces":
        assert counted_tasks(sink) == 3 * 3 + 1
        assert spans_of(sink) == []
    else:
        assert len([s for s in spans_of(sink) if s.name == "spark.job"]) >= 4
        assert sink.metrics() == []


def lost(sink: Sink) -> dict[str, int]:
    """Return what was counted as lost, by its reason, as soon as there is any."""
    deadline = time.monotonic() + 20
    while not points(sink, LOST, names.DAGTRACE_LOSS_REASON) and time.monotonic() < deadline:
        time.sleep(0.2)
    return points(sink, LOST, names.DAGTRACE_LOSS_REASON)


def test_what_could_not_be_delivered_is_counted(sink: Sink, tmp_path: Path) -> None:
    """Spans left at the end are losses with their reason, in the metric and in one line of the log."""
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces", "DAGTRACE_FLUSH_TIMEOUT": "2"}
    code = PROGRAM.replace("ERROR", "WARN") + "spark.stop()"
    args = submit_args(f"spark.dagtrace.endpoint={sink.url}")
    done = run(tmp_path, code, PYSPARK_SUBMIT_ARGS=args, **env)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "spans were lost" in line)
    counted = lost(sink)
    # An application, three queries with at least a job each, another job, and their stages.
    assert set(counted) == {"unreachable"}
    assert counted["unreachable"] >= 1 + 3 + 4 + 4
    assert f" {counted['unreachable']} Spark events or spans were lost (unreachable" in line
    assert "Connection refused" in line


def test_spans_that_are_refused_are_counted(sink: Sink, tmp_path: Path) -> None:
    """A collector that has no such path says no for good: each span is a loss, once, with that reason."""
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.url}/nowhere"}
    args = submit_args(f"spark.dagtrace.endpoint={sink.url}")
    done = run(tmp_path, PROGRAM + "spark.stop()", PYSPARK_SUBMIT_ARGS=args, **env)
    assert done.returncode == 0, done.stderr
    counted = lost(sink)
    assert set(counted) == {"refused"}
    assert counted["refused"] >= 1 + 3 + 4 + 4


def test_switched_off_an_attached_listener_is_silent(sink: Sink, tmp_path: Path) -> None:
    """``DAGTRACE_ENABLED=false`` goes over a jar that somebody put into spark-defaults: no span, no file, no line."""
    env = {"DAGTRACE_ENABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_TIMEOUT": "0"}
    done = run(tmp_path, PROGRAM.replace("ERROR", "INFO") + "spark.stop()", PYSPARK_SUBMIT_ARGS=submit_args(), **env)
    assert done.returncode == 0, done.stderr
    assert spans_of(sink) == []
    assert sink.metrics() == []
    assert not (tmp_path / "home").exists()
    assert " dagtrace: " not in done.stderr


def test_no_secret_of_the_conf_is_used(sink: Sink, tmp_path: Path) -> None:
    """From SparkConf an endpoint's password and query are not taken; headers come from a file or the environment."""
    headers = tmp_path / "headers"
    headers.write_text("x-from-file=one\nx-too=a%20b\n")
    url = sink.url.replace("http://", "http://user:hunter2@") + "/?token=hunter3"
    conf = (f"spark.dagtrace.endpoint={url}", f"spark.dagtrace.headersFile={headers}")
    done = run(
        tmp_path,
        PROGRAM + "spark.stop()",
        PYSPARK_SUBMIT_ARGS=submit_args(*conf),
        OTEL_EXPORTER_OTLP_HEADERS="x-from-environment=two",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    assert done.returncode == 0, done.stderr
    assert spans_of(sink, until="spark.application")
    got = {key.lower(): value for key, value in sink.headers[0].items()}
    assert (got["x-from-file"], got["x-too"], got["x-from-environment"]) == ("one", "a b", "two")
    assert got["content-encoding"] == "gzip"
    assert "authorization" not in got
    assert "hunter" not in json.dumps(sink.requests)


DROPS = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").appName("drops").getOrCreate()
jvm = spark.sparkContext._jsc.sc()
jvm.range(0, 4000, 1, 4000).count()
bus = jvm.listenerBus()
bus.waitUntilEmpty(60000)
counters = bus.metrics().metricRegistry().getCounters()
print("DROPPED", counters["queue.dagtrace.numDroppedEvents"].getCount())
spark.stop()
"""


def test_what_the_bus_drops_is_told(sink: Sink, tmp_path: Path) -> None:
    """A queue that is too short loses events; the application says how many, as Spark counts them, and what it cost."""
    conf = ("spark.scheduler.listenerbus.eventqueue.dagtrace.capacity=10", f"spark.dagtrace.endpoint={sink.url}")
    done = run(tmp_path, DROPS, PYSPARK_SUBMIT_ARGS=submit_args(*conf))
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("DROPPED"))
    dropped = int(line.split()[1])
    assert dropped > 0, "nothing was dropped: the test proves nothing"
    (application,) = (s for s in spans_of(sink, until="spark.app") if s.name == "spark.application drops")
    assert application.attributes[names.DAGTRACE_SPARK_EVENTS_DROPPED] == dropped
    assert float(str(application.attributes[names.DAGTRACE_SPARK_CPU_TIME])) > 0
    deadline = time.monotonic() + 20
    while not sink.metrics() and time.monotonic() < deadline:
        time.sleep(0.2)
    (metric,) = (m for m in sink.metrics() if m["name"] == "dagtrace.spark.events.dropped")
    assert [int(point["asInt"]) for point in metric["sum"]["dataPoints"]] == [dropped]
