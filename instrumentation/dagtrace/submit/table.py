"""
The table: what starts something -> where its trace context goes, and how the remote job's id, page and state come back.

A row names the function at the boundary, not the operator's ``execute``: a hook's method, a client's request. It is
called when something is submitted and not when a task resumes or reconnects, it has all that the request will have, and
it is the same for an operator, its subclasses and a Python callable that uses the hook.

Rows of users' own come from the entry-point group ``dagtrace.submit``, each a `Row` or a list of them::

    [project.entry-points."dagtrace.submit"]
    acme = "acme_airflow.tracing:ROWS"

    ROWS = [Row("AcmeSparkOperator", "acme_airflow.hooks:AcmeHook.submit", argument(conf=spark_conf), "Spark conf")]
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from dagtrace.submit import aws, databricks, google, kubernetes, others, spark_submit
from dagtrace.submit.call import argument, attribute, result
from dagtrace.submit.places import (
    asked_environment,
    docker_environment,
    environment,
    own_environment,
    spark_conf,
)


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.submit.call import Call, Put
    from dagtrace.submit.jobs import Fact

GROUP = "dagtrace.submit"
"""Entry points of users' own rows."""


class Row(NamedTuple):
    """
    One place where something is started or asked about.

    ``target`` is ``module:Class.method``; the module need not exist. ``put`` puts the carrier in, ``tell`` says what is
    then known of a remote job, and ``when`` picks the calls that the row is about.
    """

    starts: str
    target: str
    put: Put | None = None
    where: str = ""
    tell: Callable[[Call], Fact | None] | None = None
    when: Callable[[Call], bool] | None = None
    tells_failures: bool = False
    """``tell`` has something to say of a call that raised, too, whose result is None."""

    @property
    def about(self) -> str:
        """Return which of a target's calls it is, for the documentation."""
        return str(self.when) if isinstance(self.when, aws.Asks) else ""


_SPARK = "airflow.providers.apache.spark.hooks."
_SPARK_OPERATORS = "airflow.providers.apache.spark.operators."
_LIVY = "airflow.providers.apache.livy."
_DATABRICKS = "airflow.providers.databricks."
_DATAPROC = "airflow.providers.google.cloud.hooks.dataproc:DataprocHook."
_KUBERNETES = "airflow.providers.cncf.kubernetes."
_STANDARD = "airflow.providers.standard.operators."
_DOCKER = "docker.api.container:ContainerApiMixin."
_DBT = "airflow.providers.dbt.cloud.hooks.dbt:DbtCloudHook."
_CONF, _ENV = "Spark conf", "environment"

_EMR_URL = "https://console.aws.amazon.com/emr/home?region={region}#/clusterDetails/{JobFlowId}"
_GLUE_URL = "https://console.aws.amazon.com/gluestudio/home?region={region}#/job/{JobName}/run/{id}"

