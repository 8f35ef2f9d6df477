"""What Livy, Docker and dbt Cloud answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagtrace.submit.jobs import Fact


if TYPE_CHECKING:
    from dagtrace.submit.call import Call


def livy_batch(call: Call) -> Fact:
    """Return a batch's id and address."""
    return Fact("livy", call.result, f"{call.instance.base_url}/batches/{call.result}")


def livy_state(call: Call) -> Fact:
    """Return a batch's state."""
    return Fact("livy", call.get("session_id"), state=getattr(call.result, "value", call.result))


def livy_end(call: Call) -> Fact | None:
    """Return how a deferred batch ended, from the trigger's event."""
    event = call.mapping("event")
    return Fact("livy", event.get("batch_id"), state=event.get("status")) if "batch_id" in event else None


def docker_start(call: Call) -> Fact:
    """Return the id of a container."""
    return Fact("docker", call.result.get("Id"), state="created")


def docker_end(call: Call) -> Fact:
    """Return that a container has ended, and its exit code."""
    return Fact("docker", state=f"exited {call.result.get('StatusCode')}")


def dbt_run(call: Call) -> Fact:
    """Return the id and page of dbt Cloud's run."""
    data: dict[str, Any] = call.result.json()["data"]
    return Fact("dbt_cloud", data["id"], data.get("href"))


def dbt_state(call: Call) -> Fact:
    """Return the name of a run's state."""
    from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudJobRunStatus

    return Fact("dbt_cloud", call.get("run_id"), state=DbtCloudJobRunStatus(call.result).name.lower())
