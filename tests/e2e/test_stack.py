"""``make stack``: four real programs that start together, say where they are, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import backends, otlp
from support.airflow import free_port
from support.sink import Sink
from support.stack import ORDER, PORTS, Stack
from support.telling import Jaeger, Prometheus, get, until


if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.backends]


@pytest.fixture(autouse=True)
def built() -> None:
    """Fail with one line where the real programs are not there."""
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """Run it as the Makefile does, on free ports."""
    env = {**os.environ, **{name: str(free_port()) for name in PORTS}}
    process = subprocess.Popen(
        [sys.executable, "tests/support/stack.py"], cwd=backends.ROOT, env=env, text=True, stdout=subprocess.PIPE
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


def _until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Ctrl-C"):
            break
    return said


def _children(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the programs that the process started, by name."""
    found: dict[str, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:
            continue  # it has ended
        if facts["PPid"].strip() == str(process.pid):
            found[facts["Name"]] = int(facts["Pid"])
    return found


def _gone(pids: dict[str, int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids.values())


def test_it_says_where_they_are_and_stops_on_ctrl_c(running: subprocess.Popen[str]) -> None:
    """All four run when it has printed their URLs; Ctrl-C ends it with 0 and none of them is left."""
    said = "".join(_until_ready(running))
    children = _children(running)
    assert set(children) == set(ORDER)
    assert [
        name for name in ("jaeger", "prometheus", "alertmanager", "OTEL_EXPORTER_OTLP_ENDPOINT=") if name not in said
    ] == []
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert _gone(children)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_they_end_with_it_however_it_ends(running: subprocess.Popen[str]) -> None:
    """Killed outright, it leaves no orphan either."""
    _until_ready(running)
    children = _children(running)
    assert set(children) == set(ORDER)
    running.kill()
    running.wait()
    until(lambda: _gone(children), "all of them have ended", timeout=60)


def test_the_small_one_tells_jaeger_and_prometheus(tmp_path: Path) -> None:
    """With ``dev.yaml`` a span comes to Jaeger, a short process's count to Prometheus, and the collector is scraped."""
    trace_id = "abefff798038103d269b633813fc60cc"
    with Stack(tmp_path, ["dev.yaml"], {name: free_port() for name in PORTS}) as stack:
        jaeger, prometheus = Jaeger(stack.urls["jaeger"]), Prometheus(stack.urls["prometheus"])
        otlp.post(stack.urls["otlp"], "traces", otlp.span(trace_id, "told", {}))
        otlp.post(stack.urls["otlp"], "metrics", otlp.delta(7))
        until(lambda: len(jaeger.trace(trace_id)) == 1, "the span is in Jaeger")
        until(lambda: prometheus.added("driver_work_total") == {(): 7}, "the count is in Prometheus")
        until(lambda: [one["value"][1] for one in prometheus.query('up{job="otelcol"}')] == ["1"], "it is scraped")
        until(
            lambda: bool(get(f"{stack.urls['prometheus']}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]),
            "alerts have somewhere to go",
        )


def test_a_restart_of_the_collector_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The same count before and after a restart is two samples of one series, and none that nobody told."""
    with Stack(tmp_path, ["dev.yaml"], {name: free_port() for name in PORTS}) as stack:
        prometheus = Prometheus(stack.urls["prometheus"])
        for times in (1, 2):
            otlp.post(stack.urls["otlp"], "metrics", otlp.delta(7))
            until(lambda: prometheus.added("driver_work_total") == {(): 7 * times}, f"{times} times 7", timeout=20)  # noqa: B023
            stack.stop("otelcol")
            stack.start("otelcol")
        (series,) = prometheus.query("driver_work_total[1h]")
        assert [value for _, value in series["values"]] == ["7", "7"]


@pytest.mark.parametrize("file", ["dev.yaml", "gateway.yaml"])
def test_a_point_that_is_too_old_goes_alone(tmp_path: Path, file: str) -> None:
    """Yesterday's point, which Prometheus refuses with all that came with it, does not take a live one with it."""
    with Stack(tmp_path, [file], {name: free_port() for name in PORTS}) as stack:
        prometheus = Prometheus(stack.urls["prometheus"])
        both = otlp.total("old.work", 3, hours_ago=20), otlp.total("live.work", 5)
        request = {"resourceMetrics": [one for asked in both for one in asked["resourceMetrics"]]}
        otlp.post(stack.urls["otlp"], "metrics", request)
        until(lambda: prometheus.counted("live_work_total") == {(): 5}, "the live point is in Prometheus", timeout=30)
        assert prometheus.query("old_work_total[2d]") == []


def test_a_full_queue_holds_up_and_loses_nothing(tmp_path: Path) -> None:
    """With Prometheus away and the queue full, who sends increments waits and is not thanked for what would be lost."""
    env = {"DAGTRACE_QUEUED_POINTS": "1000"}
    stack = Stack(tmp_path, ["gateway.yaml"], {name: free_port() for name in PORTS}, env)
    prometheus = Prometheus(stack.urls["prometheus"])
    each, taken = 600, 0
    try:
        stack.start("otelcol")
        with suppress(TimeoutError):
            while taken < 10:
                otlp.post(stack.urls["otlp"], "metrics", otlp.delta(7, points=each), timeout=4)
                taken += 1
                time.sleep(1.2)  # one batch of the lane each
        stack.start("prometheus")
        # The one that waited may be among them: its sender does not know.
        whole = [{(): 7.0 * each * times} for times in (taken, taken + 1)]
        until(lambda: prometheus.added("driver_work_total") in whole, "all that was taken is in Prometheus", timeout=90)
    finally:
        stack.__exit__()
    assert 0 < taken < 10


def test_a_killed_collector_keeps_what_it_took(tmp_path: Path) -> None:
    """With ``gateway.yaml`` a span taken while Jaeger is away is there after the collector was killed."""
    trace_id = "8b8efff798038103d269b633813fc60c"
    stack = Stack(tmp_path, ["gateway.yaml"], {name: free_port() for name in PORTS})
    jaeger = Jaeger(stack.urls["jaeger"])
    try:
        stack.start("otelcol")
        otlp.post(stack.urls["otlp"], "traces", otlp.span(trace_id, "kept", {}))
        stack.kill("otelcol")
        stack.start("jaeger")
        assert jaeger.trace(trace_id) == []
        stack.start("otelcol")
        until(lambda: bool(jaeger.trace(trace_id)), "the span is in Jaeger")
    finally:
        stack.__exit__()


def test_a_vendor_gets_all_with_the_header(tmp_path: Path) -> None:
    """With ``saas.yaml`` spans and metrics go to the one endpoint of the environment, with the header named there."""
    with Sink() as vendor:
        env = {
            "DAGTRACE_SAAS_ENDPOINT": vendor.url,
            "DAGTRACE_SAAS_HEADER": "x-vendor-team",
            "DAGTRACE_SAAS_KEY": "the-key",
        }
        stack = Stack(tmp_path, ["gateway.yaml", "saas.yaml"], {name: free_port() for name in PORTS}, env)
        try:
            stack.start("otelcol")
            otlp.post(stack.urls["otlp"], "traces", otlp.span("9b8efff798038103d269b633813fc60c", "told", {}))
            otlp.post(stack.urls["otlp"], "metrics", otlp.delta(7))
            until(lambda: all(vendor.requests[f"/v1/{signal}"] for signal in ("traces", "metrics")), "both are there")
        finally:
            stack.stop("otelcol")
    assert {headers.get("x-vendor-team", headers.get("X-Vendor-Team")) for headers in vendor.headers} == {"the-key"}
