"""What the two boards of Spark share: the applications to choose from, shares and means of what they told."""

from __future__ import annotations

from source.board import Variable
from source.links import trace_search
from source.promql import by, told


APPLICATION = Variable(
    "application",
    "spark_application_name",
    'spark_application_duration_seconds_count{deployment_environment_name=~"$environment"}',
    "Application",
)
SERVICE = Variable(
    "service",
    "service_name",
    'spark_application_duration_seconds_count{spark_application_name=~"$application"}',
    "Service in Jaeger",
    several=False,
)
NAME = "deployment_environment_name, service_name, spark_application_name"
"""What tells an application from others; the service is Jaeger's."""
FAILED = 'spark_outcome="failure"'
SPILLED = 'spark_spill_medium="disk"'
SHUFFLE_READ, SHUFFLE_WRITE = (f'spark_io_direction="{way}"' for way in ("read", "write"))
TASK_TIME, CORE_TIME = "spark_application_task_time_seconds_total", "spark_application_core_time_seconds_total"
ENVIRONMENT = Variable(
    "environment", "deployment_environment_name", "spark_application_duration_seconds_count", "Environment"
)
TO_APPLICATION = (
    "Its traces in Jaeger",
    trace_search("${__field.labels.service_name}", "spark.application ${__field.labels.spark_application_name}"),
)
TO_QUERIES = ("Traces with queries, in Jaeger", trace_search("${service}", "spark.sql"))
TO_BROKEN = ("Queries that failed, in Jaeger", trace_search("${service}", "spark.sql", "spark.sql.result=failed"))
NONE = "no Spark application ended in the time range."
STEP = "$__interval"


def ratio(part: str, whole: str, labels: str = "", over: str = "$__range") -> str:
    """Return a share of sums; what never was is no share of anything."""
    return f"{by(labels, told(part, over=over))} / ({by(labels, told(whole, over=over))} > 0)"


def high(what: str) -> str:
    """
    Return the 95th percentile of a histogram by application, as coarse as its buckets.

    Prometheus keeps exemplars with the buckets, and so a graph has those of this query, not those of a mean.
    """
    return f"histogram_quantile(0.95, {by(f'{NAME}, le', told(f'{what}_bucket', over=STEP))})"


def per(what: str, over: str = STEP) -> str:
    """Return the mean of a histogram by application."""
    return f"{by(NAME, told(f'{what}_sum', over=over))} / ({by(NAME, told(f'{what}_count', over=over))} > 0)"
