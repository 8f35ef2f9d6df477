"""The kinds of tasks and of runs that came with Airflow 3.0: plain imports."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.providers.standard.triggers.file import FileDeleteTrigger
from airflow.sdk import Asset, AssetWatcher, dag, task


HOME = Path(os.environ.get("KINDS_HOME", "/nonexistent"))


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def conditions():
    @task.run_if(lambda _: False, skip_message="not today")
    @task
    def is_not_run():
        pass

    @task.skip_if(lambda _: False)
    @task
    def is_run():
        pass

    is_not_run()
    is_run()


conditions()

FLAG = AssetWatcher(name="flag", trigger=FileDeleteTrigger(filepath=str(HOME / "flag"), poke_interval=1))


@dag(schedule=[Asset("flag", watchers=[FLAG])], catchup=False, tags=["test"])
def watches():
    @task
    def reacts():
        pass

    reacts()


watches()
