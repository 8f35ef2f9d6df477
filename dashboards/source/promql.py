"""
Expressions over dagtrace's metrics, by their names in Prometheus.

Two kinds of metrics ask for two ways (docs/adr/0013): Airflow's counters grow, Spark's and the data's are increments. A
board's variables are in every expression: ``environment`` and ``job`` tell installations apart.
"""

from __future__ import annotations


DAG = "job, deployment_environment_name, airflow_dag_id"
"""What tells a DAG from others: two environments may have one of the same name."""

FILE = "job, deployment_environment_name, airflow_dag_file_path"

AIRFLOW = 'deployment_environment_name=~"$environment",job=~"$job"'
"""Airflow's series of the chosen installations."""

SPARK = 'deployment_environment_name=~"$environment",spark_application_name=~"$application"'
"""Spark's series of the chosen applications; their job is the application's own, or Airflow's."""

PAST = "14d"
"""What things are compared with."""

ONCE = " @ end()"
"""A graph's line that is computed once, for its end: two weeks at each of its points would take seconds."""


def series(metric: str, where: str = "", within: str = AIRFLOW) -> str:
    """Return a selector."""
    return f"{metric}{{{','.join(filter(None, (within, where)))}}}"


def by(labels: str, expression: str, how: str = "sum") -> str:
    """Return an aggregation; no labels is one number."""
    return f"{how} by ({labels}) ({expression})" if labels else f"{how}({expression})"


def grown(counter: str, where: str = "", within: str = AIRFLOW, over: str = "$__range") -> str:
    """
    Return by how much a growing counter grew in the board's time range, exactly.

    ``increase()`` stretches what it finds to the whole window, and leaves out what happened between the samples of two
    windows: 24 tries were 25, and of the bars of rare events every fifth would be missing. Here the last sample of a
    window is compared with the last one before it, which may be up to 15 minutes old; a series that is new, or was away
    for longer, with its first sample in the window, which of a new one is the 0 that Prometheus puts before it. A
    scheduler that starts again has series of its own; where it has not (``service.instance.id`` was given to it), the
    window in which that happens counts nothing.
    """
    found = series(counter, where, within)
    before = f"(last_over_time({found}[15m] offset {over}) or min_over_time({found}[{over}]))"
    return f"clamp_min(last_over_time({found}[{over}]) - {before}, 0)"


def steps(counter: str, where: str = "", within: str = AIRFLOW) -> str:
    """Return by how much a growing counter grew within each interval of a graph."""
    return grown(counter, where, within, "$__interval")


def told(increments: str, where: str = "", within: str = SPARK, over: str = "$__range") -> str:
    """Return what was told in increments over a time: exact."""
    return f"sum_over_time({series(increments, where, within)}[{over}])"


def now(gauge: str, labels: str, where: str = "") -> str:
    """Return a gauge's level; of two schedulers that both have one, while the lead changes, the greater."""
    return by(labels, series(gauge, where), "max")


def or_zero(expression: str) -> str:
    """Return an expression that is 0 where there is nothing, as on a quiet day."""
    return f"{expression} or vector(0)"


def quantile(share: float, histogram: str, labels: str, window: str, where: str = "", at: str = "") -> str:
    """Return a quantile of one of Airflow's histograms over a window; with ``at`` the same for all of a graph."""
    rate = f"rate({series(f'{histogram}_bucket', where)}[{window}]{at})"
    return f"histogram_quantile({share}, {by(f'{labels}, le'.lstrip(', '), rate)})"


def mean(histogram: str, labels: str, where: str = "", *, before: bool = False) -> str:
    """
    Return the mean of one of Airflow's histograms in the time range: exact, where quantiles are as coarse as buckets.

    ``before`` is of the two weeks before it: with the range in it, the past would be compared with itself, and a DAG
    twice as slow for a week be 130 % of it.
    """
    window = f"[{PAST}] offset $__range" if before else "[$__range]"
    summed, count = (f"increase({series(f'{histogram}_{part}', where)}{window})" for part in ("sum", "count"))
    return f"({by(labels, summed)} / ({by(labels, count)} > 0))"
