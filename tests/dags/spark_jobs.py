"""Spark jobs that a task submits: in Python and in Java, to a standalone cluster, in client and in cluster mode."""

from __future__ import annotations

import os

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from versions import DAG


HOME = os.environ["SPARK_JOBS_HOME"]
COMMON = {"conf": {"spark.cores.max": "1", "spark.mine": "kept"}, "verbose": False}

with DAG("spark_jobs", schedule=None):
    SparkSubmitOperator(task_id="python_client", conn_id="spark_client", application=f"{HOME}/program.py", **COMMON)
    SparkSubmitOperator(
        task_id="java_client",
        conn_id="spark_client",
        application=f"{HOME}/Report.jar",
        java_class="Report",
        application_args=[f"{HOME}/client.json"],
        **COMMON,
    )
    SparkSubmitOperator(
        task_id="java_cluster",
        conn_id="spark_cluster",
        application=f"{HOME}/Report.jar",
        java_class="Report",
        application_args=[f"{HOME}/cluster.json"],
        status_poll_interval=1,
        **COMMON,
    )
    # Spark itself refuses this: "Cluster deploy mode is currently not supported for python applications on standalone".
    SparkSubmitOperator(task_id="python_cluster", conn_id="spark_cluster", application=f"{HOME}/program.py", **COMMON)
