"""A thousand tries that end at once: all are told, nothing of it happens on the scheduler's own thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import read
from support.airflow import DAGS, asking, environment, run
from support.audit import audit
from support.metrics import totals
from support.runs import Ran


if TYPE_CHECKING:
    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.matrix]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> tuple[Ran, dict[str, Any]]:
    """Let a real scheduler finish two runs of a thousand tries each; return them, and what its threads did."""
    folder = tmp_path_factory.mktemp("thousand")
    database = postgres.database()
    env = environment(
        folder / "airflow",
        folder / "traces",
        {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "1",
            "PYTHONPATH": str(DAGS.parent),
        },
    )
    run(env, "airflow", "db", "migrate")
    run(env, "airflow", "dags", "reserialize")
    done = run(env, "python", "-m", "support.scheduler", "thousand", "one", "two", "--frames")
    return Ran(folder / "traces", asking(database), env), json.loads(done.stdout.splitlines()[-1])


def test_all_thousand_are_told(ran: tuple[Ran, dict[str, Any]]) -> None:
    """Every try of both runs is told once, as the database has it; nothing was lost on the way."""
    told, _ = ran
    found = audit(told)
    assert (found.runs, found.traces, found.tries) == (2, 2, 2002)
    assert [len(trace.roots[0].children) for trace in read(told.traces)] == [1001, 1001]
    assert totals(told.traces, "dagtrace.spans.lost") == {}


def test_nothing_of_ours_runs_on_the_schedulers_thread(ran: tuple[Ran, dict[str, Any]]) -> None:
    """While it loops, the loop's thread asks us at each run's end whether its span is ours: four calls, no other."""
    _, threads = ran
    # Whenever Airflow imports a module for the first time, our finder is asked whether it is one to patch.
    calls = {name: count for name, count in threads["in_loop"].items() if name != "find_spec"}
    assert calls == {"around_run_span": 2, "wrapper": 2, "_is_the_readers": 2, "kept": 2}
    assert "_stop" in threads["at_its_end"]
    assert threads["loop_cpu"] > 0


def test_memory_goes_with_the_run(ran: tuple[Ran, dict[str, Any]]) -> None:
    """What the reader remembers of open runs is dropped when their roots are told."""
    _, threads = ran
    looks = threads["looks"]
    assert max(look["open"] for look in looks) >= 1
    assert (looks[-1]["open"], looks[-1]["kept"]) == (0, 0)
