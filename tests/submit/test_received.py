"""The other end: a process that finds a carrier becomes its child."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from collections.abc import Callable

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PROGRAM = """
import dagtrace._startup
from opentelemetry import trace
tracer = trace.get_tracer("theirs")
with tracer.start_as_current_span("outer"):
    with tracer.start_as_current_span("inner"):
        pass
"""

OWN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""


def spans(home: Path) -> list[dict[str, Any]]:
    """Return the spans in local files."""
    lines = [json.loads(line) for path in home.glob("traces*.jsonl") for line in path.read_text().splitlines()]
    return [
        {**span, "resource": {a["key"]: a["value"] for a in resource["resource"]["attributes"]}}
        for line in lines
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def test_a_plain_process_becomes_a_child(in_python: Callable[..., Any], tmp_path: Path) -> None:
    """What a child process traces with the API alone is told, below the span that started it."""
    in_python(PROGRAM, DAGTRACE_ENABLED="true", TRACEPARENT=PARENT)
    found = {span["name"]: span for span in spans(tmp_path / "home")}
    assert set(found) == {"outer", "inner"}
    assert {span["traceId"] for span in found.values()} == {PARENT[3:35]}
    assert found["outer"]["parentSpanId"] == PARENT[36:52]
    assert found["inner"]["parentSpanId"] == found["outer"]["spanId"]


@pytest.mark.parametrize(
    "env",
    [
        {"DAGTRACE_ENABLED": "false", "TRACEPARENT": PARENT},
        {"DAGTRACE_ENABLED": "true"},
        {"DAGTRACE_ENABLED": "true", "TRACEPARENT": "nonsense"},
        {"DAGTRACE_ENABLED": "true", "TRACEPARENT": PARENT[:-1] + "0"},
        {"DAGTRACE_ENABLED": "true", "TRACEPARENT": PARENT, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
        {"DAGTRACE_ENABLED": "true", "TRACEPARENT": PARENT, "PYTHON_WORKER_FACTORY_PORT": "1"},
    ],
)
def test_otherwise_nothing_is_told(in_python: Callable[..., Any], tmp_path: Path, env: dict[str, str]) -> None:
    """Off, without a parent, with a bad one, one that is not sampled, in Spark's workers: nothing of it is recorded."""
    in_python(PROGRAM, **env)
    assert spans(tmp_path / "home") == []


def test_the_users_own_provider_stays_his(in_python: Callable[..., Any], tmp_path: Path) -> None:
    """A program that sets its own TracerProvider keeps it; its spans are children of the task all the same."""
    ask = "print(f'{exporter.get_finished_spans()[-1].parent.span_id:016x}')"
    code = f"import dagtrace._startup\n{OWN}{PROGRAM}\n{ask}"
    done = in_python(code, DAGTRACE_ENABLED="true", TRACEPARENT=PARENT)
    assert done.stdout.strip() == PARENT[36:52]
    assert spans(tmp_path / "home") == []


def test_nothing_is_imported_before_opentelemetry_is(in_python: Callable[..., Any]) -> None:
    """A child process that does not trace anything pays for the porch alone."""
    code = (
        "import dagtrace._startup, json, sys; print([m for m in sys.modules if m.startswith(('dagtrace', 'opentel'))])"
    )
    done = in_python(code, DAGTRACE_ENABLED="true", TRACEPARENT=PARENT)
    assert done.stdout.strip() == "['dagtrace', 'dagtrace._startup']"


def test_from_a_task_to_its_childs_spans(task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A BashOperator that runs a Python program: the program's spans hang below the task's execution."""
    from airflow.providers.standard.operators.bash import BashOperator

    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    sources = str(Path(__file__).parent.parent.parent / "instrumentation")
    env = {"PYTHONPATH": sources, "DAGTRACE_ENABLED": "true", "DAGTRACE_HOME": str(tmp_path / "home")}
    task.run(BashOperator(task_id="t", bash_command=f"{sys.executable} {program}", env=env))
    (outer,) = (span for span in spans(tmp_path / "home") if span["name"] == "outer")
    assert outer["traceId"] == f"{task.span.trace_id:032x}"
    assert outer["parentSpanId"] == f"{task.span.span_id:016x}"
    assert outer["resource"]["service.name"] == {"stringValue": "program"}
