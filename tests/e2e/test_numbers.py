"""Metrics add up to Airflow's database, over schedulers and restarts, and say how things stand before anything ends."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.cli.traces import read
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics
from support.airflow import Airflow, dags_in, run, warnings_of_ours
from support.audit import REWRITES
from support.cells import AIRFLOW
from support.explain import plans_of
from support.metrics import Reading, exemplars, readings, totals
from support.runs import Ran


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.matrix]

TASK = (names.AIRFLOW_DAG_ID, names.AIRFLOW_TASK_ID, names.AIRFLOW_TASK_INSTANCE_OPERATOR)
TRY = (*TASK, names.AIRFLOW_TASK_INSTANCE_STATE)
RUN = (names.AIRFLOW_DAG_ID, names.AIRFLOW_DAG_RUN_RUN_TYPE, names.AIRFLOW_DAG_RUN_STATE)

FINAL_TRIES = """
    select h.dag_id, h.task_id, h.operator, h.state, h.try_number, h.start_date, h.end_date, h.queued_dttm
        from task_instance_history h
    union all
    select t.dag_id, t.task_id, t.operator, t.state, t.try_number, t.start_date, t.end_date, t.queued_dttm
        from task_instance t
        where not exists (select from task_instance_history h where (h.dag_id, h.run_id, h.task_id, h.map_index,
            h.try_number) = (t.dag_id, t.run_id, t.task_id, t.map_index, t.try_number))
"""
"""Every try, once."""

QUERIES = """
from datetime import datetime, timezone
from dagtrace.airflow.standings import Standings

