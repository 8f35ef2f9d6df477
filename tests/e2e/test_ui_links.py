"""From Airflow's UI to the trace: the link of a real run, followed in a real browser, leads to the right trace id."""

from __future__ import annotations

import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from support.airflow import Airflow, dags_in, warnings_of_ours
from support.api import Api, with_login
from support.browser import DRIVER, Browser
from support.cells import AIRFLOW
from support.runs import Ran


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.postgres import Postgres

pytestmark = pytest.mark.real

RUN = "manual__2026-11-22T12:00:00+00:00"
"""As Airflow names runs: with what a URL must not carry as it is."""

VIEWS = AIRFLOW >= (3, 1)


class TracingUi:
    """Stands for Jaeger's: remembers which pages it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        ui = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ui.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("X-Frame-Options", "deny")  # as Grafana does
                self.end_headers()
                self.wfile.write(b"<title>a trace</title>")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class says so
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()


class Linked:
    """An Airflow whose UI links to a tracing UI, and a finished run in it."""

    def __init__(self, airflow: Airflow, ui: TracingUi, folder: Path) -> None:
        self.airflow = airflow
        self.ui = ui
        self.folder = folder
        self.api = Api(airflow)
        self.root = f"http://127.0.0.1:{airflow.env['AIRFLOW__API__PORT']}"

    @property
    def trace(self) -> str:
        """Return the address of the run's trace, by what was told."""
        told = Ran(self.airflow.traces, self.airflow.query).trace("small", RUN)
        return f"{self.ui.url}/trace/{told.trace_id:032x}"

    def ask(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Return status, ``Location`` and body of a page, following nothing."""
        connection = HTTPConnection(self.root.removeprefix("http://"), timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Linked]:
    """Let a scheduler run a small DAG."""
    folder, ui = tmp_path_factory.mktemp("linked"), TracingUi()
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags_in(folder, "small.py")), **with_login(folder)}
    with Airflow(folder, postgres.database(), **settings, DAGTRACE_TRACE_URL=ui.url + "/trace/{trace_id}") as airflow:
        found = Linked(airflow, ui, folder)
        found.api.trigger("small", RUN)
        assert airflow.wait("small", RUN) == "success"
        airflow.stop("scheduler")
        yield found
    ui.close()


def test_a_task_instance_has_a_link(linked: Linked) -> None:
    """The button of every operator, as the API gives it to the UI; also of a mapped one, which it asks the same way."""
    task = f"dags/small/dagRuns/{quote(RUN)}/taskInstances"
    wanted = {"Trace": linked.trace}
    for path in (f"{task}/flaky/links", f"{task}/double/links?map_index=1"):
        links = linked.api.get(path)
        assert links.get("extra_links", links) == wanted


@pytest.mark.skipif(not VIEWS, reason="plugins can add tabs from 3.1 on")
def test_who_may_see_the_run_is_led_to_its_trace(linked: Linked) -> None:
    """A redirect to the template's place; without a login nothing, and no word on whether there is such a run."""
    path = f"/dagtrace/run/small/{quote(RUN)}"
    bearer = {"Authorization": f"Bearer {linked.api.token}"}
    assert linked.ask(path, **bearer)[:2] == (302, linked.trace)
    assert [linked.ask(page)[0] for page in (path, "/dagtrace/run/small/none")] == [401, 401]
    status, location, body = linked.ask("/dagtrace/run/small/none", **bearer)
    assert (status, location) == (404, "")
    assert "There is no such run." in body


@pytest.mark.skipif(not VIEWS, reason="plugins can add tabs from 3.1 on")
@pytest.mark.skipif(DRIVER is None, reason="there is no chromedriver here (Debian: apt-get install chromium-driver)")
@pytest.mark.parametrize("page", ["", "/tasks/flaky"])
def test_the_page_of_a_run_leads_to_its_trace(linked: Linked, page: str) -> None:
    """
    In a browser: the run's page, and a task instance's, has a tab *Trace*, and its link opens the right trace.

    Beside Airflow, since the tracing UI refuses to be shown in a frame.
    """
    linked.ui.asked.clear()
    with Browser(linked.folder) as browser:
        browser.log_in(f"{linked.root}/auth/login", linked.api.token)
        browser.open(f"{linked.root}/dags/small/runs/{quote(RUN)}{page}")
        browser.click(browser.find("//a[contains(@href, '/plugin/dagtrace-')][contains(., 'Trace')]"))
        browser.enter(browser.find("//iframe"))
        (before,) = browser.windows()
        browser.click(browser.find("//a"))
        deadline = time.monotonic() + 60
        while len(browser.windows()) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        (opened,) = set(browser.windows()) - {before}
        assert browser.switch(opened) == linked.trace
    assert linked.ui.asked[0] == linked.trace.removeprefix(linked.ui.url)


def test_the_log_has_no_word_of_it(linked: Linked) -> None:
    """Nobody is warned of anything, and no task pushed an XCom for it."""
    server = "api-server" if AIRFLOW >= (3,) else "webserver"
    said = warnings_of_ours(linked.airflow.log(server) + linked.airflow.log("scheduler"))
    assert [line for line in said if "patching" not in line] == []  # what has no place in this version, others test
    keys = {row["key"] for row in linked.airflow.query("select key from xcom")}
    assert not {key for key in keys if key.startswith("_link") or "race" in key}
