"""What Spark itself says of an application: its REST API, its status store, the listener bus's counters."""

# pyright: basic
from __future__ import annotations

import json
import urllib.request
from typing import Any

from zoo.session import TRACE, listener_of


COLUMNS = [
    "numTasks",
    "numCompleteTasks",
    "numFailedTasks",
    "numKilledTasks",
    "inputBytes",
    "inputRecords",
    "outputBytes",
    "outputRecords",
    "shuffleReadBytes",
    "shuffleLocalBytesRead",
    "shuffleRemoteBytesRead",
    "shuffleReadRecords",
    "shuffleFetchWaitTime",
    "shuffleWriteBytes",
    "shuffleWriteRecords",
    "shuffleWriteTime",
    "memoryBytesSpilled",
    "diskBytesSpilled",
    "executorRunTime",
    "executorCpuTime",
    "jvmGcTime",
    "executorDeserializeTime",
    "resultSize",
    "name",
]
FEW = 100
"""Stages with fewer tasks than this are asked for each of them."""


def truth(sc: Any) -> dict[str, Any]:
    """Ask everybody, once the listener bus has delivered all there was."""
    scala = sc._jsc.sc()
    bus = scala.listenerBus()
    bus.waitUntilEmpty(30_000)
    counters = bus.metrics().metricRegistry().getCounters()
    listener = listener_of(sc)
    return {
        "trace": TRACE,
        "host": sc.getConf().get("spark.driver.host"),
        "application": sc.applicationId,
        "started": sc.startTime,
        "store": _store(sc, scala.statusStore()),
        "rest": _rest(f"{sc.uiWebUrl}/api/v1/applications/{sc.applicationId}"),
        "dropped": {name: counters[name].getCount() for name in counters if "numDroppedEvents" in name},
        "lost": listener and listener.lost(),
        "problem": listener and listener.problem(),
    }


def _store(sc: Any, store: Any) -> list[dict[str, Any]]:
    """Return the status store's table of stage attempts."""
    quantiles = sc._gateway.new_array(sc._jvm.double, 0)
    listed = store.stageList(None, False, False, quantiles, sc._jvm.java.util.ArrayList())  # noqa: FBT003 - a Scala method
    stages = []
    for i in range(listed.size()):
        stage = listed.apply(i)
        if stage.status().toString() not in {"SKIPPED", "PENDING"}:
            columns = {column: getattr(stage, column)() for column in COLUMNS}
            stages.append({"stageId": stage.stageId(), "attemptId": stage.attemptId(), **columns})
    return stages


def _rest(base: str) -> dict[str, Any]:
    """Return what the REST API lists, with the tasks of every stage that has few."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(path: str) -> Any:
        with opener.open(f"{base}/{path}", timeout=60) as answer:
            return json.load(answer)

    found = {path: get(path) for path in ("stages", "jobs", "allexecutors")}
    found["sql"] = get("sql?details=false&length=10000")
    for stage in found["stages"]:
        if stage["status"] not in {"SKIPPED", "PENDING"} and stage["numTasks"] < FEW:
            tasks = get(f"stages/{stage['stageId']}/{stage['attemptId']}/taskList?length=1000")
            stage["tasks"] = [{"duration": 0} | task for task in tasks]  # one that took no whole ms has none there
    return found
