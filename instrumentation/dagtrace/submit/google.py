"""Dataproc's jobs, batches and workflows: properties of each Spark job, in mappings or in protobuf messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import each, inside, spark_conf, spark_conf_for


if TYPE_CHECKING:
    from dagtrace.submit.call import Call, Place
    from dagtrace.submit.carrier import Carrier

_JOBS = ("spark_job", "pyspark_job", "spark_sql_job", "spark_r_job")
_BATCHES = ("spark_batch", "pyspark_batch", "spark_sql_batch", "spark_r_batch")


def _with(place: Place, kinds: tuple[str, ...], *path: str) -> Place:
    """Return a place in mappings (``path`` to the properties from each of ``kinds``' owner) or in messages."""

    def placed(user: Any, carrier: Carrier) -> Any:
        if not isinstance(user, dict):
            return _message(user, place, kinds, carrier)
        found = cast("dict[str, Any]", user)
        for kind in kinds:
            if found.get(kind) is not None:
                found = inside(*(path or (kind,)), "properties", place=place, create=True)(found, carrier)
        return found

    return placed


def _message(user: Any, place: Place, kinds: tuple[str, ...], carrier: Carrier) -> Any:
    mine = type(user)(user)  # proto-plus copies
    for kind in kinds:
        if kind in mine:
            properties = (mine.runtime_config if kind in _BATCHES else getattr(mine, kind)).properties
            properties.update(place(dict(properties), carrier))
    return mine


job = _with(spark_conf, _JOBS)
"""The properties of a job, if it is Spark's."""

batch = _with(spark_conf_for("spark.dataproc.driverEnv."), _BATCHES, "runtime_config")
"""The properties of a batch, and so its driver's environment."""


def workflow(user: Any, carrier: Carrier) -> Any:
    """Add to each Spark job of an inline workflow."""
    if isinstance(user, dict):
        return inside("jobs", place=each(job))(user, carrier)
    mine = type(user)(user)
    mine.jobs = [job(each_job, carrier) for each_job in mine.jobs]
    return mine


def job_of(call: Call) -> Fact:
    """Return a job's id, page and state from the answer to its submission, or to a later question."""
    found = call.result
    where = {name: call.get(name) for name in ("region", "project_id")}
    url = "https://console.cloud.google.com/dataproc/jobs/{id}?region={region}&project={project_id}"
    identity = found.reference.job_id
    return Fact("dataproc", identity, url.format(id=identity, **where), found.status.state.name)


def batch_of(call: Call) -> Fact:
    """Return a batch's id and page: what is returned is the operation that makes it, or the batch."""
    where = {name: call.get(name) for name in ("region", "batch_id", "project_id")}
    url = "https://console.cloud.google.com/dataproc/batches/{region}/{batch_id}/summary?project={project_id}"
    state = getattr(call.result, "state", None)
    return Fact("dataproc", where["batch_id"], url.format(**where), getattr(state, "name", None))