standings = Standings(settings.engine)
now = datetime.now(timezone.utc)
dags = [dag.dag_id for dag in standings.dags()]
assert standings.pools() and standings.tags() and standings.assets()
standings.active()
standings.deadlines(now)
assert "never" not in standings.last_successes(dags) and "silent" in standings.last_successes(dags)
assert set(standings.newest_versions(dags)) == set(dags)
assert standings.newest_event() and standings.events(0)
"""

FORGETS = (3,) <= AIRFLOW < (3, 2)
"""Whether Airflow forgets when the next run is expected while one is stuck, and has no data interval to guess by."""

WRITTEN_DOWN = ("dag", "dag_tag", "slot_pool", "asset", "dataset")
"""Tables that have a row for each thing that somebody has written down, and are read whole."""


@dataclass
class Seen:
    """What the metrics said while one run was stuck and nothing had ended since the scheduler began."""

    at: float = 0.0
    levels: dict[str, list[Reading]] = field(default_factory=dict[str, list[Reading]])
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])


LEVELS = (
    metrics.AIRFLOW_DAG_RUN_ACTIVE,
    metrics.AIRFLOW_DAG_RUN_OLDEST_AGE,
    metrics.AIRFLOW_DAG_LAST_SUCCESS,
    metrics.AIRFLOW_DAG_NEXT_EXPECTED,
    metrics.AIRFLOW_DAG_NEXT_DEADLINE,
    metrics.AIRFLOW_DAG_MISSED_DEADLINES,
    metrics.AIRFLOW_DAG_INFO,
    metrics.AIRFLOW_TASK_INSTANCE_ACTIVE,
    metrics.AIRFLOW_TASK_INSTANCE_OLDEST_AGE,
    metrics.AIRFLOW_POOL_SLOTS,
    metrics.AIRFLOW_ASSET_LAST_UPDATE,
)


def look(airflow: Airflow, since: float) -> Seen:
    """Wait until the stuck run shows in metrics of a scheduler that began ``since`` then, late; return all of them."""
    for _ in range(120):
        time.sleep(1)
        active = readings(airflow.traces, metrics.AIRFLOW_TASK_INSTANCE_ACTIVE.name, dag_id="stuck", state="running")
        late = readings(airflow.traces, metrics.AIRFLOW_DAG_NEXT_EXPECTED.name, dag_id="stuck")
        if not active or active[-1].at < since:
            continue
        if FORGETS or (late[-1].at == active[-1].at and late[-1].value < late[-1].at - 5):
            break
    else:
        raise AssertionError("no level says that a run is stuck, and the next one late")
    seen = Seen(active[-1].at)
    for metric in LEVELS:
        every = readings(airflow.traces, metric.name)
        seen.levels[metric.name] = [reading for reading in every if reading.at == seen.at]
    for table in ("dag_run", "task_instance", "dag", "slot_pool"):
        seen.rows[table] = airflow.query(f"select * from {table}")  # noqa: S608 - a name of the line above
    if AIRFLOW >= (3, 1):
        deadlines = "select d.*, r.dag_id from deadline d join dag_run r on r.id = d.dagrun_id"
        seen.rows["deadline"] = airflow.query(deadlines)
    return seen


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[tuple[Ran, Seen]]:
    """
    Let two hundred tries end under two schedulers, one of which is stopped and started again in the middle.

    Before that, a DAG had succeeded under a scheduler that is gone, and the metrics are read while a run is stuck.
    """
    folder = tmp_path_factory.mktemp("numbers")
    dags = dags_in(folder, "counted.py")
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PARALLELISM": "16",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "32",
        "PYTHONPATH": str(dags),
        "NUMBERS_HOME": str(folder),
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
        "DAGTRACE_FLUSH_TIMEOUT": "60",
    }
    with Airflow(folder, postgres.database(), **settings) as airflow:
        airflow.trigger("silent", "once")
        assert airflow.wait("silent", "once") == "success"
        airflow.stop("scheduler")
        began = time.time()
        airflow.start("scheduler")
        run(airflow.env, "airflow", "dags", "unpause", "stuck")
        airflow.start("scheduler-2")
        seen = look(airflow, began)
        airflow.trigger("many", "all")
        wait_until(airflow, "select 1 from task_instance where task_id = 'a_second' and state = 'success' offset 60")
        run(airflow.env, "airflow", "dags", "pause", "stuck")
        (folder / "go").touch()
        airflow.stop("scheduler")
        airflow.start("scheduler")
        assert airflow.wait("many", "all", timeout=400) == "failed"
        wait_until(airflow, "select 1 from dag_run where state in ('queued', 'running')", none=True)
        airflow.stop("scheduler-2")
        airflow.stop("scheduler")
        # Which modules a version's scheduler imports in a circle is no matter of numbers.
        assert [line for line in warnings_of_ours(airflow.log("scheduler")) if "patching" not in line] == []
        yield Ran(airflow.traces, airflow.query, airflow.env), seen


def wait_until(airflow: Airflow, sql: str, *, none: bool = False) -> None:
    """Wait until a question has an answer, or none any more."""
    deadline = time.monotonic() + 240
    while bool(airflow.query(sql)) is none:
        assert time.monotonic() < deadline, sql
        time.sleep(0.5)


@pytest.fixture(scope="module")
def ran(counted: tuple[Ran, Seen]) -> Ran:
    """Return what ran."""
    return counted[0]


@pytest.fixture(scope="module")
def seen(counted: tuple[Ran, Seen]) -> Seen:
    """Return what was seen while a run was stuck."""
    return counted[1]


def nonzero(found: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """Return the series of which something was counted."""
    return {key: value for key, value in found.items() if value}


def seconds(row: Mapping[str, Any], start: str = "start_date", end: str = "end_date") -> float:
    """Return the time between two columns."""
    return (row[end] - row[start]).total_seconds() if row[start] and row[end] else 0.0


def summed(rows: list[dict[str, Any]], by: tuple[str, ...], **columns: str) -> dict[tuple[str, ...], float]:
    """Return the sum of times by columns."""
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for row in rows:
        found[tuple(row[column] for column in by)] += seconds(row, **columns)
    return {key: value for key, value in found.items() if value}


def test_runs_add_up(ran: Ran) -> None:
    """Over four schedulers' lives, runs by DAG, type and state are as many as the database has."""
    rows = ran.query("select dag_id, run_type, state from dag_run where state in ('success', 'failed')")
    wanted = Counter((row["dag_id"], row["run_type"], row["state"]) for row in rows)
    assert wanted["silent", "manual", "success"] == wanted["many", "manual", "failed"] == 1
    assert wanted["stuck", "scheduled", "success"] >= 1
    assert nonzero(totals(ran.traces, metrics.AIRFLOW_DAG_RUN_COUNT.name, *RUN)) == wanted


