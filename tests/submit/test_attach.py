"""``DAGTRACE_SPARK_ATTACH``: the listener's jar and class on the command line, after the user's own, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.python import PythonOperator

from dagtrace.options import options
from dagtrace.submit import spark_submit


if TYPE_CHECKING:
    from pathlib import Path

    from submit.conftest import Task
    from submit.spark_binaries import Ran

JAR = str(spark_submit.JAR)
OURS = "io.dagtrace.spark.TraceListener"
ENDPOINT = {"spark.dagtrace.endpoint": "https://collector.example:4318/otlp"}


def attach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch ``DAGTRACE_SPARK_ATTACH`` on."""
    monkeypatch.setenv("DAGTRACE_SPARK_ATTACH", "true")
    options.cache_clear()


LISTED: dict[str, tuple[dict[str, Any], str, dict[str, str], str | None]] = {
    "nothing": ({}, "", {"spark.jars": JAR, "spark.extraListeners": OURS, **ENDPOINT}, None),
    "with the operator": (
        {"conf": {"spark.extraListeners": "a.B"}, "jars": "x.jar"},
        "",
        {"spark.extraListeners": f"a.B,{OURS}", **ENDPOINT},
        f"x.jar,{JAR}",
    ),
    "in spark-defaults.conf": (
        {},
        "# theirs\nspark.jars  y.jar\nspark.extraListeners=c.D, e.F\nspark.dagtrace.endpoint http://own\n",
        {"spark.jars": f"y.jar,{JAR}", "spark.extraListeners": f"c.D, e.F,{OURS}"},
        None,
    ),
    "all of ours": (
        {"conf": {"spark.jars": "s3://b/dagtrace-spark-0.1.jar", "spark.extraListeners": OURS, **ENDPOINT}},
        "",
        {"spark.jars": "s3://b/dagtrace-spark-0.1.jar", "spark.extraListeners": OURS, **ENDPOINT},
        None,
    ),
}


@pytest.mark.parametrize("listed", LISTED)
def test_attach(task: Task, spark: Ran, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    """DAGTRACE_SPARK_ATTACH: jar and listener after the user's own, wherever he lists them; an endpoint, no secret."""
    attach(monkeypatch)
    given, defaults, wanted, jars = LISTED[listed]
    spark.defaults.write_text(defaults)
    operator: Any = SparkSubmitOperator(task_id="t", application="a.py", **given)
    for _ in range(2):
        task.run(operator)
        assert task.places(spark.confs()) == {"spark.dagtrace.traceparent": "<context>", **wanted}
        words = spark.last["command"]
        assert (words[words.index("--jars") + 1] if "--jars" in words else None) == jars
    assert (operator.conf or None, operator.jars) == (given.get("conf"), given.get("jars"))


def test_attach_properties_file(task: Task, spark: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of properties that the operator names stands instead of Spark's defaults, also to us."""
    attach(monkeypatch)
    spark.defaults.write_text("spark.extraListeners not.Read")
    mine = tmp_path / "mine.conf"
    mine.write_text("spark.extraListeners is.Read")
    task.run(SparkSubmitOperator(task_id="t", application="a.py", properties_file=str(mine)))
    assert spark.confs()["spark.extraListeners"] == f"is.Read,{OURS}"


def test_attach_not_where_the_jar_would_not_be(task: Task, spark: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that cannot find its listener's class does not start: no listener where no jar of ours gets to."""
    attach(monkeypatch)
    from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

    extra = {"deploy-mode": "cluster"}
    task.connect("remote", conn_type="k8s", host="https://k", extra=extra)
    seen: list[dict[str, str]] = []

    def work() -> None:
        for conf in (
            {},
            {"spark.kubernetes.file.upload.path": "s3a://b"},
            {"spark.jars": "s3a://b/dagtrace-spark.jar"},
        ):
            hook = SparkSubmitHook(conn_id="remote", conf=conf)
            hook.submit("a.py")
            seen.append(spark.confs())

    task.run(PythonOperator(task_id="t", python_callable=work))
    assert "spark.extraListeners" not in seen[0]
    assert (seen[1]["spark.jars"], seen[1]["spark.extraListeners"]) == (JAR, OURS)
    assert (seen[2]["spark.jars"], seen[2]["spark.extraListeners"]) == ("s3a://b/dagtrace-spark.jar", OURS)
