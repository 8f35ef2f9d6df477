"""The kinds of tasks and of runs that came with Airflow 3.3: plain imports."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

from airflow.sdk import (
    Asset,
    BaseOperator,
    ExceptionRetryPolicy,
    IdentityMapper,
    PartitionedAssetTimetable,
    PartitionedAtRuntime,
    RetryAction,
    RetryRule,
    dag,
    task,
)
from airflow.sdk.bases.resumablejobmixin import ResumableJobMixin


HOME = Path(os.environ.get("KINDS_HOME", "/nonexistent"))


# --- a job that outlives its task -------------------------------------------------------------------------------------


class RunsJob(ResumableJobMixin, BaseOperator):
    """Submits a job, dies, and comes back to it: the "job" is a file that says it is running."""

    external_id_key = "job"

    def execute(self, context):
        return self.execute_resumable(context)

    def submit_job(self, context):
        name = f"job-of-try-{context['ti'].try_number}"
        (HOME / name).write_text("RUNNING")
        return name

    def get_job_status(self, external_id, context):
        return (HOME / external_id).read_text()

    def is_job_active(self, status):
        return status == "RUNNING"

    def is_job_succeeded(self, status):
        return status == "SUCCEEDED"

    def poll_until_complete(self, external_id, context):
        if context["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        (HOME / external_id).write_text("SUCCEEDED")
        return external_id

    def get_job_result(self, external_id, context):
        return external_id


# --- policies, coroutines ---------------------------------------------------------------------------------------------


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def newer():
    @task(
        retries=3,
        retry_policy=ExceptionRetryPolicy(
            rules=[
                RetryRule(exception=ValueError, action=RetryAction.RETRY, retry_delay=timedelta(0)),
                RetryRule(exception=KeyError, action=RetryAction.FAIL),
            ]
        ),
    )
    def has_a_policy(ti=None):
        raise ValueError("again") if ti.try_number == 1 else KeyError("enough")

    @task
    async def is_a_coroutine():
        from opentelemetry import trace

        await asyncio.sleep(0)
        trace.get_current_span().set_attribute("user.rows", 7)
        with trace.get_tracer("user.code").start_as_current_span("user work"):
            await asyncio.sleep(0)

    has_a_policy()
    is_a_coroutine()
    RunsJob(task_id="resumes", retries=1, retry_delay=timedelta(0))


newer()


# --- tasks of another runtime (queue "other", see support.runtime) ----------------------------------------------------


@dag(schedule=None, tags=["test"], default_args={"retries": 0})
def other_runtime():
    @task.stub(queue="other")
    def succeeds(): ...

    @task.stub(queue="other")
    def fails(): ...

    @task.stub(queue="other")
    def is_killed(): ...

    @task.stub(queue="other", retries=1, retry_delay=timedelta(0))
    def exits_once(): ...

    @task
    def in_python():
        pass

    succeeds() >> in_python()
    fails()
    is_killed()
    exits_once()


other_runtime()


# --- partitions of assets ---------------------------------------------------------------------------------------------

REGIONS = Asset(name="regions", uri="file:///kinds/regions")


@dag(schedule=PartitionedAtRuntime(), tags=["test"])
def produces_partitions():
    @task(outlets=[REGIONS])
    def writes(*, outlet_events=None):
        outlet_events[REGIONS].add_partitions(["us", "eu"])

    writes()


produces_partitions()


@dag(
    schedule=PartitionedAssetTimetable(assets=REGIONS, default_partition_mapper=IdentityMapper()),
    catchup=False,
    tags=["test"],
)
def consumes_partitions():
    @task
    def reads(dag_run=None):
        assert dag_run.partition_key in ("us", "eu")

    reads()


consumes_partitions()
