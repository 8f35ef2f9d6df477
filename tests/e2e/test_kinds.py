"""Every kind of task and of run, under a real scheduler and triggerer: its trace says what the database says."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from dagtrace.semconv import attributes as names
from support import runtime
from support.airflow import Airflow, dags_in, run, warnings_of_ours
from support.api import ALL_ADMINS, Api
from support.audit import audit
from support.cells import AIRFLOW, EXCEPTIONS
from support.runs import Ran


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.cli.traces import Node
    from support.postgres import Postgres

pytestmark = [pytest.mark.matrix, pytest.mark.real]


def since(*version: int) -> pytest.MarkDecorator:
    """Mark a test of a kind that came with a version of Airflow."""
    return pytest.mark.skipif(version > AIRFLOW, reason=f"came with Airflow {'.'.join(map(str, version))}")


FILES = ["kinds.py", "small.py", *(f"kinds{n}.py" for n in (30, 31, 33) if (n // 10, n % 10) <= AIRFLOW)]

AT_ONCE = [
    *("groups", "rules", "subprocesses", "starts_others", "produces"),
    *(["conditions"] if AIRFLOW >= (3,) else []),
    *(["humans"] if AIRFLOW >= (3, 1) else []),
    *(["newer", "other_runtime", "produces_partitions"] if AIRFLOW >= (3, 3) else []),
]
IN_PEACE = ["waits", "trigger_only"]
"""
Triggered when the others are done.

Airflow fails a task that is resumed before its scheduler has heard from the executor that the process is gone
("reported that the task instance finished with state success, but …"); one with much to do hears that late.
"""

TRIGGERED = (*AT_ONCE, *IN_PEACE)
FOLLOWING = {
    "started": 3,
    "fails": 1,
    "consumes": 1,
    "consumes_alias": 1,
    "daily": 4,  # one scheduled, three of a backfill
    **({"watches": 1} if AIRFLOW >= (3, 1) else {}),
    **({"consumes_partitions": 2} if AIRFLOW >= (3, 3) else {}),
}
"""Runs that nobody triggers by hand, by DAG."""

FINISHED = "select 1 from dag_run where dag_id = %s and state in ('success', 'failed')"

TEST = """
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

dags = DagBag().dags
dags["tested"].test()
""" + ('dags["small"].test(use_executor=True)' if AIRFLOW >= (3, 1) else "")


def until(true: Callable[[], Any], what: str, timeout: float = 300) -> None:
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout} s"
        time.sleep(0.5)


def answer(airflow: Airflow, api: Api, task_id: str, option: str) -> None:
    """Answer a task that waits for a human, as one does in the UI."""
    waiting = "select 1 from task_instance where task_id = %s and state in ('awaiting_input', 'deferred')"
    until(lambda: airflow.query(waiting, task_id), f"the question of {task_id}")
    api.patch(f"dags/humans/dagRuns/one/taskInstances/{task_id}/-1/hitlDetails", chosen_options=[option])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Ran:
    """Make all the runs at once and wait for their ends."""
    folder = tmp_path_factory.mktemp("kinds")
    dags = dags_in(folder, *FILES)
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "KINDS_HOME": str(folder),
        "PYTHONPATH": str(dags),  # a trigger's class is imported by its name
        # What a machine does that is too busy is not the question here.
        "DAGTRACE_FLUSH_TIMEOUT": "30",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        **ALL_ADMINS,
        **runtime.settings(folder / "bundles", ["other_runtime"]),
    }
    with Airflow(folder, postgres.database(), **settings) as airflow:
        airflow.start("triggerer")
        api = Api(airflow)
        for dag_id in AT_ONCE:
            api.trigger(dag_id, "one")
        api.patch("dags/daily", is_paused=False)
        if AIRFLOW >= (3,):
            dates = ("--from-date", "2026-01-01", "--to-date", "2026-01-03")
            again = ("--reprocess-behavior", "failed")  # asked for wherever a task depends on its past
            run(airflow.env, "airflow", "backfill", "create", "--dag-id", "daily", *dates, *again)
        else:
            run(airflow.env, "airflow", "dags", "backfill", "-s", "2026-01-01", "-e", "2026-01-03", "daily")
        (folder / "flag").touch()
        for dag_id in AT_ONCE:
            if dag_id != "humans":
                airflow.wait(dag_id, "one", 600)
        for dag_id, count in FOLLOWING.items():
            until(lambda d=dag_id, n=count: len(airflow.query(FINISHED, d)) >= n, f"{count} runs of {dag_id}")
        for dag_id in IN_PEACE:
            api.trigger(dag_id, "one")
        if "humans" in AT_ONCE:
            answer(airflow, api, "asks", "that")  # not before, for the same reason
            answer(airflow, api, "is_rejected", "Reject")
            airflow.wait("humans", "one", 600)
        for dag_id in IN_PEACE:
            airflow.wait(dag_id, "one", 600)
        airflow.stop("scheduler")
        airflow.stop("triggerer")
        run(airflow.env, "python", "-c", TEST)  # without a scheduler, which would take its tasks away
    assert warnings_of_ours(airflow.log("scheduler") + airflow.log("triggerer")) == []
    return Ran(airflow.traces, airflow.query, airflow.env)


def root_of(ran: Ran, dag_id: str, run_id: str = "one") -> Node:
    """Return the root of a run's only trace."""
    (root,) = ran.trace(dag_id, run_id).roots
    return root


