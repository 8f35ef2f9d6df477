"""A run fails: within a minute somebody is told whom it concerns, what to do, where the trace is; then it works."""

from __future__ import annotations

import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from support.telling import until


if TYPE_CHECKING:
    from support.told import Told

pytestmark = [pytest.mark.real, pytest.mark.backends]

DAG, ALERT = "deliveries", "DagRunFailed"


@pytest.fixture(scope="module")
def alerted(told: Told) -> tuple[float, float, dict[str, Any]]:
    """Let a run fail; return when it had ended, when the webhook was called, and the alert."""
    (told.morning / "broken").touch()
    told.airflow.trigger(DAG, "broken")
    assert told.airflow.wait(DAG, "broken") == "failed"
    (row,) = told.query("select end_date from dag_run where dag_id = %s and run_id = %s", DAG, "broken")
    until(lambda: bool(told.hook.named(ALERT, "firing", airflow_dag_id=DAG)), "the webhook is called", timeout=120)
    at, alert = told.hook.named(ALERT, "firing", airflow_dag_id=DAG)[0]
    return row["end_date"].timestamp(), at, alert


def test_a_failed_run_reaches_the_webhook(alerted: tuple[float, float, dict[str, Any]]) -> None:
    """Within 60 s of the run's end, with OpenTelemetry's own export interval of a minute."""
    ended, at, _ = alerted
    print(f"{at - ended:.0f} s after the end of the run")
    assert at - ended < 60


def test_it_says_whom_and_what_to_do(alerted: tuple[float, float, dict[str, Any]]) -> None:
    """Owner and team are the DAG's, there is a severity to route by, and a runbook to read."""
    alert = alerted[2]
    assert {key: alert["labels"].get(key) for key in ("owner", "team")} == {"owner": "ana", "team": "harbour"}
    assert alert["labels"]["severity"] in ("critical", "high", "medium", "low")
    assert DAG in alert["annotations"]["summary"]
    assert len(alert["annotations"]["runbook"]) > 50
    assert "traces" not in alert["labels"]


def test_its_link_leads_to_the_run(told: Told, alerted: tuple[float, float, dict[str, Any]]) -> None:
    """The search that the link asks Jaeger for finds the trace of the run that failed."""
    link = urllib.parse.urlsplit(str(alerted[2]["annotations"]["trace"]))
    assert f"{link.scheme}://{link.netloc}" == told.stack.urls["jaeger"]
    assert link.path == "/search"
    asked = {key: values[0] for key, values in urllib.parse.parse_qs(link.query).items()}
    assert asked["operation"] == f"dag_run {DAG}"
    spans = [span for trace in told.jaeger.asked(asked) for span in trace["spans"]]
    tags = [tag for span in spans for tag in span["tags"]]
    runs = {tag["value"] for tag in tags if tag["key"] == "airflow.dag_run.run_id"}
    assert "broken" in runs


def test_it_is_resolved_when_a_run_succeeds(told: Told, alerted: tuple[float, float, dict[str, Any]]) -> None:
    """The next run works: the same alert is said to be over."""
    (told.morning / "broken").unlink()
    began = time.time()
    told.airflow.trigger(DAG, "mended")
    assert told.airflow.wait(DAG, "mended") == "success"

    def over() -> bool:
        found = told.hook.named(ALERT, "resolved", airflow_dag_id=DAG)
        return any(at > began and alert["fingerprint"] == alerted[2]["fingerprint"] for at, alert in found)

    until(over, "the webhook is told that it is over", timeout=180)
