"""The kinds of tasks and of runs that came with Airflow 3.0: plain imports."""

from __future__ import annotations

from airflow.sdk import dag, task


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
