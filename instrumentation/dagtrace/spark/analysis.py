"""
Queries that Spark refuses before it executes anything (a missing table, a syntax error): a failed ``spark.sql`` each.

Where such a query has no SQL execution, no listener hears of it; PySpark turns the JVM's exception into one of Python's
in one place on every version, and there it is seen. Others have an execution, and the listener tells those: a command
that fails while it is being executed (a table that exists already), and since Spark 4.0 whatever a DataFrame is refused
for, by an execution made up for it. What fails while it is being planned has one that ends without ever having started.
The exception's own stack says which it is. So a syntax error, the catalog's complaints and what only the optimizer
finds come from here on every version, a missing table on 3.x only. Checked on 3.4.4 to 4.3.0 with Spark's SQL store.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import get_current_span

from dagtrace import telemetry
from dagtrace.identity import SpanContext, spark_analysis_span_id
from dagtrace.options import options
from dagtrace.record import SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.spark import compat, parents, records
from dagtrace.spark.uncaught import first_line
from dagtrace.telemetry.guard import guard


if TYPE_CHECKING:
    from collections.abc import Callable

    from dagtrace.spark.client import Place

_KINDS = ("AnalysisException", "ParseException")
_EXECUTION = "\n\tat org.apache.spark.sql.execution.SQLExecution$.withNewExecutionId("  # once for each
# It makes the start event's text and plan, and plans for them: what fails there is followed by the end event alone.
_PLANNING = re.compile(r"QueryExecution\.(?:explainString|executedPlan)\(.*\n\tat [\w.]+\.SQLExecution\$\.")
# A text that is no data type is no query: PySpark before 4.0 takes every "long" of a UDF for a schema first.
_TYPE = re.compile(
    r"sql\.(?:types\.(?:StructType|DataType)\$?\.fromDDL|api\.python\.PythonSQLUtils\$?\.parseDataType)\("
)
_CALLED = "\n\tat py4j."  # below it are frames of whoever called Python, such as a micro-batch

_LITERAL = re.compile(r"''.*?(?:''|$)")  # as the token the parser stumbled over: a literal's quotes and Spark's own

_numbers = itertools.count()


class _Inside(threading.local):
    """Whether this thread is converting: PySpark converts the causes of an exception by the same function."""

    now = False


_inside = _Inside()


def convert_exception(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap ``pyspark.errors.exceptions.captured.convert_exception``."""
    if _inside.now:
        return wrapped(*args, **kwargs)
    began, ended = parents.sent(), time.time_ns()
    _inside.now = True
    try:
        error = wrapped(*args, **kwargs)
        with guard("spark.analysis"):
            if _refused(error):
                _tell(error, min(began or ended, ended), ended)
    finally:
        _inside.now = False
    return error


def _refused(error: Any) -> bool:
    """Whether it is an error of analysis or planning, and one that no started SQL execution has ended with."""
    stack = compat.jvm_stack(error).split("\nCaused by:", 1)[0].split(_CALLED, 1)[0]
    unstarted = len(_PLANNING.findall(stack))
    if _TYPE.search(stack) or stack.count(_EXECUTION) > unstarted or compat.makes_execution(stack):
        return False
    return unstarted > 0 or any(kind.__name__ in _KINDS for kind in type(error).__mro__)


def _tell(error: Any, start_ns: int, end_ns: int) -> None:
    place = _place()
    if place is None:
        return
    context = place.context
    above = get_current_span().get_span_context()
    if above.is_valid and above.span_id != place.parent_id:  # that one's queries are below the application, as its jobs
        parent = SpanContext(above.trace_id, above.span_id, above.trace_flags.sampled)
    else:
        parent = context
    root = parent.trace_id == context.trace_id and place.parent_id is None
    attributes = {
        names.ERROR_TYPE: type(error).__name__,
        names.SPARK_ERROR_CONDITION: compat.error_condition(error),
        names.SPARK_ERROR_SQLSTATE: error.getSqlState(),
        names.SPARK_APPLICATION_ID: place.application_id,
        names.SPARK_APPLICATION_NAME: place.name,
    }
    record = SpanRecord(
        name="spark.sql",
        trace_id=parent.trace_id,
        span_id=spark_analysis_span_id(context.span_id, os.getpid(), next(_numbers), start_ns),
        parent_id=parent.span_id,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes={name: str(value) for name, value in attributes.items() if value},
        error=_message(error),
        sampled=parent.sampled and (not root or telemetry.sampled(parent.trace_id)),
    )
    if records.wanted(record, options().spark_detail):
        telemetry.tell(record)


def _place() -> Place | None:
    """Return where the running application's queries belong, None where nobody tells that application here."""
    pyspark: Any = sys.modules["pyspark"]
    context: Any = pyspark.SparkContext._active_spark_context
    told: Any = None if context is None else context.__dict__.get("_dagtrace")
    return None if told is None else told.place()


def _message(error: Any) -> str:
    """Return the first line, masked, and without the literal a parser stumbled over unless the user wants SQL."""
    line = first_line(error)
    return line if "sql" in options().capture else _LITERAL.sub("'***'", line)