def test_tries_add_up(ran: Ran) -> None:
    """So are tries by DAG, task, operator and state, two hundred of a second each and their retries among them."""
    columns = ("dag_id", "task_id", "operator", "state")
    rows = ran.query(FINAL_TRIES)
    wanted = Counter(tuple(row[column] for column in columns) for row in rows)
    of_many = {key[1::2]: number for key, number in wanted.items() if key[0] == "many"}
    assert of_many == {
        ("a_second", "success"): 196,
        ("a_second", "failed"): 18,
        ("after", "upstream_failed"): 1,
        ("skips", "skipped"): 1,
    }
    assert nonzero(totals(ran.traces, metrics.AIRFLOW_TASK_INSTANCE_COUNT.name, *TRY)) == wanted
    retried = Counter(tuple(row[column] for column in columns[:3]) for row in rows if row["try_number"] > 1)
    assert sum(retried.values()) == 14
    assert nonzero(totals(ran.traces, metrics.AIRFLOW_TASK_INSTANCE_RETRIES.name, *TASK)) == retried


@pytest.mark.skipif(REWRITES, reason="Airflow 2 writes ends again")
def test_times_add_up(ran: Ran) -> None:
    """Durations, waits in the queue and what failures cost: the same sums as the database has, to the millisecond."""
    tries = ran.query(FINAL_TRIES)
    failed = [row for row in tries if row["state"] == "failed"]
    runs = ran.query("select dag_id, run_type, state, start_date, end_date, run_after from dag_run")
    of_try, of_run = ("dag_id", "task_id", "operator", "state"), ("dag_id", "run_type", "state")
    wanted = {
        (metrics.AIRFLOW_DAG_RUN_DURATION.name, RUN): summed(runs, of_run),
        (metrics.AIRFLOW_DAG_RUN_SCHEDULE_DELAY.name, RUN): summed(runs, of_run, start="run_after", end="start_date"),
        (metrics.AIRFLOW_TASK_INSTANCE_DURATION.name, TRY): summed(tries, of_try),
        (metrics.AIRFLOW_TASK_INSTANCE_QUEUED_DURATION.name, TRY): summed(
            tries, of_try, start="queued_dttm", end="start_date"
        ),
        (metrics.AIRFLOW_TASK_INSTANCE_WASTED_TIME.name, TASK): summed(failed, of_try[:3]),
    }
    for (name, by), sums in wanted.items():
        assert sums, name
        assert nonzero(totals(ran.traces, name, *by)) == pytest.approx(sums, abs=1e-3), name


def test_errors_add_up(ran: Ran) -> None:
    """Each process that failed counts its error: as many as tries that failed, all of one kind at one place."""
    failed = "state = 'failed' and dag_id = 'many'"
    (row,) = ran.query(f"select count(*) as number from ({FINAL_TRIES}) tries where {failed}")  # noqa: S608
    by, many = (names.ERROR_TYPE, names.ERROR_FINGERPRINT), {names.AIRFLOW_DAG_ID: "many"}
    ((key, number),) = totals(ran.traces, metrics.AIRFLOW_TASK_INSTANCE_ERRORS.name, *by, where=many).items()
    assert (key[0], number) == ("ValueError", row["number"])
    spans = [node.span.attributes for trace in read(ran.traces) for node in trace.walk()]
    of_span = Counter(a.get(names.ERROR_FINGERPRINT) for a in spans if a.get(names.ERROR_TYPE) == key[0])
    assert of_span == {key[1]: number}


def test_numbers_lead_to_spans(ran: Ran) -> None:
    """Each exemplar is a span that was told: of the run, the try or the process that its point is about."""
    nodes = [node.span for trace in read(ran.traces) for node in trace.walk()]
    spans = {(span.trace_id, span.span_id): span for span in nodes}
    for metric, kind, subject in (
        (metrics.AIRFLOW_DAG_RUN_COUNT, "dag_run", names.AIRFLOW_DAG_ID),
        (metrics.AIRFLOW_DAG_RUN_DURATION, "dag_run", names.AIRFLOW_DAG_ID),
        (metrics.AIRFLOW_TASK_INSTANCE_DURATION, "task_instance", names.AIRFLOW_TASK_ID),
        (metrics.AIRFLOW_TASK_INSTANCE_WASTED_TIME, "task_instance", names.AIRFLOW_TASK_ID),
        (metrics.AIRFLOW_TASK_INSTANCE_ERRORS, "execute", names.ERROR_FINGERPRINT),
        (metrics.AIRFLOW_CRITICAL_PATH_TIME, "dag_run", names.AIRFLOW_DAG_ID),
    ):
        found = exemplars(ran.traces, metric.name)
        assert found, metric.name
        for labels, ids in found:
            assert spans[ids].name.split(" ")[0] == kind
            assert spans[ids].attributes[subject] == labels[subject]


