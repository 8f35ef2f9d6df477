"""
spark-submit and its kin, as the Spark provider's hooks run them on the worker.

With ``DAGTRACE_SPARK_ATTACH`` the driver's JVM is also given the listener's jar and class. Spark has one list of each,
and a command line's stands instead of a file's, so the user's list is read from wherever he keeps it and added to. A
driver whose listener is not on its classpath does not start: the jar goes along only where spark-submit brings it, or
the driver reads the worker's disk; elsewhere a jar of the user's own list that is named like ours will do.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dagtrace.options import options
from dagtrace.spark.attachment import CLASS, JAR, public_endpoint
from dagtrace.submit.jobs import Fact
from dagtrace.submit.places import conf_list, spark_conf, spark_conf_for


if TYPE_CHECKING:
    from dagtrace.submit.call import Call
    from dagtrace.submit.carrier import Carrier

ENDPOINT = "spark.dagtrace.endpoint"
JARS = "spark.jars"
LISTENERS = "spark.extraListeners"
_UPLOADS = "spark.kubernetes.file.upload.path"
"""Where spark-submit puts local files for a driver in Kubernetes; without it, it refuses them."""


def submit(call: Call, carrier: Carrier) -> None:
    """Add to the conf of a ``SparkSubmitHook``; where the driver is a container, to its environment as well."""
    hook = call.instance
    master, cluster = str(hook._connection["master"]), hook._connection["deploy_mode"] == "cluster"
    place = spark_conf
    if cluster and "yarn" in master:
        place = spark_conf_for("spark.yarn.appMasterEnv.")
    elif cluster and "k8s" in master:
        place = spark_conf_for("spark.kubernetes.driverEnv.")
    conf, jars = place(hook._conf, carrier), hook._jars
    if options().spark_attach:
        file, binary = hook._properties_file, hook._connection["spark_binary"]
        brings = not (cluster and "k8s" in master) or _UPLOADS in conf
        conf, jars = attach(conf, jars, _defaults(file, binary), brings=brings)
    call.lend(hook, "_conf", conf)
    call.lend(hook, "_jars", jars)


def sql(call: Call, carrier: Carrier) -> None:
    """Add to the conf of a ``SparkSqlHook``, a mapping or a text."""
    conf: Any = conf_list(call.instance._conf, carrier)
    if options().spark_attach and isinstance(conf, dict):
        conf, _ = attach(cast("dict[str, Any]", conf), None, _defaults(None, "spark-sql"), brings=True)
    call.lend(call.instance, "_conf", conf)


def attach(
    conf: dict[str, Any], jars: str | None, defaults: dict[str, str], *, brings: bool
) -> tuple[dict[str, Any], str | None]:
    """
    Return a conf and a list of jars with the listener in them, the user's own entries first.

    ``jars`` is what goes to ``--jars``, which stands instead of ``spark.jars``; ``defaults`` are the properties of the
    file that spark-submit reads; ``brings`` says whether a file of this machine reaches the driver.
    """
    known = {**defaults, **conf}
    listed = jars or str(known.get(JARS) or "")
    ours = any(JAR.stem in jar.rpartition("/")[2] for jar in listed.split(","))
    if not ours and not brings:
        return conf, jars
    added = dict(conf)
    if not ours and jars:
        jars = f"{jars},{JAR}"
    elif not ours:
        added[JARS] = ",".join(filter(None, [listed, str(JAR)]))
    listeners = str(known.get(LISTENERS) or "")
    if CLASS not in re.split(r"\s*,\s*", listeners):
        added[LISTENERS] = ",".join(filter(None, [listeners, CLASS]))
    address = public_endpoint()
    if address and ENDPOINT not in known:
        added[ENDPOINT] = address
    return added, jars


def _defaults(file: str | None, binary: str) -> dict[str, str]:
    """Return the properties that spark-submit reads from a file: the one it is given, else spark-defaults.conf."""
    path = Path(file) if file else _conf_folder(binary) / "spark-defaults.conf"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (re.match(r"\s*([^#!\s=:][^\s=:]*)\s*[\s=:]\s*(.*?)\s*$", line) for line in text.splitlines())
    return {pair[1]: pair[2] for pair in pairs if pair}


def _conf_folder(binary: str) -> Path:
    """Return the folder of Spark's configuration, as ``bin/spark-submit`` finds it."""
    if folder := os.environ.get("SPARK_CONF_DIR"):
        return Path(folder)
    if home := os.environ.get("SPARK_HOME"):
        return Path(home) / "conf"
    found = Path(shutil.which(binary) or binary).resolve()
    return found.parent.parent / "conf"


def job_of(call: Call) -> Fact | None:
    """Return what spark-submit's output told the hook of the driver it has started elsewhere."""
    hook = call.instance
    found = hook._yarn_application_id or hook._driver_id or hook._kubernetes_driver_pod
    return Fact("spark", found, state=hook._driver_status) if found else None


def yarn_state(call: Call) -> Fact:
    """Return what YARN's resource manager says of an application: how it ended, until then where it is."""
    state, final, *_ = call.result
    return Fact("spark", call.get("application_id"), state=state if final == "UNDEFINED" else final)


def pod_end(call: Call) -> Fact:
    """Return the last phase of a driver's pod."""
    return Fact("spark", call.instance._kubernetes_driver_pod, state=call.result)


def state_of(call: Call) -> Fact:
    """Return the state of a job that a try before this one submitted; a pod's id has its namespace before it."""
    return Fact("spark", str(call.get("external_id")).rpartition(":")[2], state=call.result)
