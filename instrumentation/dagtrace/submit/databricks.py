"""
Databricks' jobs: what a new cluster is told, and the parameters of what runs on one that is already there.

A cluster that exists has its configuration and environment. A notebook's parameters may be more than it reads; those of
a script, a wheel or a jar may not, so they are left alone, and so are a job's unless the user has left room in them
(``job_parameters={"TRACEPARENT": ""}``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagtrace.submit.carrier import CONF
from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import asked_environment, each, environment, inside, spark_conf


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dagtrace.submit.call import Call
    from dagtrace.submit.carrier import Carrier


def _cluster(user: Mapping[str, Any], carrier: Carrier) -> Mapping[str, Any]:
    told = inside("spark_conf", place=spark_conf, create=True)(user, carrier)
    return inside("spark_env_vars", place=environment, create=True)(told, carrier)


def _parameters(user: Sequence[str] | None, carrier: Carrier) -> Any:
    mine = list(user or ())
    return mine if any(f"{CONF}=" in word for word in mine) else ["--conf", f"{CONF}={carrier.traceparent}", *mine]


def _task(user: Mapping[str, Any], carrier: Carrier) -> Mapping[str, Any]:
    if "spark_submit_task" in user:  # Databricks refuses spark_conf beside it
        return inside("spark_submit_task", "parameters", place=_parameters, create=True)(user, carrier)
    if "for_each_task" in user:
        return inside("for_each_task", "task", place=_task)(user, carrier)
    if "new_cluster" in user:
        return inside("new_cluster", place=_cluster)(user, carrier)
    if "job_cluster_key" in user:
        return user
    return inside("notebook_task", place=inside("base_parameters", place=environment, create=True))(user, carrier)


def submitted(user: Mapping[str, Any], carrier: Carrier) -> Any:
    """Add to a request of ``runs/submit``: the one task at its top, or each of several and their job clusters."""
    told = inside("job_clusters", place=each(inside("new_cluster", place=_cluster)))(user, carrier)
    return inside("tasks", place=each(_task))(_task(told, carrier), carrier)


def run_now(user: Mapping[str, Any], carrier: Carrier) -> Any:
    """Add to a request of ``jobs/run-now``, where what the user gives for the run shows what its tasks take."""
    told = inside("notebook_params", place=environment)(user, carrier)
    told = inside("spark_submit_params", place=_parameters)(told, carrier)
    return inside("job_parameters", place=asked_environment)(told, carrier)


def run_of(call: Call) -> Fact:
    """Return what a run's own page and state are, from the answer of ``runs/get``."""
    run: Mapping[str, Any] = call.result
    return Fact("databricks", call.get("run_id"), run.get("run_page_url"), _said(run.get("state") or {}))


def _said(state: Mapping[str, str]) -> str | None:
    return state.get("result_state") or state.get("life_cycle_state")


def started(call: Call) -> Fact:
    """Return the id of the run."""
    return Fact("databricks", call.result)


def page_of(call: Call) -> Fact:
    """Return a run's page."""
    return Fact("databricks", call.get("run_id"), call.result)


def end_of(call: Call) -> Fact | None:
    """Return how a deferred run ended, from the trigger's event."""
    event = call.mapping("event")
    if "run_id" not in event:
        return None
    import json

    state = json.loads(event.get("run_state") or "{}")
    return Fact("databricks", event["run_id"], event.get("run_page_url"), _said(state))
