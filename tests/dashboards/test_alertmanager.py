"""A real Alertmanager with our file: what it holds back, what it groups, whom it tells."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from support import backends
from support.backends import CONFIG


if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = [pytest.mark.real, pytest.mark.backends]

Told = list[tuple[str, dict[str, Any]]]
"""Messages as they came to the webhook: the path, and what was in them."""


@pytest.fixture
def running(tmp_path: Path) -> Generator[tuple[str, Told]]:
    """Run it; yield its URL, and what the webhooks are told."""
    if why := backends.missing():
        pytest.fail(f"not built: {', '.join(why)}; `make backends` builds them, with Go", pytrace=False)
    told: Told = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    webhook = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=webhook.serve_forever, daemon=True).start()
    original = (CONFIG / "alertmanager.yml").read_text()
    text = original.replace("127.0.0.1:5001", f"127.0.0.1:{webhook.server_port}")
    text = text.replace("group_wait: 10s", "group_wait: 1s").replace("group_interval: 1m", "group_interval: 1s")
    (tmp_path / "alertmanager.yml").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [str(backends.binary("alertmanager")), f"--config.file={tmp_path / 'alertmanager.yml'}"]
    command += [f"--storage.path={tmp_path}", f"--web.listen-address={url.removeprefix('http://')}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        _until(lambda: _answers(f"{url}/-/ready"))
        yield url, told
    finally:
        process.terminate()
        process.wait()
        webhook.shutdown()
        webhook.server_close()


def _until(condition: Any, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def _fire(url: str, *alerts: dict[str, str], **more: str) -> None:
    body = json.dumps([{"labels": labels, **more} for labels in alerts]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10):
        pass


def _held_back(url: str) -> set[str]:
    """Return the ids (our label) of the alerts that are inhibited."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        alerts: list[dict[str, Any]] = json.load(answer)
    return {alert["labels"]["id"] for alert in alerts if alert["status"]["inhibitedBy"]}


OURS = {"product": "dagtrace"}
AIRFLOW_DOWN = {**OURS, "id": "down", "alertname": "AirflowDown", "job": "a", "severity": "critical"}
LATE = {**OURS, "id": "late", "alertname": "DagRunLate", "job": "a", "airflow_dag_id": "d", "severity": "high"}
ELSEWHERE = {**LATE, "id": "elsewhere", "job": "b"}
POOL = {**OURS, "id": "pool", "alertname": "PoolFull", "job": "b", "severity": "medium"}
COLLECTOR = {**OURS, "id": "one", "alertname": "CollectorDown", "job": "otelcol", "instance": "c1", "severity": "high"}
COLLECTORS = {**OURS, "id": "all", "alertname": "NoCollector", "severity": "critical"}
FOREIGN = {"id": "foreign", "alertname": "DiskFull", "job": "a", "airflow_dag_id": "d", "severity": "critical"}


def test_dags_of_an_airflow_that_is_down_are_held_back(running: tuple[str, Told]) -> None:
    """Of that Airflow, and of no other; the one message about it is sent at once, to the pager."""
    url, told = running
    _fire(url, AIRFLOW_DOWN, LATE, ELSEWHERE, POOL)
    _until(lambda: len(told) >= 3)
    assert _held_back(url) == {"late"}
    assert {(path, alert["labels"]["id"]) for path, message in told for alert in message["alerts"]} == {
        ("/pager", "down"),
        ("/", "elsewhere"),
        ("/", "pool"),
    }


def test_one_collector_is_no_reason_all_are(running: tuple[str, Told]) -> None:
    """Others take over for one collector; without any, all else is held back."""
    url, _ = running
    _fire(url, AIRFLOW_DOWN, LATE, ELSEWHERE, POOL, COLLECTOR)
    _until(lambda: _held_back(url) == {"late"})
    _fire(url, COLLECTORS)
    _until(lambda: _held_back(url) == {"down", "late", "elsewhere", "pool", "one"})


def test_what_is_not_ours_is_never_held_back(running: tuple[str, Told]) -> None:
    """Neither without a collector nor without Airflow; nor do alerts of others that have our names hold back ours."""
    url, _ = running
    _fire(url, AIRFLOW_DOWN, LATE, FOREIGN, COLLECTORS)
    _until(lambda: _held_back(url) == {"down", "late"})
    theirs = {"alertname": "NoCollector", "id": "theirs", "severity": "critical"}
    _fire(url, {**COLLECTORS, "id": "all"}, endsAt=datetime.now(timezone.utc).isoformat())
    _fire(url, theirs)
    _until(lambda: _held_back(url) == {"late"})


def test_two_environments_are_two_messages(running: tuple[str, Told]) -> None:
    """One service name, one DAG, two installations: each is told by itself."""
    url, told = running
    _fire(url, *({**LATE, "id": name, "deployment_environment_name": name} for name in ("production", "staging")))
    _until(lambda: len(told) >= 2)
    assert [len(message["alerts"]) for _, message in told] == [1, 1]


def test_what_belongs_together_is_one_message_and_recovery_is_told(running: tuple[str, Told]) -> None:
    """Two tasks of one DAG in one message, another DAG in another; to the team, the end as the beginning."""
    url, told = running
    failing = {**OURS, "alertname": "TaskFailingRepeatedly", "job": "a", "airflow_dag_id": "d", "severity": "medium"}
    first, second = ({**failing, "team": "data", "airflow_task_id": name, "id": name} for name in ("t1", "t2"))
    other = {**failing, "airflow_dag_id": "e", "id": "other", "owner": "ann, finance"}
    _fire(url, first, second, other)
    _until(lambda: len(told) >= 2)
    groups = {(path, frozenset(alert["labels"]["id"] for alert in message["alerts"])) for path, message in told}
    assert groups == {("/team-data", frozenset({"t1", "t2"})), ("/owner-finance", frozenset({"other"}))}
    assert all(message["status"] == "firing" for _, message in told)
    _fire(url, other, endsAt=datetime.now(timezone.utc).isoformat())
    _until(lambda: ("/owner-finance", "resolved") in [(path, message["status"]) for path, message in told])
