"""Workers that are not forked from the scheduler: Celery's, over a real Redis, and pods, by the command they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dagtrace.semconv import attributes as names
from support.airflow import DAGS, Airflow, dags_in, warnings_of_ours
from support.api import ALL_ADMINS, Api
from support.redis import Redis
from support.runs import TRIES, Ran


if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagtrace.cli.traces import Node
    from support.postgres import Postgres

pytestmark = [pytest.mark.real, pytest.mark.matrix]

WORKER = (
    "airflow",
    "celery",
    "worker",
    "--concurrency",
    "2",
    "--skip-serve-logs",
    "--without-gossip",
    "--without-mingle",
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Ran]:
    """Run both DAGs: a traced and an untraced Celery worker, a triggerer, and pods beside them."""
    folder = tmp_path_factory.mktemp("executors")
    dags = dags_in(folder, "anywhere.py")
    settings = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor,Pods:support.pods.Pods",
        "PYTHONPATH": f"{dags}:{DAGS.parent}",
        # Airflow 2 does not believe an executor that a running task is gone: it waits for the task's heartbeat.
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "20",
        "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "2",
        **ALL_ADMINS,
    }
    with Redis(folder) as redis:
        settings["AIRFLOW__CELERY__BROKER_URL"] = settings["AIRFLOW__CELERY__RESULT_BACKEND"] = redis.url
        with Airflow(folder, postgres.database(), **settings) as airflow:
            airflow.start("worker", *WORKER, "--queues", "default", "--pid", str(folder / "worker.pid"))
            # Without a name of its own: given one, the provider's 3.17 asks the broker whether there is another of that
            # name before Celery forks, and the forked processes may hang in closing that connection.
            untraced = (*WORKER, "--queues", "untraced", "--pid", str(folder / "untraced.pid"))
            airflow.start("untraced", *untraced, DAGTRACE_ENABLED="")
            airflow.start("triggerer")
            for dag_id in ("pods", "anywhere"):
                Api(airflow).trigger(dag_id, "once")
            assert airflow.wait("pods", "once") == "failed"
            assert airflow.wait("anywhere", "once") == "failed"
            for name in ("worker", "untraced", "triggerer", "scheduler"):
                airflow.stop(name)
            assert warnings_of_ours("".join(log.read_text() for log in folder.glob("*.log"))) == []
            yield Ran(airflow.traces, airflow.query)


def one(ran: Ran, dag_id: str, task_id: str) -> Node:
    """Return the only try of a task."""
    (root,) = ran.trace(dag_id, "once").roots
    (found,) = (node for node in root.children if node.span.attributes[names.AIRFLOW_TASK_ID] == task_id)
    return found


@pytest.mark.parametrize("dag_id", ["anywhere", "pods"])
def test_each_try_is_told_once_and_nothing_is_an_orphan(ran: Ran, dag_id: str) -> None:
    """Wherever a task ran, its try is told once with the state, queue, executor and host that the database has."""
    trace = ran.trace(dag_id, "once")
    assert trace.orphans == []
    assert trace.duplicates == 0
    sql = "select task_id, state, queue, executor, hostname from task_instance where dag_id = '{}'"
    rows = {row["task_id"]: row for row in ran.query(sql.format(dag_id))}
    assert len(rows) == 4 == len(ran.query(TRIES.format(dag_id=dag_id, run_id="once")))
    told = {node.span.attributes[names.AIRFLOW_TASK_ID]: node.span.attributes for node in trace.roots[0].children}
    assert told.keys() == rows.keys()
    for task_id, row in rows.items():
        assert told[task_id][names.AIRFLOW_TASK_INSTANCE_STATE] == row["state"], task_id
        assert told[task_id][names.AIRFLOW_TASK_INSTANCE_QUEUE] == row["queue"], task_id
        assert told[task_id].get(names.AIRFLOW_TASK_INSTANCE_EXECUTOR) == row["executor"], task_id
        assert told[task_id][names.AIRFLOW_TASK_INSTANCE_HOSTNAME] == row["hostname"], task_id


@pytest.mark.parametrize("dag_id", ["anywhere", "pods"])
def test_a_task_and_what_it_traces_itself(ran: Ran, dag_id: str) -> None:
    """A task in a process that the scheduler did not fork has its execution, and the user's span below it."""
    (execute,) = one(ran, dag_id, "succeeds").children
    assert execute.span.error is None
    assert [child.span.name for child in execute.children] == ["user work"]


@pytest.mark.parametrize("dag_id", ["anywhere", "pods"])
def test_a_killed_task_is_told_by_its_supervisor(ran: Ran, dag_id: str) -> None:
    """Celery's pool process, and the pod's main process, tell the execution of the child that was killed."""
    (execute,) = one(ran, dag_id, "is_killed").children
    assert execute.span.name == "execute _PythonDecoratedOperator"
    assert execute.span.attributes[names.PROCESS_EXIT_SIGNAL] == "SIGKILL"


def test_a_deferred_task_on_celery(ran: Ran) -> None:
    """Before and after the trigger it ran in a worker: two executions, and the trigger in between."""
    told = [child.span.name for child in one(ran, "anywhere", "waits").children]
    assert told == ["execute Waits", "trigger DateTimeTrigger", "execute Waits"]


def test_a_worker_without_dagtrace(ran: Ran) -> None:
    """Its task succeeds and is told by the scheduler; of its execution nothing is known, and nothing is an orphan."""
    task = one(ran, "anywhere", "elsewhere")
    assert task.span.error is None
    assert task.children == []


def test_a_failed_task_in_a_pod(ran: Ran) -> None:
    """The exception is told by the task's own process before the pod is gone."""
    (execute,) = one(ran, "pods", "fails").children
    assert execute.span.attributes[names.ERROR_TYPE] == "ValueError"


def test_a_pod_that_is_gone(ran: Ran) -> None:
    """Supervisor and task were killed: the try is told with the state the scheduler gave it, an execution is not."""
    task = one(ran, "pods", "loses_its_pod")
    assert task.span.error is not None
    assert task.children == []
