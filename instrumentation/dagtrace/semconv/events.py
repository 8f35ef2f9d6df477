"""Event names. Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit."""

from __future__ import annotations

from typing import Final


DATA_READ: Final = "data.read"
"""A query has read a dataset: once per dataset, all scans of it summed up. What lay in a cache was read by the query that filled it. On a span that failed: what was read until then."""

DATA_WRITE: Final = "data.write"
"""A query has written a dataset; on a span that failed, it meant to."""

SPARK_EXECUTOR_ADDED: Final = "spark.executor.added"
"""An executor was added to the application."""

SPARK_EXECUTOR_REMOVED: Final = "spark.executor.removed"
"""An executor went before the application did."""