def tries(ran: Ran, dag_id: str, task_id: str, run_id: str = "one") -> list[Node]:
    """Return the tries of a task, by map index and number."""
    found = [n for n in root_of(ran, dag_id, run_id).children if n.span.attributes[names.AIRFLOW_TASK_ID] == task_id]
    by = (names.AIRFLOW_TASK_INSTANCE_MAP_INDEX, names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER)
    return sorted(found, key=lambda node: [int(str(node.span.attributes[name])) for name in by])


def one(ran: Ran, dag_id: str, task_id: str) -> Node:
    """Return the only try of a task."""
    (found,) = tries(ran, dag_id, task_id)
    return found


def below(node: Node) -> list[str]:
    """Return the names of a span's children."""
    return [child.span.name for child in node.children]


def told(node: Node) -> list[tuple[str, Any]]:
    """Return name and error type of a span's children."""
    return [(child.span.name, child.span.attributes.get(names.ERROR_TYPE)) for child in node.children]


def state(node: Node) -> Any:
    """Return the state a try ended in."""
    return node.span.attributes[names.AIRFLOW_TASK_INSTANCE_STATE]


def test_every_run_and_try_is_as_the_database_has_it(ran: Ran) -> None:
    """Whatever made a run and whatever a task is: all are told once, field by field and in sum."""
    found = audit(ran, *TRIGGERED, *FOLLOWING)
    assert found.runs == found.traces == len(TRIGGERED) + sum(FOLLOWING.values())
    assert found.tries > 50


@pytest.mark.parametrize(
    ("task_id", "group"),
    [
        ("outer.inner.one", "outer.inner"),
        ("without_prefix", "outer.plain"),
        ("branches.cut_off", "branches"),
        ("doubled_and_checked.picky", "doubled_and_checked"),
        ("named", None),
    ],
)
def test_a_try_names_its_task_group(ran: Ran, task_id: str, group: str | None) -> None:
    """Nested, mapped, or without a prefix: the group is the one the serialized DAG has the task in."""
    found = [node.span.attributes.get(names.AIRFLOW_TASK_GROUP_ID) for node in tries(ran, "groups", task_id)]
    assert set(found) == {group}


def test_mapped_tasks_and_groups(ran: Ran) -> None:
    """Each instance is a try of its own, also within a mapped group; a mapping of nothing is one skipped try."""
    named = tries(ran, "groups", "named")
    rendered = [node.span.attributes[names.AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX] for node in named]
    assert rendered == ["number 5", "number 6"]
    assert [state(node) for node in tries(ran, "groups", "doubled_and_checked.picky")] == ["success", "failed"]
    empty = one(ran, "groups", "none")
    assert (state(empty), empty.span.error, below(empty)) == ("skipped", None, [])


