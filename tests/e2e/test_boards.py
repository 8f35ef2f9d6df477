"""
What somebody sees in the morning: every panel of every board has data, after a day's work in a few minutes.

The boards are asked as Grafana asks. What they get is left in ``.cache/boards`` for ``dashboards/draw``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support import boards
from support.backends import ROOT


if TYPE_CHECKING:
    from support.told import Told

pytestmark = [pytest.mark.real, pytest.mark.backends]

SHOWN = {
    "dagtrace-dag": ({"dag": "flights"}, {"dag": "deliveries"}),
    "dagtrace-task": ({"dag": "flights", "task": "report"}, {"dag": "many", "task": "a_second"}),
    "dagtrace-spark-application": ({"service": "airflow"}, {"service": "airflow", "application": "short"}),
    "dagtrace-spark-stages": ({"service": "airflow"},),
}
"""What is chosen on boards that are of one thing; the first is what is drawn."""

BOARDS = {board["uid"]: board for board in boards.boards()}


@pytest.mark.parametrize("uid", sorted(BOARDS))
def test_every_panel_has_data(told: Told, uid: str) -> None:
    """
    Each query of each panel finds something, whatever is chosen.

    A panel that says in its description when it is empty may be so for one of the choices, not for all of them. What is
    compared with two weeks before has no past here: it is asked with the present in its place. What is compared with
    what Prometheus has recorded of five runs at least is not asked: the rules' own tests have that.
    """
    board = BOARDS[uid]
    span = boards.Span(told.began, time.time())
    choices = SHOWN.get(uid, ({},))
    found = [boards.answers(board, told.prometheus, told.jaeger, span, chosen) for chosen in choices]
    boards.save(ROOT / ".cache" / "boards", board, found[0], span, {"environment": "All", "job": "All", **choices[0]})
    missing: list[str] = []
    for panel in boards.panels(board):
        for number, target in enumerate(panel["targets"]):
            answers = [one[str(panel["id"])][number] for one in found]
            if USUAL in target.get("expr", ""):
                continue
            print(f"{board['title']:22} {panel['title']:26} {_sizes(answers):16} {target.get('expr', 'Jaeger')[:100]}")
            enough = any if boards.EMPTY in panel["description"] else all
            if not enough(one["result"] for one in answers):
                missing.append(f"{panel['title']}: {answers[0].get('expr', target)}")
    assert missing == []


USUAL = "airflow_dag:success_seconds:mean14d"


def _sizes(answers: list[dict[str, Any]]) -> str:
    return " ".join(str(len(one["result"])) for one in answers)


def test_exemplars_come_with_the_graphs(told: Told) -> None:
    """Each query that asks for exemplars gets some, by the question that Grafana asks with it; each names a trace."""
    asked = 0
    for uid, board in BOARDS.items():
        span = boards.Span(told.began, time.time())
        found = boards.answers(board, told.prometheus, told.jaeger, span, SHOWN.get(uid, ({},))[0])
        for panel in boards.panels(board):
            for target, answer in zip(panel["targets"], found[str(panel["id"])], strict=True):
                if target.get("exemplar"):
                    asked += 1
                    exemplars = told.prometheus.exemplars(answer["expr"], span.start, span.end)
                    assert exemplars, f"{uid}: {panel['title']}"
                    assert all(told.jaeger.trace(one["labels"]["trace_id"]) for one in exemplars[:3]), panel["title"]
    assert asked == 4


def test_numbers_on_the_boards_are_the_databases(told: Told) -> None:
    """The bars of the DAG's board add up to the database's runs and tries, and its table says the same of each task."""
    board = BOARDS["dagtrace-dag"]
    span = boards.Span(told.began, time.time())
    found = boards.answers(board, told.prometheus, told.jaeger, span, {"dag": "flights"})
    ids = {panel["title"]: str(panel["id"]) for panel in boards.panels(board)}
    tries = told.tries("flights")
    for title, truth in (("Runs by state", 2), ("Tries by state", len(tries))):
        (bars,) = found[ids[title]]
        assert sum(float(value) for series in bars["result"] for _, value in series["values"]) == truth, title
    table = found[ids["Tasks"]][0]["result"]
    counts = {row["metric"]["airflow_task_id"]: float(row["value"][1]) for row in table}
    assert counts == {task: sum(row["task_id"] == task for row in tries) for task in {row["task_id"] for row in tries}}


def test_rules_find_their_metrics(told: Told) -> None:
    """Prometheus evaluates every rule without an error; each metric in one is there, or is only there on a bad day."""
    rules = told.prometheus.rules()
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    assert len(rules) > 30
    named = {selector for rule in rules for selector in told.prometheus.selectors(rule["query"])}
    selectors = {selector for selector in named if ":" not in selector.partition("{")[0]}  # not what rules record
    absent = sorted(
        selector for selector in selectors if not told.prometheus.series(selector, told.began, time.time() + 1)
    )
    print("\n".join(absent))
    assert [selector for selector in absent if not _only_when_bad(selector)] == []


ONLY_WHEN_BAD = {
    "airflow_dag_missed_deadlines": "no DAG missed a deadline",
    "dagtrace_errors_total": "dagtrace had no error",
    "dagtrace_spans_lost_total": "no span was lost",
    "dagtrace_spark_records_lost_total": "the listener lost nothing",
    "otelcol_exporter_send_failed": "the collector tells it from the first failure on",
    "otelcol_exporter_enqueue_failed": "the same",
    "otelcol_receiver_refused": "the same",
}
"""Metrics of rules that are not there on a good day, and why."""


def _only_when_bad(selector: str) -> bool:
    return any(selector.startswith(name) for name in ONLY_WHEN_BAD) or 'spark_outcome="failure"' in selector
