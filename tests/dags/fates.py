"""Every way a task may end that one process can bring about, each a task of its own."""

from __future__ import annotations

import logging
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from versions import (
    AFTER_A_KILL,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    BashOperator,
    PokeReturnValue,
    TimeDeltaTrigger,
    dag,
    task,
)


@task
def succeeds() -> str:
    logging.getLogger(__name__).warning("a line of the task's own")
    return "an XCom"


@task
def fails():
    raise AirflowFailException("on purpose")


@task
def skips_itself():
    raise AirflowSkipException("not today")


@task
def exits():
    os._exit(3)


@task
def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1, retry_delay=AFTER_A_KILL)
def is_killed_once(ti=None):
    if ti.try_number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1, retry_delay=timedelta(seconds=0))
def fails_once(ti=None):
    if ti.try_number == 1:
        raise ValueError("the first time")


@task(execution_timeout=timedelta(seconds=1))
def takes_too_long():
    time.sleep(30)


@task
def system_exit():
    raise SystemExit(4)


@task.sensor(poke_interval=4, mode="reschedule", timeout=60)
def pokes_again(run_id=None) -> PokeReturnValue:
    seen = Path(os.environ["FATES_HOME"]) / f"pokes-{run_id}"
    count = int(seen.read_text()) + 1 if seen.exists() else 1
    seen.write_text(str(count))
    return PokeReturnValue(is_done=count >= 2)


@task.sensor(poke_interval=0.2, mode="poke", timeout=60)
def pokes_in_place() -> PokeReturnValue:
    return PokeReturnValue(is_done=True)


class Defers(BaseOperator):
    """Waits two seconds in the triggerer."""

    def execute(self, context):
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=2)), method_name="resume")

    def resume(self, context, event=None):
        return "resumed"


@task.branch
def chooses() -> str:
    return "chosen"


@task
def chosen():
    pass


@task
def not_chosen():
    pass


@task
def after_failure():
    pass


@task
def number(value: int) -> int:
    return value


@task
def returns_what_no_xcom_takes():
    return Path("/dev/null").open()


@task
def nothing() -> list[int]:
    return []


@dag(schedule=None, tags=["test"], default_args={"owner": "tests", "retries": 0})
def fates() -> None:
    succeeds()
    fails() >> after_failure()
    skips_itself()
    exits()
    is_killed()
    is_killed_once()
    fails_once()
    takes_too_long()
    system_exit()
    pokes_again()
    pokes_in_place()
    Defers(task_id="defers")
    BashOperator(task_id="has_a_bad_template", bash_command="{{ 1 / 0 }}")
    returns_what_no_xcom_takes()
    chooses() >> [chosen(), not_chosen()]
    number.override(task_id="of_none").expand(value=nothing())


fates()


@dag(schedule=None, tags=["test"])
def slow() -> None:
    """Long enough to restart the scheduler in its middle."""

    @task
    def quick(value: int):
        pass

    @task
    def sleeps():
        time.sleep(12)

    @task
    def last():
        pass

    quick.expand(value=[1, 2, 3]) >> sleeps() >> last()


slow()
