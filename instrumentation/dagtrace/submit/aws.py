"""
Amazon's services, at the one function that every boto3 client makes its requests by.

So operators, hooks and a plain ``boto3.client`` in a Python callable are the same to it, and what is read and written
are the services' documented requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dagtrace.submit.call import argument
from dagtrace.submit.carrier import CONF
from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import conf_text, each, environment_list, inside, submit_arguments


if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagtrace.submit.call import Call, Place, Put
    from dagtrace.submit.carrier import Carrier

REQUEST = "botocore.client:BaseClient._make_api_call"


def request(place: Place) -> Put:
    """Return what puts it into a request's parameters."""
    return argument(api_params=place)


class Asks(NamedTuple):
    """Whether a call is this request, both by botocore's names: ``emr``, ``AddJobFlowSteps``."""

    service: str
    operation: str

    def __call__(self, call: Call) -> bool:
        """Return whether it is."""
        service: str = call.instance.meta.service_model.service_name
        return service == self.service and call.get("operation_name") == self.operation

    def __str__(self) -> str:
        return f"`{self.service}.{self.operation}`"


def fact(system: str, job_id: tuple[str | int, ...], state: tuple[str | int, ...] = (), url: str = "") -> Any:
    """
    Return what reads a job's id and state from a response, at these paths.

    ``url`` may name ``{id}``, ``{region}`` and every parameter of the request.
    """

    def tell(call: Call) -> Fact:
        found = _at(call.result, job_id)
        region = call.instance.meta.region_name
        page = url.format_map({**call.mapping("api_params"), "id": found, "region": region}) if url else None
        return Fact(system, found, page, _at(call.result, state) if state else None)

    return tell


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    found: Any = value
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _step(step: Mapping[str, Any], carrier: Carrier) -> Mapping[str, Any]:
    runs = str(_at(step, ("HadoopJarStep", "Jar")))
    if not runs.rpartition("/")[2].startswith("command-runner"):
        return step
    return inside("HadoopJarStep", "Args", place=submit_arguments)(step, carrier)


emr_steps = inside("Steps", place=each(_step))
"""The arguments of each step that runs spark-submit."""


def _parameters(prefix: str) -> Place:
    return lambda user, carrier: conf_text(user, carrier, prefix)


def emr_on_eks(user: Any, carrier: Carrier) -> Any:
    """Add to the parameters of the job's driver, and to the environment of its pod."""
    place = _parameters("spark.kubernetes.driverEnv.")
    for driver, parameters in (
        ("sparkSubmitJobDriver", "sparkSubmitParameters"),
        ("sparkSqlJobDriver", "sparkSqlParameters"),
    ):
        user = inside("jobDriver", driver, place=inside(parameters, place=place, create=True))(user, carrier)
    return user


emr_serverless = inside(
    *("jobDriver", "sparkSubmit"),
    place=inside("sparkSubmitParameters", place=_parameters("spark.emr-serverless.driverEnv."), create=True),
)
"""The parameters of the job's driver, and its environment."""


def ecs_task(user: Any, carrier: Carrier) -> Any:
    """Add to the environment of each container that the overrides name: the request has no others."""
    container = inside("environment", place=environment_list, create=True)
    return inside("overrides", "containerOverrides", place=each(container))(user, carrier)


batch_job = inside("containerOverrides", place=inside("environment", place=environment_list, create=True))
"""The environment of the container, where there are overrides of it: other kinds of jobs have others."""

_GLUE = "_dagtrace_glue"
"""On a client: the ``--conf`` that each job has by default, as far as requests have named it."""


def remember_glue_job(call: Call) -> None:
    """Keep what a job's own ``--conf`` is: one in a run's arguments stands instead of it."""
    asked = call.mapping("api_params")
    name: str = asked.get("JobName") or asked["Name"]
    jobs = _at(call.result, ("Job",)), _at(asked, ("JobUpdate",)), asked
    confs = (_at(job, ("DefaultArguments", "--conf")) for job in jobs)
    call.instance.__dict__.setdefault(_GLUE, {})[name] = next((conf for conf in confs if conf), "")


def glue_run(call: Call, carrier: Carrier) -> None:
    """Add to ``--conf``, Glue's one argument for all properties: ``a=b --conf c=d``."""
    asked = call.mapping("api_params")
    mine: dict[str, Any] = dict(asked.get("Arguments") or {})
    known: dict[str, str] = call.instance.__dict__.get(_GLUE, {})
    conf: str | None = mine.get("--conf", known.get(asked["JobName"]))
    if conf is None or f"{CONF}=" in conf:  # a job that nobody looked at: its own --conf may say more than ours
        return
    pair = f"{CONF}={carrier.traceparent}"
    mine["--conf"] = f"{conf} --conf {pair}" if conf else pair
    call.set("api_params", {**asked, "Arguments": mine})
