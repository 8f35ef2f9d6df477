"""The UI's links: there only where they are wanted, made of nothing but a run's row, and no word too many."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from dagtrace import _startup
from dagtrace.airflow import plugin, trace_page
from dagtrace.airflow.compat import ui
from dagtrace.airflow.facts import Run
from dagtrace.options import options


if TYPE_CHECKING:
    from pathlib import Path

    from conftest import InPython

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
NOTHING: dict[str, Any] = dict.fromkeys(("end_date", "logical_date", "run_after", "clear_number"))
RUN = Run(*("d", "r", "manual", "running"), queued_at=NOW, start_date=NOW, created_at=NOW, **NOTHING)
URL = "https://jaeger.example/trace/{trace_id}?a=%7B&b={c}"
KEY = SimpleNamespace(dag_id="d", run_id="r")


@pytest.fixture
def rows(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Run]:
    """Return what stands for the database, with one run in it; the template is URL."""
    monkeypatch.setenv("DAGTRACE_TRACE_URL", URL)
    monkeypatch.setenv("DAGTRACE_EXCLUDE", "secret")
    options.cache_clear()
    found = {("d", "r"): RUN}

    def run(dag_id: str, run_id: str) -> Run | None:
        return found.get((dag_id, run_id))

    monkeypatch.setattr(plugin, "_run", run)
    return found


def test_a_run_leads_to_its_trace(rows: dict[tuple[str, str], Run]) -> None:
    """The trace id as it is told, in the template's place for it; the rest of the template is left as it is."""
    wanted = URL.replace("{trace_id}", f"{RUN.trace_id:032x}")
    assert (plugin.url_of("d", "r"), plugin.TraceLink().get_link(None, ti_key=KEY)) == (wanted, wanted)


@pytest.mark.parametrize(
    ("key", "changes", "why"),
    [
        (("d", "none"), {}, "no such run"),
        (("secret", "r"), {}, "not traced"),
        (("d", "r"), {"triggered_by": "test"}, "dag.test()"),
        (("d", "r"), {"start_date": None}, "has not started"),
    ],
)
def test_where_there_is_no_trace_it_says_why(
    rows: dict[tuple[str, str], Run], key: tuple[str, str], changes: dict[str, Any], why: str
) -> None:
    """No link is better than one to nowhere: the button is off, the page says the reason."""
    rows["d", "r"] = dataclasses.replace(RUN, **changes)
    assert plugin.TraceLink().get_link(None, ti_key=SimpleNamespace(dag_id=key[0], run_id=key[1])) == ""
    answer = trace_page._answer(_request(), *key)
    assert answer is not None
    assert (answer.status_code, why in bytes(answer.body).decode()) == (404, True)


def _request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


def test_in_a_frame_it_is_a_page_and_else_a_redirect(rows: dict[tuple[str, str], Run]) -> None:
    """What the UI shows in a frame has the link and no script but its own; neither is kept in any cache."""
    wanted = plugin.url_of("d", "r")
    redirect = trace_page._answer(_request(), "d", "r")
    framed = trace_page._answer(_request(sec_fetch_dest="iframe"), "d", "r")
    assert redirect is not None
    assert framed is not None
    assert (redirect.status_code, redirect.headers["location"]) == (302, wanted.replace("{c}", "%7Bc%7D"))
    body = bytes(framed.body).decode()
    assert f'href="{wanted.replace("&", "&amp;")}"' in body
    nonce = framed.headers["content-security-policy"].partition("script-src 'nonce-")[2].partition("'")[0]
    assert body.count(f'nonce="{nonce}"') == body.count("nonce=") == 2
    assert {redirect.headers["cache-control"], framed.headers["cache-control"]} == {"no-store"}


def test_the_plugin_is_data(rows: dict[tuple[str, str], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tabs from 3.1 on, by relative paths, and a link; no listener; pages only when they are asked for."""
    base: Any = type("AirflowPlugin", (), {"listeners": [], "__module__": "airflow.plugins_manager"})
    made = plugin.make(base)()
    assert (made.name, made.listeners, [link.name for link in made.global_operator_extra_links]) == (
        *("dagtrace", []),
        ["Trace"],
    )
    assert {view["destination"]: view["href"] for view in made.external_views} == dict.fromkeys(
        ("dag_run", "task_instance"), "dagtrace/run/{DAG_ID}/{RUN_ID}"
    )
    assert len({view["url_route"] for view in made.external_views}) == 2
    monkeypatch.setattr(trace_page, "app", lambda: "an app")
    assert made.fastapi_apps == [{"name": "dagtrace", "app": "an app", "url_prefix": "/dagtrace"}]
    monkeypatch.setattr(ui, "HAS_VIEWS", False)
    made = plugin.make(base)()
    assert (made.external_views, made.fastapi_apps) == ([], [])


@pytest.mark.real
@pytest.mark.parametrize(
    ("env", "warns"),
    [
        ({}, False),
        ({"DAGTRACE_ENABLED": "true"}, False),
        ({"DAGTRACE_TRACE_URL": URL}, False),
        ({"DAGTRACE_ENABLED": "true", "DAGTRACE_TRACE_URL": "jaeger"}, True),
        (
            {
                "DAGTRACE_ENABLED": "true",
                "DAGTRACE_TRACE_URL": URL,
                "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "airflow",
            },
            False,
        ),
    ],
)
def test_without_a_template_there_is_no_plugin(in_python: InPython, env: dict[str, str], *, warns: bool) -> None:
    """Airflow finds None, which it passes over, and nothing is imported; a template that is none is one line."""
    code = """
import sys
import dagtrace._startup as door
import airflow.plugins_manager
from importlib.metadata import EntryPoint
print(EntryPoint("dagtrace", "dagtrace._startup:AirflowPlugin", "airflow.plugins").load())
assert "dagtrace.airflow.plugin" not in sys.modules
"""
    done = in_python(code, **env)
    assert done.stdout.splitlines()[-1] == "None"
    said = [line for line in (done.stdout + done.stderr).splitlines() if "DAGTRACE_TRACE_URL" in line]
    assert len(said) == int(warns)


@pytest.mark.real
def test_where_it_is_loaded_no_page_is_made(in_python: InPython) -> None:
    """By both of Airflow's managers; a worker that loads it imports no page and no web framework for it."""
    code = """
import sys
import dagtrace._startup as door
import airflow.sdk.plugins_manager as sdk
before = set(sys.modules)
plugins, errors = sdk._get_plugins()
assert "dagtrace" in [plugin.name for plugin in plugins], errors
new = {name.partition(".")[0] for name in set(sys.modules) - before} & {"fastapi", "starlette"}
print(sorted(new), "dagtrace.airflow.trace_page" in sys.modules)
import airflow.plugins_manager as core
assert "dagtrace" in [plugin.name for plugin in core._get_plugins()[0]]
"""
    done = in_python(code, DAGTRACE_ENABLED="true", DAGTRACE_TRACE_URL=URL, AIRFLOW__CORE__UNIT_TEST_MODE="false")
    assert done.stdout.splitlines()[-1] == "[] False"


def test_other_names_are_missing_as_ever() -> None:
    """What makes the plugin answers to its name only."""
    with pytest.raises(AttributeError):
        _ = _startup.anything  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