def test_paths_add_up(ran: Ran) -> None:
    """What decided when runs ended, by task, and the waits between are all the seconds that the runs took."""
    runs = ran.query("select dag_id, start_date, end_date from dag_run where end_date is not null")
    by = (names.AIRFLOW_DAG_ID,)
    working = totals(ran.traces, metrics.AIRFLOW_CRITICAL_PATH_TIME.name, *by)
    waiting = totals(ran.traces, metrics.AIRFLOW_CRITICAL_PATH_WAITING_TIME.name, *by)
    both = {key: working.get(key, 0) + seconds for key, seconds in waiting.items()}
    assert nonzero(both) == pytest.approx(summed(runs, ("dag_id",)), rel=0.01)
    tasks = ran.query(f"select distinct dag_id, task_id from ({FINAL_TRIES}) tries")  # noqa: S608
    known = {(row["dag_id"], row["task_id"]) for row in tasks}
    by_task = totals(ran.traces, metrics.AIRFLOW_CRITICAL_PATH_TIME.name, *by, names.AIRFLOW_TASK_ID)
    assert nonzero(by_task).keys() <= known
    for metric in (metrics.AIRFLOW_CRITICAL_PATH_TIME, metrics.AIRFLOW_CRITICAL_PATH_WAITING_TIME):
        assert {reading.value for reading in readings(ran.traces, metric.name, dag_id="never")} == {0}


def test_asset_updates_add_up(ran: Ran) -> None:
    """Updates of an asset are counted once each, and the last one is said."""
    table = "asset_event" if AIRFLOW >= (3,) else "dataset_event"
    (row,) = ran.query(f"select count(*) as number, max(timestamp) as last from {table}")  # noqa: S608
    (found,) = totals(ran.traces, metrics.AIRFLOW_ASSET_UPDATE_COUNT.name, names.AIRFLOW_ASSET_NAME).items()
    assert found == (("file://numbers/silent",), row["number"])
    last = readings(ran.traces, metrics.AIRFLOW_ASSET_LAST_UPDATE.name)[-1]
    assert last.value == pytest.approx(row["last"].timestamp(), abs=1e-3)


def test_counters_begin_at_zero(ran: Ran) -> None:
    """What never ran has counters; and the first value of a failure's in each process is 0, so its growth is seen."""
    for state in ("success", "failed"):
        for metric, about in (
            (metrics.AIRFLOW_DAG_RUN_COUNT, {"run_type": "manual"}),
            (metrics.AIRFLOW_TASK_INSTANCE_COUNT, {"task_id": "runs", "operator": "_PythonDecoratedOperator"}),
        ):
            never = readings(ran.traces, metric.name, dag_id="never", state=state, **about)
            assert never, (metric, state)
            assert {reading.value for reading in never} == {0}
    first: dict[str, float] = {}
    for reading in readings(
        ran.traces, metrics.AIRFLOW_TASK_INSTANCE_COUNT.name, dag_id="many", task_id="a_second", state="failed"
    ):
        first.setdefault(reading.process, reading.value)
    assert set(first.values()) == {0}


def test_a_stuck_run_is_seen(seen: Seen) -> None:
    """A run that is under way, and its try, are counted as such and have the age that the database says."""
    (row,) = (row for row in seen.rows["dag_run"] if row["dag_id"] == "stuck" and row["state"] == "running")
    (task,) = (t for t in seen.rows["task_instance"] if t["run_id"] == row["run_id"] and t["state"] == "running")
    for kind, start in (("DAG_RUN", row["start_date"]), ("TASK_INSTANCE", task["start_date"])):
        active = seen.levels[getattr(metrics, f"AIRFLOW_{kind}_ACTIVE").name]
        assert [r.value for r in active if r.labels["dag_id"] == "stuck" and r.labels["state"] == "running"] == [1]
        (age,) = (
            reading.value
            for reading in seen.levels[getattr(metrics, f"AIRFLOW_{kind}_OLDEST_AGE").name]
            if reading.labels["dag_id"] == "stuck" and reading.labels["state"] == "running"
        )
        # It was read 15 s before it was exported, or later.
        assert seen.at - start.timestamp() - 17 <= age <= seen.at - start.timestamp()