# fmt: off
ROWS: tuple[Row, ...] = (
    Row("SparkSubmitOperator, SparkJDBCOperator", _SPARK + "spark_submit:SparkSubmitHook.submit", spark_submit.submit,
        f"{_CONF}; {_ENV}", spark_submit.job_of, tells_failures=True),
    Row("SparkSubmitOperator", _SPARK + "spark_submit:SparkSubmitHook._process_spark_status_log",
        tell=spark_submit.job_of),
    Row("SparkSubmitOperator", _SPARK + "spark_submit:SparkSubmitHook._query_yarn_application_status",
        tell=spark_submit.yarn_state),
    Row("SparkSubmitOperator", _SPARK + "spark_submit:SparkSubmitHook._poll_k8s_driver_via_api",
        tell=spark_submit.pod_end),
    Row("SparkSubmitOperator that takes up a job", _SPARK_OPERATORS + "spark_submit:SparkSubmitOperator.get_job_status",
        tell=spark_submit.state_of),
    Row("SparkPipelinesOperator", _SPARK + "spark_pipelines:SparkPipelinesHook.submit_pipeline", spark_submit.submit,
        f"{_CONF}; {_ENV}"),
    Row("SparkSqlOperator", _SPARK + "spark_sql:SparkSqlHook.run_query", spark_submit.sql, f"{_CONF}; {_ENV}"),
    Row("LivyOperator", _LIVY + "hooks.livy:LivyHook.post_batch", argument(conf=spark_conf), _CONF, others.livy_batch),
    Row("LivyOperator", _LIVY + "hooks.livy:LivyHook.get_batch_state", tell=others.livy_state),
    Row("LivyOperator", _LIVY + "operators.livy:LivyOperator.execute_complete", tell=others.livy_end),
    Row("DatabricksSubmitRunOperator and its kin", _DATABRICKS + "hooks.databricks:DatabricksHook.submit_run",
        argument(json=databricks.submitted),
        f"{_CONF} and {_ENV} of new clusters; notebook parameters on existing ones",
        databricks.started),
    Row("DatabricksRunNowOperator", _DATABRICKS + "hooks.databricks:DatabricksHook.run_now",
        argument(json=databricks.run_now), "notebook or spark-submit parameters of the run; job parameters by opt-in",
        databricks.started),
    Row("Databricks*", _DATABRICKS + "hooks.databricks:DatabricksHook.get_run", tell=databricks.run_of),
    Row("Databricks*", _DATABRICKS + "hooks.databricks:DatabricksHook.get_run_page_url",
        tell=databricks.page_of),
    *(Row("Databricks*", f"{_DATABRICKS}operators.databricks:{kind}.execute_complete", tell=databricks.end_of)
      for kind in ("DatabricksSubmitRunOperator", "DatabricksRunNowOperator")),
    Row("EmrAddStepsOperator", aws.REQUEST, aws.request(aws.emr_steps), f"{_CONF}, as --conf of each step",
        aws.fact("emr", ("StepIds", -1), url=_EMR_URL), aws.Asks("emr", "AddJobFlowSteps")),
    Row("EmrCreateJobFlowOperator", aws.REQUEST, aws.request(aws.emr_steps), f"{_CONF}, as --conf of each step",
        aws.fact("emr", ("JobFlowId",)), aws.Asks("emr", "RunJobFlow")),
    Row("Emr*", aws.REQUEST, when=aws.Asks("emr", "DescribeStep"),
        tell=aws.fact("emr", ("Step", "Id"), ("Step", "Status", "State"))),
    Row("EmrContainerOperator", aws.REQUEST, aws.request(aws.emr_on_eks), f"{_CONF}; {_ENV} of the driver",
        aws.fact("emr-containers", ("id",)), aws.Asks("emr-containers", "StartJobRun")),
    Row("EmrContainerOperator", aws.REQUEST, when=aws.Asks("emr-containers", "DescribeJobRun"),
        tell=aws.fact("emr-containers", ("jobRun", "id"), ("jobRun", "state"))),
    Row("EmrServerlessStartJobOperator", aws.REQUEST, aws.request(aws.emr_serverless), f"{_CONF}; {_ENV} of the driver",
        aws.fact("emr-serverless", ("jobRunId",)), aws.Asks("emr-serverless", "StartJobRun")),
    Row("EmrServerlessStartJobOperator", aws.REQUEST, when=aws.Asks("emr-serverless", "GetJobRun"),
        tell=aws.fact("emr-serverless", ("jobRun", "jobRunId"), ("jobRun", "state"))),
    Row("GlueJobOperator", aws.REQUEST, aws.glue_run, f"{_CONF}, in the argument --conf",
        aws.fact("glue", ("JobRunId",), url=_GLUE_URL), aws.Asks("glue", "StartJobRun")),
    Row("GlueJobOperator", aws.REQUEST, when=aws.Asks("glue", "GetJobRun"),
        tell=aws.fact("glue", ("JobRun", "Id"), ("JobRun", "JobRunState"))),
    *(Row("GlueJobOperator", aws.REQUEST, when=aws.Asks("glue", operation), tell=aws.remember_glue_job)
      for operation in ("GetJob", "CreateJob", "UpdateJob")),
    Row("EcsRunTaskOperator", aws.REQUEST, aws.request(aws.ecs_task), f"{_ENV} of the containers in overrides",
        aws.fact("ecs", ("tasks", 0, "taskArn"), ("tasks", 0, "lastStatus")), aws.Asks("ecs", "RunTask")),
    Row("EcsRunTaskOperator", aws.REQUEST, when=aws.Asks("ecs", "DescribeTasks"),
        tell=aws.fact("ecs", ("tasks", 0, "taskArn"), ("tasks", 0, "lastStatus"))),
    Row("BatchOperator", aws.REQUEST, aws.request(aws.batch_job), f"{_ENV} of the container",
        aws.fact("batch", ("jobId",)), aws.Asks("batch", "SubmitJob")),
    Row("BatchOperator", aws.REQUEST, when=aws.Asks("batch", "DescribeJobs"),
        tell=aws.fact("batch", ("jobs", 0, "jobId"), ("jobs", 0, "status"))),
    Row("DataprocSubmitJobOperator", _DATAPROC + "submit_job", argument(job=google.job), _CONF, google.job_of),
    Row("DataprocSubmitJobOperator", _DATAPROC + "get_job", tell=google.job_of),
    Row("DataprocCreateBatchOperator", _DATAPROC + "create_batch", argument(batch=google.batch),
        f"{_CONF}; {_ENV} of the driver", google.batch_of),
    Row("DataprocCreateBatchOperator", _DATAPROC + "get_batch", tell=google.batch_of),
    Row("DataprocInstantiateInlineWorkflowTemplateOperator", _DATAPROC + "instantiate_inline_workflow_template",
        argument(template=google.workflow), f"{_CONF} of each job"),
    Row("KubernetesPodOperator and its kin, @task.kubernetes",
        _KUBERNETES + "operators.pod:KubernetesPodOperator.build_pod_request_obj", result(kubernetes.pod),
        f"{_ENV} of its containers"),
    Row("KubernetesPodOperator and its kin", _KUBERNETES + "utils.pod_manager:PodManager.read_pod",
        tell=kubernetes.pod_of),
    Row("SparkKubernetesOperator",
        _KUBERNETES + "operators.custom_object_launcher:CustomObjectLauncher.start_spark_job",
        attribute(body=kubernetes.spark_application), f"sparkConf and the driver's {_ENV} in the custom resource"),
    Row("DockerOperator, @task.docker", _DOCKER + "create_container", argument(environment=docker_environment), _ENV,
        others.docker_start),
    Row("DockerOperator, @task.docker", _DOCKER + "wait", tell=others.docker_end),
    Row("DockerSwarmOperator",
        "airflow.providers.docker.operators.docker_swarm:DockerSwarmOperator._run_service",
        attribute(environment=environment), _ENV),
    *(Row("BashOperator, @task.bash", f"{module}:BashOperator.get_env", result(environment), _ENV)
      for module in (_STANDARD + "bash", "airflow.operators.bash")),
    *(Row("@task.virtualenv, @task.external_python", f"{module}:{function}", argument(env=own_environment), _ENV)
      for module, function in ((_STANDARD + "python", "_execute_in_subprocess"),
                               (_STANDARD + "python", "execute_in_subprocess"),
                               ("airflow.operators.python", "execute_in_subprocess"))),
    Row("SSHOperator", "airflow.providers.ssh.hooks.ssh:SSHHook.exec_ssh_client_command",
        argument(environment=asked_environment), f"{_ENV}, by opt-in"),
    Row("DbtCloudRunJobOperator", _DBT + "trigger_job_run", None, "nothing: its one text is the user's",
        others.dbt_run),
    Row("DbtCloudRunJobOperator", _DBT + "get_job_run_status", tell=others.dbt_state),
)
# fmt: on

WITHOUT_ROW = (
    ("PythonOperator, @task, @task.pyspark with Spark in process", "the active span"),
    ("dbt on the worker, any process that a task starts", "environment, inherited"),
    ("TriggerDagRunOperator", "nothing: the scheduler links the runs (docs/adr/0003)"),
)
"""What needs no row, for the documentation."""


@lru_cache(maxsize=1)
def users_rows() -> tuple[Row, ...]:
    """Return the rows of installed packages; one that cannot be loaded is one warning (10 ms, so once a process)."""
    from importlib.metadata import entry_points

    from dagtrace.telemetry.guard import warn_once

    found: list[Row] = []
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
            found += [loaded] if isinstance(loaded, Row) else list(loaded)
        except Exception as error:  # noqa: BLE001 - it is somebody else's code
            warn_once(f"rows.{point.name}", "rows of %s are ignored: %s: %s", point.value, type(error).__name__, error)
    return tuple(found)