def test_branches_and_short_circuits_in_a_group(ran: Ran) -> None:
    """What was not chosen or cut off is told, and no error."""
    skipped = [n for n in root_of(ran, "groups").children if state(n) == "skipped"]
    assert {n.span.attributes[names.AIRFLOW_TASK_ID] for n in skipped} == {
        "none",
        *(f"branches.{name}" for name in ("not_chosen", "cut_off", "cut_off_too", "of_no_branch")),
    }
    assert [n.span.error for n in skipped] == [None] * len(skipped)


@pytest.mark.parametrize(("task_id", "executions"), [("pokes", 1), ("reschedules", 3), ("gives_up", 1)])
def test_a_sensor_is_one_try_with_an_execution_for_each_process(ran: Ran, task_id: str, executions: int) -> None:
    """In place a sensor is one execution, rescheduled one for each poke: what lies between them is waiting."""
    task = one(ran, "waits", task_id)
    assert told(task) == [("execute DecoratedSensorOperator", None)] * executions
    assert state(task) == ("skipped" if task_id == "gives_up" else "success")


def test_deferrals(ran: Ran) -> None:
    """A deferral is an execution before and one after its trigger: once, twice, or in each instance of a mapping."""
    step = ["execute Defers", "trigger DateTimeTrigger"]
    assert below(one(ran, "waits", "defers")) == [*step, "execute Defers"]
    assert below(one(ran, "waits", "defers_twice")) == [*step, *step, "execute Defers"]
    assert [below(node) for node in tries(ran, "waits", "defers_mapped")] == [[*step, "execute Defers"]] * 2


def test_a_trigger_that_takes_too_long_or_fails(ran: Ran) -> None:
    """The trigger's span says that its time was up, or which exception it raised, without the password in it."""
    error = f"{EXCEPTIONS}.TaskDeferral"
    first, *trigger, last = told(one(ran, "waits", "defers_too_long"))
    assert first == ("execute Defers", None)
    assert last == ("execute Defers", f"{error}{'Timeout' if AIRFLOW >= (3,) else 'Error'}")
    # The triggerer of 3.0 may be stopped here before it has cancelled what nobody waits for any more: seen both.
    assert trigger == [("trigger DateTimeTrigger", "timeout")] or (AIRFLOW[:2] == (3, 0) and trigger == [])
    failed = one(ran, "waits", "trigger_fails")
    assert told(failed) == [
        ("execute Defers", None),
        ("trigger FailingTrigger", "ConnectionError"),
        ("execute Defers", f"{error}Error"),
    ]
    assert "hunter2" not in str(failed.children[1].span)


def test_tasks_that_start_or_end_in_the_triggerer(ran: Ran) -> None:
    """Without a worker's process there is no execution; the trigger is told all the same, below its try."""
    letters = {"t": "trigger DateTimeTrigger", "e": "execute DateTimeSensorAsync"}
    expected = {  # what each version makes of the two flags
        (3, 3): ("te", "et", "t"),
        (3, 1): ("ete", "et", "et"),
        (3, 0): ("t", "et", "t"),
        (2, 11): ("t", "ete", "t"),  # its operator, of the standard provider, says "end there" to Airflow 3 only
        (2, 10): ("t", "et", "t"),
    }
    of_this = next(expected[version] for version in expected if version <= AIRFLOW)
    found = [below(one(ran, "trigger_only", task_id)) for task_id in ("starts_there", "ends_there", "never_here")]
    assert found == [[letters[letter] for letter in steps] for steps in of_this]


@since(3, 1)
def test_humans_in_the_loop(ran: Ran) -> None:
    """A question is an execution that asks and one that takes the answer, or the default; nobody's is an error."""
    waiting = [] if AIRFLOW >= (3, 3) else [("trigger HITLTrigger", None)]  # a state of its own now, a deferral before
    asked = [("execute HITLOperator", None), *waiting]
    assert told(one(ran, "humans", "asks")) == [*asked, ("execute HITLOperator", None)]
    assert told(one(ran, "humans", "asks_in_vain")) == [*asked, ("execute HITLOperator", None)]
    error = "airflow.providers.standard.exceptions.HITLTimeoutError"
    assert told(one(ran, "humans", "gives_up")) == [*asked, ("execute HITLOperator", error)]
    approval = [("execute ApprovalOperator", None)]
    assert told(one(ran, "humans", "is_rejected")) == [*approval, *waiting, *approval]
    assert state(one(ran, "humans", "after")) == "skipped"


