"""A small DAG with one of each: mapped, failed and retried, short circuit, skipped, user code with its own spans."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task


@task
def numbers() -> list[int]:
    return [1, 2, 3]


@task
def double(number: int) -> int:
    return number * 2


@task(retries=1, retry_delay=timedelta(seconds=0))
def flaky(ti=None):
    if ti.try_number == 1:
        raise ValueError("first try: password=hunter2 at postgresql://reader:hunter2@db.example/flights")


@task
def traced():
    from opentelemetry import trace

    trace.get_current_span().set_attribute("user.rows", 42)
    with trace.get_tracer("user.code").start_as_current_span("user work"):
        pass


@task.short_circuit
def stop_here() -> bool:
    return False


@task
def never() -> None:
    raise AssertionError("a skipped task ran")


@dag(schedule=None, tags=["test"], default_args={"owner": "tests"})
def small() -> None:
    double.expand(number=numbers()) >> flaky() >> traced() >> stop_here() >> never()


small()
