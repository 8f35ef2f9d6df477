"""What is counted: two hundred tasks of a second, a run that is stuck, one that is late, and a DAG that is silent."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from versions import AIRFLOW, AirflowSkipException, Asset, dag, task


PAST = datetime(2026, 1, 1, tzinfo=timezone.utc)


def must_be_over(after: timedelta) -> dict:
    """Return a DAG's deadline, where this Airflow has any."""
    if AIRFLOW < (3, 1):
        return {}
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference

    alert = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, after, callback=AsyncCallback("counted.nobody"))
    return {"deadline": alert}


async def nobody(**_) -> None:
    """Be called when a deadline is missed."""


def wait_for(name: str) -> None:
    """Wait for a file, but not for ever."""
    file = Path(os.environ["NUMBERS_HOME"]) / name
    deadline = time.monotonic() + 600
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.2)


@dag(schedule=None)
def many() -> None:
    @task(retries=1, retry_delay=timedelta(seconds=0))
    def a_second(number: int, ti=None) -> None:
        time.sleep(1)
        if number % 50 == 7 or (number % 20 == 3 and ti.try_number == 1):
            raise ValueError(number)

    @task
    def skips() -> None:
        raise AirflowSkipException

    @task
    def after(numbers: object) -> None:
        raise AssertionError("its upstream failed")

    after(a_second.expand(number=list(range(200))))
    skips()


@dag(
    schedule=timedelta(seconds=20),
    start_date=PAST,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    tags=["team:sea", "harbour"],
    default_args={"owner": "tests"},
    **must_be_over(timedelta(hours=1)),
)
def stuck() -> None:
    @task
    def waits() -> None:
        wait_for("go")

    waits()


@dag(schedule=None, **must_be_over(timedelta(seconds=1)))
def silent() -> None:
    @task(outlets=[Asset("file://numbers/silent")])
    def said() -> None:
        time.sleep(3)

    said()


@dag(schedule=None)
def never() -> None:
    @task
    def runs() -> None:
        raise AssertionError("nobody triggers it")

    runs()


many()
stuck()
silent()
never()