@pytest.mark.skipif(FORGETS, reason="forgets it while a run is stuck")
def test_a_late_run_is_seen(seen: Seen) -> None:
    """The next run, which cannot start, was expected before now: at the moment that the timetable says."""
    (late,) = (r for r in seen.levels[metrics.AIRFLOW_DAG_NEXT_EXPECTED.name] if r.labels["dag_id"] == "stuck")
    assert late.value < seen.at
    (row,) = (row for row in seen.rows["dag"] if row["dag_id"] == "stuck")
    expected = row["next_dagrun_create_after"] or row["next_dagrun_data_interval_end"] + timedelta(seconds=20)
    assert late.value == pytest.approx(expected.timestamp(), abs=1e-3)


def test_a_silent_dag_is_seen(seen: Seen) -> None:
    """The last success is said of a DAG none of whose runs ended in this scheduler's life, and of no other."""
    found = {r.labels["dag_id"]: r.value for r in seen.levels[metrics.AIRFLOW_DAG_LAST_SUCCESS.name]}
    wanted: dict[str, float] = {}
    for row in seen.rows["dag_run"]:
        if row["state"] == "success":
            wanted[row["dag_id"]] = max(wanted.get(row["dag_id"], 0), row["end_date"].timestamp())
    assert "silent" in wanted
    assert found == pytest.approx(wanted, abs=1e-3)


def test_pools_are_seen(seen: Seen) -> None:
    """The stuck try holds a slot, the others are open."""
    (pool,) = seen.rows["slot_pool"]
    assert {r.labels["slot_state"]: r.value for r in seen.levels[metrics.AIRFLOW_POOL_SLOTS.name]} == {
        "open": pool["slots"] - 1,
        "running": 1,
        "queued": 0,
        "scheduled": 0,
    }


def test_dags_are_described(seen: Seen) -> None:
    """Owner, tags, team and schedule are there to join others with."""
    info = {r.labels["dag_id"]: r for r in seen.levels[metrics.AIRFLOW_DAG_INFO.name]}
    assert info.keys() == {"many", "stuck", "silent", "never"}
    assert {reading.value for reading in info.values()} == {1}
    about = info["stuck"].labels
    assert (about["owners"], about["tag_list"], about["team"]) == ("tests", ",harbour,team:sea,", "sea")
    assert about["schedule"] == "0:00:20"
    assert about["paused"] == "False"


@pytest.mark.skipif(AIRFLOW < (3, 1), reason="has no deadlines")
def test_deadlines_are_seen(seen: Seen) -> None:
    """The deadline ahead is the database's, and one that was missed is counted."""
    (ahead,) = (row for row in seen.rows["deadline"] if row["dag_id"] == "stuck")
    (found,) = seen.levels[metrics.AIRFLOW_DAG_NEXT_DEADLINE.name]
    assert (found.labels["dag_id"], found.value) == (
        "stuck",
        pytest.approx(ahead["deadline_time"].timestamp(), abs=1e-3),
    )
    missed = {r.labels["dag_id"]: r.value for r in seen.levels[metrics.AIRFLOW_DAG_MISSED_DEADLINES.name]}
    assert missed == {"silent": 1}


def test_one_scheduler_shows_levels(ran: Ran) -> None:
    """Of several schedulers one at a time says how things stand, and one that lost the lead says it no longer."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for reading in readings(ran.traces, metrics.AIRFLOW_POOL_SLOTS.name, slot_state="open"):
        times[reading.process].append(reading.at)
    spans = sorted((at[0], at[-1]) for at in times.values())
    assert len(spans) >= 3
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_the_questions_use_indexes(ran: Ran) -> None:
    """Nothing that grows with time is read whole: with sequential scans discouraged, PostgreSQL plans none of it."""
    plans = plans_of(QUERIES, ran.env)
    assert len(plans) >= 9
    scans = [line for plan in plans.values() for line in plan if "Seq Scan" in line]
    assert [line for line in scans if not any(f" on {table} " in line for table in WRITTEN_DOWN)] == []
