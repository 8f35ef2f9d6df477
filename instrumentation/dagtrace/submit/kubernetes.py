"""Pods, and the Spark operator's custom resource."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from dagtrace.submit.carrier import TRACEPARENT
from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import environment_list, inside, spark_conf


if TYPE_CHECKING:
    from dagtrace.submit.call import Call
    from dagtrace.submit.carrier import Carrier


def pod(user: Any, carrier: Carrier) -> Any:
    """Add to the environment of every container of a ``V1Pod``, init containers included."""
    mine = copy.deepcopy(user)
    from kubernetes.client import V1EnvVar

    for container in [*(mine.spec.init_containers or ()), *(mine.spec.containers or ())]:
        found: list[Any] = container.env or []
        if not any(variable.name == TRACEPARENT for variable in found):
            more = [V1EnvVar(name=name, value=value) for name, value in carrier.environment.items()]
            container.env = [*found, *more]
    return mine


def spark_application(user: Any, carrier: Carrier) -> Any:
    """Add to the Spark conf and the driver's environment of a ``SparkApplication``, or a scheduled one's template."""
    spec = ("spec", "template") if "template" in (user.get("spec") or {}) else ("spec",)
    told = inside(*spec, "sparkConf", place=spark_conf, create=True)(user, carrier)
    return inside(*spec, "driver", "env", place=environment_list, create=True)(told, carrier)


def pod_of(call: Call) -> Fact | None:
    """Return which pod it is, and its phase."""
    found = call.result
    if found is None or found.metadata is None:
        return None
    phase = found.status.phase if found.status is not None else None
    return Fact("kubernetes", f"{found.metadata.namespace}/{found.metadata.name}", state=phase)
