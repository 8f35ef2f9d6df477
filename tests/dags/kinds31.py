"""The kinds of tasks that came with Airflow 3.1: plain imports."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import dag, task


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