def test_setup_teardown_and_trigger_rules(ran: Ran) -> None:
    """Each rule's outcome is told as it was; only what failed is an error; each try of a slower and slower retry."""
    found = {n.span.name.partition(" ")[2]: state(n) for n in root_of(ran, "rules").children if n.children == []}
    assert found == {"upstream_failed": "upstream_failed"}
    for task_id in ("sets_up", "tears_down", "one_failed", "all_done", "one_success"):
        assert state(one(ran, "rules", task_id)) == "success"
    assert told(one(ran, "rules", "fails_to_tear_down")) == [("execute _PythonDecoratedOperator", "ValueError")]
    assert [state(node) for node in tries(ran, "rules", "flaky")] == ["failed", "failed", "success"]


def test_code_in_processes_of_its_own(ran: Ran) -> None:
    """Another interpreter, a virtual environment and a shell are one execution each, of the operator that ran them."""
    for task_id, operator in (
        ("elsewhere", "_PythonExternalDecoratedOperator"),
        ("in_an_environment", "_PythonVirtualenvDecoratedOperator"),
        ("in_a_shell", "BashOperator"),
        ("shell_skips", "BashOperator"),
    ):
        assert told(one(ran, "subprocesses", task_id)) == [(f"execute {operator}", None)]
    failed = [("execute BashOperator", f"{EXCEPTIONS}.AirflowException")]
    assert told(one(ran, "subprocesses", "shell_fails")) == failed


def test_waiting_for_a_triggered_run_is_work(ran: Ran) -> None:
    """The process that triggers a run and waits for it is at work until that run ends; deferred, its trigger is."""
    waits, defers = one(ran, "starts_others", "waits"), one(ran, "starts_others", "defers")
    assert told(waits) == told(one(ran, "starts_others", "lets_go")) == [("execute TriggerDagRunOperator", None)]
    assert waits.children[0].span.end_ns > root_of(ran, "started", "of_waits").span.end_ns
    assert below(defers) == [
        "execute TriggerDagRunOperator",
        "trigger DagStateTrigger",
        "execute TriggerDagRunOperator",
    ]
    failed = "failed" if AIRFLOW >= (3,) else "airflow.exceptions.AirflowException"
    assert told(one(ran, "starts_others", "waits_in_vain")) == [("execute TriggerDagRunOperator", failed)]


@since(3, 3)
def test_run_types(ran: Ran) -> None:
    """A run says what made it: a hand, an operator, an asset, the clock or a backfill."""
    by = (names.AIRFLOW_DAG_ID, names.AIRFLOW_DAG_RUN_RUN_TYPE, names.AIRFLOW_DAG_RUN_TRIGGERED_BY)
    roots = [root.span.attributes for trace in ran.read() for root in trace.roots]
    found = Counter(tuple(root[name] for name in by) for root in roots if root[by[0]] in FOLLOWING)
    assert found == {
        ("started", "operator_triggered", "operator"): 3,
        ("fails", "operator_triggered", "operator"): 1,
        ("consumes", "asset_triggered", "asset"): 1,
        ("consumes_alias", "asset_triggered", "asset"): 1,
        ("consumes_partitions", "asset_triggered", "asset"): 2,
        ("watches", "asset_triggered", "asset"): 1,
        ("daily", "scheduled", "timetable"): 1,
        ("daily", "backfill", "backfill"): 3,
    }


@since(3, 3)
def test_a_partitioned_run_names_its_partition(ran: Ran) -> None:
    """The run for a partition of an asset has the partition's key, as the database has it."""
    rows = ran.query("select partition_key from dag_run where dag_id = 'consumes_partitions'")
    roots = [root.span.attributes for trace in ran.read() for root in trace.roots]
    found = [
        str(root[names.AIRFLOW_DAG_RUN_PARTITION_KEY]) for root in roots if names.AIRFLOW_DAG_RUN_PARTITION_KEY in root
    ]
    assert sorted(found) == sorted(row["partition_key"] for row in rows) == ["eu", "us"]


