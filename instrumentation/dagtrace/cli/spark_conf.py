"""
``dagtrace spark-conf``: what to add so that any Spark driver attaches the listener itself, in Python, Scala or Java.

Prints lines for ``spark-defaults.conf``; with ``--submit`` the same as options of ``spark-submit``, in one line for
``spark-submit $(dagtrace spark-conf --submit) …``; with ``--jar`` the path of the jar alone.
"""

from __future__ import annotations

import shlex
import sys

from dagtrace.spark.attachment import CLASS, JAR, public_endpoint


def run(*, submit: bool, jar: bool) -> int:
    """Print; return the exit code: 1 where the jar was never built."""
    if not JAR.exists():
        print(f"{JAR} is missing: install a wheel of dagtrace, or build one with a JDK", file=sys.stderr)
        return 1
    if jar:
        print(JAR)
        return 0
    # Not spark.jars: a user's own --jars replaces that, and without the class no application starts.
    settings = {"spark.driver.extraClassPath": str(JAR), "spark.extraListeners": CLASS}
    endpoint = public_endpoint()
    if endpoint:
        settings["spark.dagtrace.endpoint"] = endpoint
    if submit:
        words = [f"{key}={value}" for key, value in settings.items()]
        quoted = [shlex.quote(word) for word in words]
        if quoted != words:  # a shell does not look for quotes in what $(…) has put there
            print(
                "These have characters that $(dagtrace spark-conf --submit) does not survive in a shell: say "
                'eval "spark-submit $(dagtrace spark-conf --submit) …", or use spark-defaults.conf.',
                file=sys.stderr,
            )
        print(" ".join(f"--conf {word}" for word in quoted))
        return 0
    print("# For spark-defaults.conf. The path is one on the driver's host; append to lists that you have already.")
    width = max(map(len, settings)) + 2
    for key, value in settings.items():
        print(f"{key:<{width}}{value}")
    if not endpoint:
        print("# spark.dagtrace.endpoint  http://collector:4318    else OTEL_EXPORTER_OTLP_ENDPOINT, else files")
    print("# spark.dagtrace.headersFile  /path/of/headers    KEY=VALUE lines; secrets do not belong into SparkConf")
    return 0
