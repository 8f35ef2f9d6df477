"""The kinds of tasks and of runs that came with Airflow 3.1, or work since then: plain imports."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.providers.standard.triggers.file import FileDeleteTrigger
from airflow.sdk import Asset, AssetWatcher, dag, task


HOME = Path(os.environ.get("KINDS_HOME", "/nonexistent"))


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def humans():
    @task
    def after():
        pass

    HITLOperator(task_id="asks", subject="Which one?", options=["this", "that"])
    HITLOperator(
        task_id="asks_in_vain",
        subject="Anybody?",
        options=["this", "that"],
        defaults="that",
        response_timeout=timedelta(seconds=5),
    )
    HITLOperator(task_id="gives_up", subject="Anybody?", options=["this"], response_timeout=timedelta(seconds=5))
    ApprovalOperator(task_id="is_rejected", subject="May I?") >> after()


humans()

FLAG = AssetWatcher(name="flag", trigger=FileDeleteTrigger(filepath=str(HOME / "flag"), poke_interval=1))


@dag(schedule=[Asset("flag", watchers=[FLAG])], catchup=False, tags=["test"])
def watches():
    @task
    def reacts():
        pass

    reacts()


watches()