@since(3, 3)
def test_a_resumed_job(ran: Ran) -> None:
    """A try that was killed and the one that took up its job: an execution each, and the second names the job."""
    first, second = tries(ran, "newer", "resumes")
    assert told(first) == [("execute RunsJob", "SIGKILL")]
    assert told(second) == [("execute RunsJob", None)]
    assert [link.span_id for link in second.span.links] == [first.span.span_id]
    attributes = second.children[0].span.attributes
    assert attributes[names.RESUMABLE_DECISION] == "reconnect"
    assert attributes[names.RESUMABLE_EXTERNAL_ID] == "job-of-try-1"


@since(3)
def test_conditions(ran: Ran) -> None:
    """What a condition skips never executes; before Airflow 3.3 conditions and hooks are part of what we wrap."""
    skipped = one(ran, "conditions", "is_not_run")
    assert (state(skipped), skipped.span.error) == ("skipped", None)
    assert told(skipped) == ([] if AIRFLOW >= (3, 3) else [("execute _PythonDecoratedOperator", None)])
    assert state(one(ran, "conditions", "is_run")) == "success"


@since(3, 3)
def test_policies_and_coroutines(ran: Ran) -> None:
    """A retry policy's tries are told; a coroutine's spans are its task's."""
    policy = [told(node)[0][1] for node in tries(ran, "newer", "has_a_policy")]
    assert policy == ["ValueError", "KeyError"]
    (execute,) = one(ran, "newer", "is_a_coroutine").children
    assert below(execute) == ["user work"]
    assert execute.span.attributes["user.rows"] == 7


@since(3, 3)
def test_tasks_of_another_runtime(ran: Ran) -> None:
    """Their supervisor tells the execution: succeeded, reported as failed, killed, ended with an exit code."""
    execute = "execute ExecutableCoordinator"
    assert told(one(ran, "other_runtime", "succeeds")) == [(execute, None)]
    assert told(one(ran, "other_runtime", "fails")) == [(execute, "failed")]
    assert told(one(ran, "other_runtime", "is_killed")) == [(execute, "SIGKILL")]
    assert [told(node) for node in tries(ran, "other_runtime", "exits_once")] == [
        [(execute, "exit code 3")],
        [(execute, None)],
    ]
    assert told(one(ran, "other_runtime", "in_python")) == [("execute _PythonDecoratedOperator", None)]


def test_a_dag_that_is_tested(ran: Ran) -> None:
    """In ``dag.test()`` one process is scheduler, worker and triggerer: the same spans, each once."""
    found = audit(ran, "tested", by_clock=True)
    assert (found.runs, found.tries) == (1, 7 if AIRFLOW >= (3,) else 6)
    (run_id,) = (row["run_id"] for row in ran.query("select run_id from dag_run where dag_id = 'tested'"))
    (defers,) = tries(ran, "tested", "defers", run_id)
    assert state(defers) == "success"
    # Airflow 3 serializes a trigger first, and this one writes itself down as another.
    trigger = "trigger DateTimeTrigger" if AIRFLOW >= (3,) else "trigger TimeDeltaTrigger"
    assert below(defers) == ["execute Defers", trigger, "execute Defers"]
    for failed in tries(ran, "tested", "trigger_fails", run_id):
        assert told(failed) == [("execute Defers", None), ("trigger FailingTrigger", "ConnectionError")]
    (poked,) = tries(ran, "tested", "reschedules", run_id)
    assert below(poked) == ["execute DecoratedSensorOperator"] * 2


@since(3, 1)
def test_a_dag_that_is_tested_with_an_executor(ran: Ran) -> None:
    """``dag.test(use_executor=True)`` has its tasks run by the executor's processes: they find the same trace."""
    found = audit(ran, "small", by_clock=True)
    assert (found.runs, found.tries) == (1, 9)
    (run_id,) = (row["run_id"] for row in ran.query("select run_id from dag_run where dag_id = 'small'"))
    executed = [len(node.children) for node in root_of(ran, "small", run_id).children]
    assert sum(executed) == 8
