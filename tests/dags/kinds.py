"""The kinds of tasks and of runs that every Airflow under test has; each DAG is one family."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.triggers.base import BaseTrigger, TriggerEvent
from versions import (
    AIRFLOW,
    Asset,
    AssetAlias,
    BaseOperator,
    BashOperator,
    DateTimeSensorAsync,
    PokeReturnValue,
    TimeDeltaTrigger,
    TriggerDagRunOperator,
    dag,
    setup,
    task,
    task_group,
    teardown,
)


LONG_AGO = datetime(2024, 1, 1, tzinfo=timezone.utc)


@task
def one():
    return 1


@task
def double(number: int) -> int:
    return number * 2


@task
def picky(number: int) -> int:
    if number == 4:
        raise ValueError("not this one")
    return number


@task
def total(numbers) -> int:
    return sum(numbers)


@task
def nothing() -> list[int]:
    return []


# --- mapped tasks, groups, branches -----------------------------------------------------------------------------------


@task_group
def doubled_and_checked(number: int):
    return picky(double(number))


@task_group
def outer():
    @task_group
    def inner():
        one()

    @task_group(prefix_group_id=False)
    def plain():
        one.override(task_id="without_prefix")()

    inner() >> plain()


@task_group
def branches():
    @task.branch
    def chooses() -> str:
        return "branches.chosen"

    @task.short_circuit
    def stops() -> bool:
        return False

    @task.branch
    def chooses_none():
        return None

    chooses() >> [one.override(task_id="chosen")(), one.override(task_id="not_chosen")()]
    stops() >> one.override(task_id="cut_off")() >> one.override(task_id="cut_off_too")()
    chooses_none() >> one.override(task_id="of_no_branch")()


@dag(schedule=None, tags=["test"])
def groups():
    outer() >> branches()
    double.override(task_id="named", map_index_template="number {{ task.op_kwargs['number'] }}").expand(number=[5, 6])
    doubled_and_checked.expand(number=[1, 2])
    after = total.override(task_id="of_nothing", trigger_rule="all_done")(
        double.override(task_id="none").expand(number=nothing())
    )
    after >> one.override(task_id="at_the_end")()


groups()


# --- waiting ----------------------------------------------------------------------------------------------------------


def poked_enough(name: str, run_id: str, wanted: int) -> PokeReturnValue:
    """Count the pokes in a file, since the next poke of a rescheduled sensor is in another process."""
    seen = Path(os.environ["KINDS_HOME"]) / f"{name}-{run_id}"
    with seen.open("a") as file:
        file.write("x")
    return PokeReturnValue(is_done=seen.stat().st_size >= wanted)


SOON = 5
"""Seconds: long enough for a scheduler to hear that the process of a deferred task is gone (see ``test_kinds``)."""


class FailingTrigger(BaseTrigger):
    """Raises, as one does whose service is gone."""

    def serialize(self):
        return "kinds.FailingTrigger", {}

    async def run(self):
        await asyncio.sleep(SOON)
        raise ConnectionError("postgresql://reader:hunter2@db.example is gone")
        yield TriggerEvent(None)


class Defers(BaseOperator):
    """Waits in the triggerer as often as ``seconds`` says."""

    def __init__(self, *, seconds=(SOON,), timeout=None, trigger=None, **kwargs):
        super().__init__(**kwargs)
        self.seconds = seconds
        self.timeout = timeout
        self.trigger = trigger

    def execute(self, context):
        self._next(0)

    def _next(self, done):
        self.defer(
            trigger=self.trigger or TimeDeltaTrigger(timedelta(seconds=self.seconds[done])),
            timeout=self.timeout,
            method_name="resume",
            kwargs={"done": done + 1},
        )

    def resume(self, context, done=1, event=None):  # `dag.test()` of Airflow 3.3.2 loses what was to be handed over
        if done < len(self.seconds):
            self._next(done)


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def waits():
    @task.sensor(poke_interval=0.5, mode="poke", timeout=60)
    def pokes(run_id=None) -> PokeReturnValue:
        return poked_enough("pokes", run_id, 3)

    @task.sensor(poke_interval=5, mode="reschedule", timeout=600)
    def reschedules(run_id=None) -> PokeReturnValue:
        return poked_enough("reschedules", run_id, 3)

    @task.sensor(poke_interval=0.5, mode="poke", timeout=1, soft_fail=True)
    def gives_up() -> bool:
        return False

    pokes()
    reschedules()
    gives_up()
    Defers(task_id="defers")
    Defers(task_id="defers_twice", seconds=(SOON, SOON))
    Defers.partial(task_id="defers_mapped").expand(seconds=[(SOON,), (SOON + 1,)])
    Defers(task_id="defers_too_long", seconds=(600,), timeout=timedelta(seconds=SOON))
    Defers(task_id="trigger_fails", trigger=FailingTrigger())


waits()


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def trigger_only():
    DateTimeSensorAsync(task_id="starts_there", target_time=LONG_AGO, start_from_trigger=True)
    DateTimeSensorAsync(task_id="ends_there", target_time=LONG_AGO, end_from_trigger=True)
    DateTimeSensorAsync(task_id="never_here", target_time=LONG_AGO, start_from_trigger=True, end_from_trigger=True)


trigger_only()


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def tested():
    """For ``dag.test()``, which runs triggers itself."""

    @task.sensor(poke_interval=1, mode="reschedule", timeout=600)
    def reschedules(run_id=None) -> PokeReturnValue:
        return poked_enough("tested", run_id, 2)

    reschedules() >> doubled_and_checked.expand(number=[1, 2])
    Defers(task_id="defers")
    if AIRFLOW >= (3, 0):  # Airflow 2 never ends this one
        Defers(task_id="trigger_fails", trigger=FailingTrigger())


tested()


# --- rules ------------------------------------------------------------------------------------------------------------


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def rules():
    @setup
    def sets_up():
        pass

    @teardown
    def tears_down():
        pass

    @task
    def works():
        raise ValueError("the work fails")

    @task(retries=2, retry_delay=timedelta(milliseconds=100), retry_exponential_backoff=True)
    def flaky(ti=None):
        if ti.try_number < 3:
            raise ValueError("not yet")

    @teardown(on_failure_fail_dagrun=False)
    def fails_to_tear_down():
        raise ValueError("nothing to tear down")

    begin, end, work = sets_up(), tears_down(), works()
    begin >> work >> end
    begin >> end
    work >> one.override(task_id="upstream_failed")()
    work >> one.override(task_id="one_failed", trigger_rule="one_failed")()
    work >> one.override(task_id="all_done", trigger_rule="all_done")()
    flaky() >> one.override(task_id="one_success", trigger_rule="one_success")() >> fails_to_tear_down()


rules()


# --- processes of their own -------------------------------------------------------------------------------------------


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def subprocesses():
    @task.external_python(python=sys.executable, expect_airflow=False)
    def elsewhere():
        return 1

    @task.virtualenv(requirements=[], system_site_packages=False)
    def in_an_environment():
        return 2

    elsewhere()
    in_an_environment()
    BashOperator(task_id="in_a_shell", bash_command="true")
    BashOperator(task_id="shell_skips", bash_command="exit 99")
    BashOperator(task_id="shell_fails", bash_command="exit 2")


subprocesses()


# --- runs that start runs ---------------------------------------------------------------------------------------------


@dag(schedule=None, tags=["test"])
def started():
    one()


started()


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def fails():
    picky(4)


fails()


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def starts_others():
    TriggerDagRunOperator(task_id="lets_go", trigger_dag_id="started", trigger_run_id="of_lets_go")
    waiting = {"trigger_dag_id": "started", "wait_for_completion": True, "poke_interval": 1}
    TriggerDagRunOperator(task_id="waits", trigger_run_id="of_waits", **waiting)
    TriggerDagRunOperator(task_id="defers", trigger_run_id="of_defers", deferrable=True, **waiting)
    TriggerDagRunOperator(task_id="waits_in_vain", trigger_dag_id="fails", wait_for_completion=True, poke_interval=1)


starts_others()


# --- assets -----------------------------------------------------------------------------------------------------------

PLAIN, BY_ALIAS = Asset("file:///kinds/plain"), Asset("file:///kinds/by_alias")


@dag(schedule=None, tags=["test"])
def produces():
    @task(outlets=[PLAIN])
    def writes():
        pass

    @task(outlets=[AssetAlias("kinds-alias")])
    def writes_by_alias(outlet_events=None):
        outlet_events[AssetAlias("kinds-alias")].add(BY_ALIAS)

    writes()
    writes_by_alias()


produces()


@dag(schedule=[PLAIN], start_date=LONG_AGO, tags=["test"])
def consumes():
    one()


consumes()


@dag(schedule=[AssetAlias("kinds-alias")], start_date=LONG_AGO, tags=["test"])
def consumes_alias():
    one()


consumes_alias()


# --- runs by date -----------------------------------------------------------------------------------------------------


@dag(schedule="@daily", start_date=LONG_AGO, catchup=False, is_paused_upon_creation=True, tags=["test"])
def daily():
    """Paused until a test wants it: unpaused it runs at once, for the newest day."""
    one.override(task_id="in_order", depends_on_past=True)() >> one()


daily()
