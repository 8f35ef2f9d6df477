"""How the rules would have fired: what is asked of Prometheus, and what is made of its answers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

import backtest
import promql
from support import backends


if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    Answer = Callable[[dict[str, str]], tuple[int, dict[str, Any]]]

NOW = 1_800_000_000.0
MINUTE, HOUR, DAY = 60, 3600, 86400


@contextmanager
def fake(answer: Answer) -> Generator[tuple[str, list[dict[str, str]]]]:
    """Serve ``query_range``; yield where, and the questions as they come."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append(dict(urllib.parse.parse_qsl(body)))
            status, document = answer(asked[-1])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def during(*times: tuple[float, float], **labels: str) -> Answer:
    """Answer with one series that has values within these times, as Prometheus gives them: step by step."""

    def answer(asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        if (end - start) / step > 11_000:
            return 400, {"error": "exceeded maximum resolution of 11,000 points per timeseries"}
        moments = [start + number * step for number in range(int((end - start) / step) + 1)]
        values = [[at, "1"] for at in moments if any(first <= at <= last for first, last in times)]
        result = [{"metric": {"__name__": "up", **labels}, "values": values}] if values else []
        return 200, {"data": {"result": result}}

    return answer


def rules(folder: Path, hold: str = "0s", expr: str = "up == 0") -> Path:
    """Write a rule file of one alert."""
    file = folder / "rules.yml"
    file.write_text(
        json.dumps(
            {"groups": [{"name": "g", "rules": [{"alert": "Down", "expr": expr, "for": hold, "annotations": {}}]}]}
        )
    )
    return file


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit status, and what was printed, without the table's lines."""
    status = backtest.main(arguments, now=NOW)
    said = capsys.readouterr()
    return status, re.sub(r"[│┃ \n]+", " ", said.out) + said.err


def test_it_counts_for_whom_and_how_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two times in 30 days, over the bounds of queries of a day each, as one firing each."""
    first, second = NOW - 29 * DAY, NOW - 3 * DAY
    with fake(during((first, first + 2 * DAY), (second, second + 9 * MINUTE), job="a")) as (url, asked):
        status, said = run(capsys, "--prometheus", url, "--rules", str(rules(tmp_path)))
    assert status == 0
    assert len(asked) >= 30
    assert f"Down job=a 2 {backtest.when(first)} {backtest.when(second)} {2 * 24 * 60 + 1 + 10} " in said


def test_what_does_not_last_does_not_fire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``for`` is applied: ten minutes of nine do not fire, of twenty they fire for the rest."""
    short, long = NOW - 5 * HOUR, NOW - 3 * HOUR
    with fake(during((short, short + 9 * MINUTE), (long, long + 20 * MINUTE), job="a")) as (url, _):
        file = rules(tmp_path, hold="10m")
        _, said = run(capsys, "--prometheus", url, "--since", "1d", "--rules", str(file))
    at = backtest.when(long + 10 * MINUTE)
    assert f"Down job=a 1 {at} {at} 11 " in said


def test_a_moment_lasts_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a step longer than ``for``, one true moment fires for a step; with one as long or shorter it does not."""
    at = NOW - NOW % HOUR - 5 * HOUR
    said: dict[str, str] = {}
    with fake(during((at - MINUTE, at + MINUTE), job="a")) as (url, _):
        file = rules(tmp_path, hold="3m")
        for step in ("15m", "3m", "1m"):
            arguments = ("--prometheus", url, "--since", "1d", "--rules", str(file), "--step", step)
            said[step] = run(capsys, *arguments)[1]
    assert f"Down job=a 1 {backtest.when(at)} {backtest.when(at)} 15 " in said["15m"]
    assert "Down 0 " in said["3m"]
    assert "Down 0 " in said["1m"]


def test_an_alert_that_would_not_have_fired_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said as 0, not left out."""
    with fake(during()) as (url, _):
        _, said = run(capsys, "--prometheus", url, "--since", "1d", "--rules", str(rules(tmp_path)))
    assert "Down 0 " in said


def test_what_is_too_much_is_asked_in_halves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where Prometheus runs out of time, shorter queries are put, and nothing is lost or counted twice."""
    whole = during((NOW - 12 * HOUR, NOW - 6 * HOUR), job="a")

    def answer(asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if float(asked["end"]) - float(asked["start"]) > 2 * HOUR:
            return 503, {"error": "query timed out in expression evaluation"}
        return whole(asked)

    with fake(answer) as (url, _):
        status, said = run(capsys, "--prometheus", url, "--since", "1d", "--rules", str(rules(tmp_path)))
    at = backtest.when(NOW - 12 * HOUR)
    assert (status, f"Down job=a 1 {at} {at} 361 " in said) == (0, True)


def test_a_query_that_is_refused_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prometheus' own words, and an exit status; no traceback."""
    with fake(lambda _: (400, {"error": "parse error: unexpected end of input"})) as (url, _):
        status, said = run(capsys, "--prometheus", url, "--rules", str(rules(tmp_path)))
    assert status == 1
    assert "Down: parse error: unexpected end of input" in said


def test_nobody_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a Prometheus that is not there."""
    status, said = run(capsys, "--prometheus", "http://127.0.0.1:1", "--rules", str(rules(tmp_path)))
    assert status == 1
    assert "Connection refused" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(("--alert", "Nope"), "no such alert: Nope; there are DagRunFailed"), (("--since", "1 day"), "is no duration")],
)
def test_what_is_not_there_is_said(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str) -> None:
    """A name or a time that cannot be is said before anything is asked."""
    status, said = run(capsys, "--prometheus", "http://127.0.0.1:1", *arguments)
    assert (status, why in said) == (2, True)


def test_recorded_names_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """What is asked holds no recorded name, with the steps of ranges; ``--recorded`` asks for the rule as it is."""
    with fake(during()) as (url, asked):
        run(capsys, "--prometheus", url, "--since", "1h", "--alert", "DagRunFailed")
        run(capsys, "--prometheus", url, "--since", "1h", "--alert", "DagRunFailed", "--recorded")
    replaced, as_it_is = (one["query"] for one in (asked[0], asked[-1]))
    assert not [name for name in promql.names(replaced) if ":" in name]
    assert "[26h:300s]" in replaced
    assert "last_over_time(airflow_dag:last_failure_seconds[26h])" in as_it_is


def test_changed_thresholds_are_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of thresholds alone goes over ours: the alerts are ours, with its number."""
    file = tmp_path / "thresholds.yml"
    file.write_text(
        '{"groups": [{"name": "g", "rules": [{"record": "threshold:dag_late:seconds", "expr": "vector(7)"}]}]}'
    )
    with fake(during()) as (url, asked):
        run(capsys, "--prometheus", url, "--since", "1h", "--alert", "DagRunLate", "--rules", str(file))
    assert re.search(r"scalar\(\(vector\(7\)\s*\)\)", asked[0]["query"])


def test_matchers_on_a_recorded_name_are_refused() -> None:
    """An expression in its place could not have them: better said than wrong."""
    record = promql.Rule("a:b", "sum(c)", is_alert=False, interval=0)
    assert promql.inline('"a:b" + a:b[5m] # a:b', {"a:b": record}, 60).split() == ['"a:b"', "+", "(sum(c)", ")[5m:60s]"]
    assert promql.inline("a:b[1h:5m] offset 1s", {"a:b": record}, 60).split() == ["(sum(c)", ")[1h:5m]", "offset", "1s"]
    with pytest.raises(ValueError, match="a:b is recorded and has matchers"):
        promql.inline('a:b{c="d"}', {"a:b": record}, 60)


@pytest.mark.real
@pytest.mark.backends
def test_on_a_real_prometheus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Data that was stored before any rule: a failure repaired after two hours, tasks that waited for 45 min, no other.

    Both are told with their owner, at the right time (within the resolution), and how long.
    """
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)
    now = int(time.time()) // MINUTE * MINUTE
    start = now - 12 * HOUR
    failed, repaired, waits = now - 8 * HOUR, now - 6 * HOUR, now - 4 * HOUR
    common = 'job="airflow",instance="s1",airflow_dag_id="d"'
    info = (
        f'airflow_dag_info{{{common},airflow_dag_owners="ann",airflow_dag_tag_list=",x,",airflow_dag_paused="false"}}'
    )
    runs = (
        f'airflow_dag_run_count_total{{{common},airflow_dag_run_run_type="scheduled",airflow_dag_run_state="failed"}}'
    )
    age = (
        f"airflow_task_instance_oldest_age_seconds{{{common},"
        'airflow_task_instance_pool="p",airflow_task_instance_state="queued"}'
    )
    lines = ["# TYPE airflow_dag_info gauge", *(f"{info} 1 {at}" for at in range(start, now, MINUTE))]
    lines += ["# TYPE airflow_dag_run_count counter"]
    lines += [f"{runs} {3 + (at >= failed)} {at}" for at in range(start, now, MINUTE)]
    lines += ["# TYPE airflow_dag_last_success_seconds gauge"]
    lines += [
        f"airflow_dag_last_success_seconds{{{common}}} {repaired if at >= repaired else start - 60} {at}"
        for at in range(start, now, MINUTE)
    ]
    lines += ["# TYPE airflow_task_instance_oldest_age_seconds gauge"]
    lines += [f"{age} {max(0, at - waits) * (at < waits + HOUR)} {at}" for at in range(start, now, MINUTE)]
    (tmp_path / "data.txt").write_text("\n".join((*lines, "# EOF", "")))
    data = tmp_path / "tsdb"
    subprocess.run(
        [backends.binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", tmp_path / "data.txt", data],
        check=True,
        capture_output=True,
    )
    alerts = ("DagRunFailed", "TasksStarving", "DagRunLate", "AirflowDown")
    with _prometheus(tmp_path, data) as url:
        status = backtest.main(
            ["--prometheus", url, "--since", "11h", *(word for name in alerts for word in ("--alert", name))], now=now
        )
    said = re.sub(r"[│┃ \n]+", " ", capsys.readouterr().out)
    assert status == 0
    found = re.findall(r"DagRunFailed ([^0-9]+) (\d+) (\S+ \S+) \S+ \S+ (\d+) ", said)
    assert [(whom, times) for whom, times, _, _ in found] == [("airflow_dag_id=d job=airflow owner=ann", "1")]
    assert backtest.when(failed) <= found[0][2] <= backtest.when(failed + 6 * MINUTE)
    assert 110 <= int(found[0][3]) <= 130
    (starving,) = re.findall(r"TasksStarving (.+? owner=ann) (\d+) \S+ \S+ \S+ \S+ (\d+) ", said)
    assert "airflow_task_instance_pool=p" in starving[0]
    assert starving[1] == "1"
    assert 43 <= int(starving[2]) <= 50
    assert "DagRunLate 0 " in said
    assert "AirflowDown 0 " in said


@contextmanager
def _prometheus(folder: Path, data: Path) -> Generator[str]:
    """Run a Prometheus without rules on stored blocks; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    (folder / "prometheus.yml").write_text("{}")
    command = [str(backends.binary("prometheus")), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={data}", f"--web.listen-address={url.removeprefix('http://')}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                    break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
