"""Rows of pods, containers, remote shells and dbt Cloud: the exact requests, at servers that stand for them."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.providers.docker.operators.docker_swarm import DockerSwarmOperator
from airflow.providers.ssh.operators.ssh import SSHOperator
from airflow.sdk import DAG

from submit.conftest import assert_discreet, returning
from submit.remote import Remote


if TYPE_CHECKING:
    from typing_extensions import Self

    from submit.conftest import Task

ENV = [{"name": "TRACEPARENT", "value": "<context>"}]
MINE = [{"name": "MINE", "value": "1"}]


def cluster(task: Task, remote: Remote) -> None:
    """Let Kubernetes' hook find a server that stands for a cluster."""
    config: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": remote.url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    task.connect("kubernetes_default", conn_type="kubernetes", extra={"kube_config": config})


def a_pod(phase: str, name: str = "p", container: str = "base") -> dict[str, Any]:
    """Return a pod in a phase."""
    state: dict[str, Any] = {"terminated": {"exitCode": 0}} if phase == "Succeeded" else {"running": {}}
    status: dict[str, Any] = {
        "name": container,
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {
        "metadata": {"name": name, "namespace": "ns", "labels": {"spark-role": "driver", "try_number": "1"}},
        "spec": {"containers": [{"name": container}]},
        "status": {"phase": phase, "containerStatuses": [status]},
    }


PODS: dict[str, tuple[dict[str, Any], list[list[dict[str, str]]]]] = {
    "no variables": ({"image": "i"}, [ENV]),
    "the user's": ({"image": "i", "env_vars": {"MINE": "1"}}, [MINE + ENV]),
    "the user's own parent": (
        {"image": "i", "env_vars": {"TRACEPARENT": "theirs"}},
        [[{"name": "TRACEPARENT", "value": "theirs"}]],
    ),
    "a template of several containers": (
        {"pod_template_dict": {
            "apiVersion": "v1", "kind": "Pod",
            "spec": {"containers": [{"name": "base", "image": "i", "env": MINE}, {"name": "b", "image": "i"}]}}},
        [MINE + ENV, ENV],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PODS)
def test_pod(task: Task, kind: str) -> None:
    """KubernetesPodOperator: every container of the pod has the context; its phases come back."""
    given, wanted = PODS[kind]
    operator: Any = KubernetesPodOperator(
        task_id="t", name="p", namespace="ns", random_name_suffix=False, get_logs=False, on_finish_action="keep_pod",
        reattach_on_restart=False, in_cluster=False, startup_check_interval_seconds=0,
        base_container_status_polling_interval=0,
        dag=DAG("d"), **given,
    )  # fmt: skip
    states = [a_pod("Pending"), a_pod("Running"), a_pod("Succeeded")]
    answers = {
        "POST /api/v1/namespaces/ns/pods": a_pod("Pending"),
        "GET /api/v1/namespaces/ns/pods/p": states,
        "GET /api/v1/namespaces/ns/pods": {"items": [a_pod("Succeeded")]},
        "PATCH": a_pod("Succeeded"),
    }
    with Remote(answers) as remote:
        cluster(task, remote)
        for _ in range(2):
            operator.pod = operator.pod_request_obj = None  # as in the process of a second try
            task.run(operator)
            sent = remote.sent("POST /api/v1/namespaces/ns/pods")[-1]
            sent = task.places(sent) if "<context>" in str(wanted) else sent
            assert [container["env"] for container in sent["spec"]["containers"]] == wanted
            assert task.span.attributes["remote_job.id"] == "ns/p"
            assert task.states()[-1] == ("ns/p", "Succeeded")
        assert_discreet(remote.raw)
    left = {variable.name for variable in operator.env_vars}
    assert left == {"MINE"} & left | ({"TRACEPARENT"} if "own parent" in kind else set())


def test_spark_application(task: Task) -> None:
    """SparkKubernetesOperator: the custom resource's sparkConf and its driver's environment have the context."""
    spec: dict[str, Any] = {
        "apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication",
        "metadata": {"name": "s"},
        "spec": {"type": "Python", "image": "i", "sparkConf": {"spark.x": "1"},
                 "driver": {"env": [*MINE], "serviceAccount": "a"}, "executor": {"instances": 1}},
    }  # fmt: skip
    operator: Any = SparkKubernetesOperator(
        task_id="t", name="s", namespace="ns", template_spec={"spark": spec}, random_name_suffix=False, get_logs=False,
        reattach_on_restart=False, in_cluster=False, on_finish_action="keep_pod", delete_on_termination=False,
        dag=DAG("d"),
    )  # fmt: skip
    driver = a_pod("Succeeded", "s-driver", "spark-kubernetes-driver")
    created = {"metadata": {"name": "s"}, "spec": {"driver": {"labels": {"a": "b"}}}}
    answers = {
        "POST .*/sparkapplications": (201, created),
        "GET .*/sparkapplications/s/status": {"status": {"applicationState": {"state": "RUNNING"}}},
        "GET /api/v1/namespaces/ns/pods/s-driver": driver,
        "GET /api/v1/namespaces/ns/pods": {"items": [driver]},
        "PATCH": driver,
    }
    with Remote(answers) as remote:
        cluster(task, remote)
        seen: list[Any] = []
        for _ in range(2):
            operator.__dict__.pop("launcher", None)
            task.run(operator)
            seen.append(task.places(remote.sent("POST .*/sparkapplications")[-1]))
        assert_discreet(remote.raw)
    assert seen[0] == seen[1]
    assert seen[0]["spec"]["sparkConf"] == {"spark.x": "1", "spark.dagtrace.traceparent": "<context>"}
    name = {"name": "SPARK_APPLICATION_NAME", "value": "s"}
    assert seen[0]["spec"]["driver"] == {"env": [*MINE, name, *ENV], "serviceAccount": "a"}
    assert seen[0]["spec"]["executor"] == {"instances": 1, "env": [name]}
    assert spec["spec"]["sparkConf"] == {"spark.x": "1"}
    assert spec["spec"]["driver"]["env"] == MINE


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"environment": {"MINE": "1"}}, {"MINE=1", "TRACEPARENT=<context>"}),
        ({}, {"TRACEPARENT=<context>"}),
        ({"private_environment": {"TRACEPARENT": "theirs"}}, {"TRACEPARENT=theirs"}),
        ({"env_file": "TRACEPARENT=theirs"}, {"TRACEPARENT=theirs"}),
    ],
)
def test_docker(task: Task, given: dict[str, Any], wanted: set[str]) -> None:
    """DockerOperator: the container's environment, whichever of three places the user's variables come from."""
    with Remote(
        {
            "POST .*/containers/create": {"Id": "c1"},
            "GET .*/images": [[{"Id": "i"}]],
            "POST .*/attach": {},
            "POST .*/wait": {"StatusCode": 0},
            "GET .*/_ping": "OK",
            "": {"State": {"Status": "exited"}, "Config": {"Tty": True}, "Id": "c1"},
        }
    ) as remote:
        operator: Any = DockerOperator(
            task_id="t", image="i", docker_url=f"tcp://127.0.0.1:{remote.port}", api_version="1.41", tty=True,
            mount_tmp_dir=False, **given,
        )  # fmt: skip
        for _ in range(2):
            task.run(operator)
            sent = remote.sent("POST .*/containers/create")[-1]
            sent = task.places(sent) if "=<context>" in str(wanted) else sent
            assert set(sent["Env"]) == wanted
            assert task.states() == [("c1", "created"), ("c1", "exited 0")]
        assert_discreet(remote.raw)
    assert "TRACEPARENT" not in operator.environment


