"""Data and control that pass between tasks, in every way that leaves a link."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from versions import DAG, Asset, BashOperator, Param, TriggerDagRunOperator, dag, task, task_group


ASSET = "s3://bucket/made"


@task
def one() -> int:
    return 1


@task(multiple_outputs=True)
def several() -> dict:
    return {"a": "text", "b": [1, 2]}


@task
def numbers() -> list[int]:
    return [1, 2, 3]


@task
def double(number: int) -> int:
    return number * 2


@task
def plus_one(number: int) -> int:
    return number + 1


@task
def total(values) -> int:
    return sum(values)


@task
def joins(left, right=None, deep=None) -> None:
    assert (left, right, deep) == (1, "text", {"list": [[1, 2]]})


@task
def pushes(ti=None) -> None:
    ti.xcom_push(key="custom", value={"x": "y" * 50})
    ti.xcom_push(key="flag", value=True)
    ti.xcom_push(key="never_pulled", value=0.5)


@task
def pulls(ti=None) -> None:
    assert ti.xcom_pull(task_ids="pushes", key="custom") == {"x": "y" * 50}
    assert ti.xcom_pull(task_ids="pushes", key="flag") is True
    assert ti.xcom_pull(task_ids="pushes", key="not_there") is None
    assert ti.xcom_pull(task_ids=["one", "large"]) == [1, "é" * 20_000]


@task
def large() -> str:
    return "é" * 20_000


@task
def weighs(text: str) -> int:
    return len(text)


@task(retries=1, retry_delay=timedelta(seconds=0))
def flaky(ti=None) -> str:
    ti.xcom_push(key="tried", value=ti.try_number)
    if ti.try_number == 1:
        raise ValueError("once")
    return "second"


@task(retries=1, retry_delay=timedelta(seconds=0))
def after_flaky(text: str, ti=None) -> None:
    assert text == "second"
    if ti.try_number == 1:
        raise ValueError("once, too")


@task
def says_nothing() -> None:
    pass


@task.branch
def chooses(value: int) -> str:
    return "chosen"


@task
def chosen() -> None:
    pass


@task
def not_chosen() -> None:
    pass


@task_group
def group(number):
    plus_one.override(task_id="second")(plus_one.override(task_id="first")(number))


@dag(schedule=None, tags=["test"], default_args={"owner": "tests"})
def links() -> None:
    start = one()
    parts = several()
    joins(start, parts["a"], {"list": [parts["b"]]})
    made = double.expand(number=numbers())
    more = plus_one.expand(number=made)
    total.override(task_id="reduce")(more)
    [pushes(), start, (heavy := large())] >> pulls()
    weighs(heavy)
    after_flaky(flaky())
    templated = BashOperator(task_id="templated", bash_command="echo {{ ti.xcom_pull(task_ids='one') }}")
    start >> templated
    chooses(start) >> [chosen(), not_chosen()]
    start >> says_nothing()
    group.expand(number=numbers.override(task_id="for_group")())


links()


@dag(schedule=None, tags=["test"])
def produces() -> None:
    @task(outlets=[Asset(ASSET)], retries=1, retry_delay=timedelta(seconds=0))
    def makes(ti=None) -> None:
        if ti.try_number == 1:
            raise ValueError("once")

    @task(outlets=[Asset(ASSET)])
    def also_makes() -> None:
        pass

    makes() >> also_makes()


produces()


@dag(schedule=[Asset(ASSET)], start_date=datetime(2024, 1, 1, tzinfo=timezone.utc), tags=["test"])
def consumes() -> None:
    one()


consumes()


@dag(schedule=None, tags=["test"])
def triggers() -> None:
    TriggerDagRunOperator(
        task_id="waits",
        trigger_dag_id="triggered",
        trigger_run_id="waited_for",
        conf={"for": "child"},
        wait_for_completion=True,
        poke_interval=1,
    )
    TriggerDagRunOperator(task_id="same_id", trigger_dag_id="triggered_too", trigger_run_id="waited_for")
    TriggerDagRunOperator.partial(task_id="mapped", trigger_dag_id="triggered").expand(trigger_run_id=["m0", "m1"])
    TriggerDagRunOperator(task_id="strict", trigger_dag_id="strict", trigger_run_id="allowed", conf={"number": 7})


triggers()


def child(dag_id: str) -> None:
    with DAG(dag_id, schedule=None, tags=["test"]):

        @task
        def reads_conf(dag_run=None) -> str:
            return json.dumps(dag_run.conf)

        reads_conf()


child("triggered")
child("triggered_too")
child("placed")


with DAG("strict", schedule=None, tags=["test"], params={"number": Param(1, type="integer", minimum=1)}):

    @task
    def allowed(params=None, dag_run=None) -> None:
        assert list(params) == ["number"]
        assert dag_run.conf == {"number": 7}

    allowed()
