"""Bad input and dead endpoints: the DAG succeeds, the user reads one clear line, and nobody waits beyond the budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from dagtrace.options import Options
from support.airflow import Airflow, free_port
from support.sink import Sink


if TYPE_CHECKING:
    from pathlib import Path

    from support.dag_test import Finished, InProcess
    from support.postgres import Postgres

pytestmark = pytest.mark.real

BUDGET = 2.0
SLACK = 6.0
"""What a busy machine may take to end a Python process that has Airflow in it."""


def waited(done: Finished) -> float:
    """Return how long the process lived after its run had ended, in seconds."""
    (row,) = done.query("select max(end_date) as ended from dag_run")
    return done.ended - row["ended"].timestamp()


def lines(output: str, word: str) -> list[str]:
    """Return the lines of dagtrace's own logger that have ``word`` in them."""
    return [line for line in output.splitlines() if word in line and "dagtrace" in line]


def test_nonsense_everywhere_is_one_line_each(in_process: InProcess) -> None:
    """Nonsense in each variable, an unknown protocol and a refused endpoint: one warning each, and the DAG succeeds."""
    always_valid = {"DAGTRACE_ENABLED", "DAGTRACE_INCLUDE", "DAGTRACE_EXCLUDE", "DAGTRACE_SPARK_EVENTLOG"}
    nonsense = {name: "no\x01nsense" for name in Options.VARIABLES if name not in always_valid | {"DAGTRACE_HOME"}}
    done = in_process.test(
        "small",
        **nonsense,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
        OTEL_EXPORTER_OTLP_PROTOCOL="pigeon",
    )
    for name in [*nonsense, "OTEL_EXPORTER_OTLP_PROTOCOL"]:
        assert len(lines(done.output, f"{name}='")) == 1, (name, done.output[-3000:])
    assert len(lines(done.output, "delivered")) == 1
    assert done.query("select state from dag_run order by id desc limit 1")[0]["state"] == "success"
    assert waited(done) < BUDGET + SLACK
    off = in_process.test("small", DAGTRACE_ENABLED="false")  # Airflow says the DAG's own error, or does not (3.0)
    assert done.output.count("Traceback (most recent") == off.output.count("Traceback (most recent")


def test_a_home_that_cannot_be_written(in_process: InProcess, tmp_path: Path) -> None:
    """A home below a regular file is one warning that names it."""
    (tmp_path / "file").touch()
    done = in_process.test("small", DAGTRACE_HOME=str(tmp_path / "file" / "home"))
    assert len(lines(done.output, f"DAGTRACE_HOME={tmp_path}")) == 1
    assert done.query("select state from dag_run order by id desc limit 1")[0]["state"] == "success"


def test_a_silent_endpoint_costs_one_budget(in_process: InProcess) -> None:
    """An endpoint that accepts and never answers holds the process for the budget, all flushes together."""
    with Sink(silent=True) as sink:
        done = in_process.test("small", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert len(lines(done.output, "delivered")) == 1
    assert waited(done) < BUDGET + SLACK


def test_a_switch_nobody_understands(in_process: InProcess, tmp_path: Path) -> None:
    """DAGTRACE_ENABLED=perhaps is one warning, and dagtrace stays off."""
    done = in_process.test("small", DAGTRACE_ENABLED="perhaps", DAGTRACE_HOME=str(tmp_path / "home"))
    assert len(lines(done.output, "DAGTRACE_ENABLED='perhaps'")) == 1
    assert not (tmp_path / "home").exists()


def test_an_excluded_dag_has_nothing(in_process: InProcess, tmp_path: Path) -> None:
    """A DAG that DAGTRACE_EXCLUDE names leaves no span and no metric."""
    in_process.test("small", DAGTRACE_EXCLUDE="sm*", DAGTRACE_HOME=str(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_scheduler_with_a_silent_endpoint(tmp_path: Path, dags: Path, postgres: Postgres) -> None:
    """Under a real scheduler a silent endpoint fails no task, holds each for the budget at most, and lets it stop."""
    settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "DAGTRACE_FLUSH_TIMEOUT": "1"}
    with Sink(silent=True) as sink:
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.url
        with Airflow(tmp_path, postgres.database(), **settings) as airflow:
            began = time.monotonic()
            airflow.trigger("small", "silent")
            assert airflow.wait("small", "silent") == "success"
            took = time.monotonic() - began
            states = {row["task_id"]: row["state"] for row in airflow.query("select task_id, state from task_instance")}
            stopping = airflow.stop("scheduler")
    assert states["traced"] == "success"
    assert states["never"] == "skipped"
    assert took < 90
    assert stopping < 30