def test_docker_swarm(task: Task) -> None:
    """DockerSwarmOperator: the service's environment has the context."""
    answers = {
        "POST .*/services/create": {"ID": "s1"},
        "GET .*/tasks": [{"ServiceID": "s1", "Status": {"State": "complete", "ContainerStatus": {"ExitCode": 0}}}],
        "GET .*/_ping": "OK",
        "": {},
    }
    with Remote({pattern: [answer] for pattern, answer in answers.items()}) as remote:  # a list is an answer, too
        operator: Any = DockerSwarmOperator(
            task_id="t", image="i", docker_url=f"tcp://127.0.0.1:{remote.port}", api_version="1.41",
            environment={"MINE": "1"}, enable_logging=False, dag=DAG("d"),
        )  # fmt: skip
        for _ in range(2):
            task.run(operator)
            sent = task.places(remote.sent("POST .*/services/create")[-1])
            assert set(sent["TaskTemplate"]["ContainerSpec"]["Env"]) == {
                *("MINE=1", "AIRFLOW_TMP_DIR=/tmp/airflow", "TRACEPARENT=<context>"),
            }
    assert "TRACEPARENT" not in operator.environment


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ({"MINE": "1"}, {"MINE": "1"}),
        ({"MINE": "1", "TRACEPARENT": ""}, {"MINE": "1", "TRACEPARENT": "<context>"}),
        ({"TRACEPARENT": "theirs"}, {"TRACEPARENT": "theirs"}),
    ],
)
def test_ssh(task: Task, monkeypatch: pytest.MonkeyPatch, given: Any, wanted: Any) -> None:
    """SSHOperator: a server takes the variables it is set up to take, so the user says that this one does."""
    from airflow.providers.ssh.hooks.ssh import SSHHook

    task.connect("ssh_default", conn_type="ssh", host="h", login="u", password="hunter2-ssh")
    sent: list[Any] = []

    class Client:
        """A connection."""

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            """Leave."""

        def exec_command(self, **asked: Any) -> Any:
            """Run a command."""
            sent.append(asked)
            raise ConnectionError("far enough")

    monkeypatch.setattr(SSHHook, "get_conn", returning(Client()))
    operator: Any = SSHOperator(task_id="t", ssh_conn_id="ssh_default", command="env", environment=given)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            task.run(operator)
        asked = task.places(sent[-1]) if "<context>" in str(wanted) else sent[-1]
        assert asked["environment"] == wanted
        assert asked["command"] == "env"
    assert operator.environment == given


def test_dbt_cloud(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """DbtCloudRunJobOperator: nothing is added to the user's request; the run's id, page and states come back."""
    run = {"id": 5, "job_id": 1, "href": "https://dbt.example/runs/5", "status": 1}
    answers = {
        "POST /api/v2/accounts/1/jobs/1/run": {"data": run},
        "GET /api/v2/accounts/1/runs/5": [{"data": {**run, "status": status}} for status in (1, 3, 10)],
    }
    with Remote(answers) as remote:
        task.connect("dbt_cloud_default", conn_type="dbt_cloud", login="1", password="hunter2-dbt", host="dbt.example")
        send = requests.Session.send

        def elsewhere(self: Any, request: Any, **more: Any) -> Any:
            request.url = request.url.replace("https://dbt.example", remote.url)
            return send(self, request, **more)

        monkeypatch.setattr(requests.Session, "send", elsewhere)
        operator: Any = DbtCloudRunJobOperator(task_id="t", job_id=1, trigger_reason="why", check_interval=0)
        task.run(operator)
        assert remote.sent("POST")[0]["cause"] == "why"
        assert "traceparent" not in remote.raw.lower()
    assert task.states()[-1] == ("5", "success")
    assert task.span.attributes["remote_job.url"] == "https://dbt.example/runs/5"
