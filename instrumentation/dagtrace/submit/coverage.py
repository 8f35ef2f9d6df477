"""
Writes ``docs/coverage.md`` out of the table: ``python -m dagtrace.submit.coverage``.

A development tool; ``tests/submit`` runs it and compares.
"""

from __future__ import annotations

from pathlib import Path

from dagtrace.submit.table import GROUP, ROWS, WITHOUT_ROW


PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "coverage.md"

_HEAD = f"""# Where the trace context goes

<!-- Generated from submit/table.py by dagtrace.submit.coverage: do not edit. -->

Whatever a task starts is told the task's span, by the W3C trace context: as `spark.dagtrace.traceparent` in a Spark
conf, as `TRACEPARENT` (and `TRACESTATE`) in an environment. It goes into copies, at the call that submits; a value that
the user set is never touched, and a DAG that is excluded carries nothing. Rows of your own come from the entry-point
group `{GROUP}` (`dagtrace/submit/table.py` says how). *By opt-in* means: where you leave room for it, by a variable or
parameter `TRACEPARENT` with an empty value.

With `DAGTRACE_SPARK_ATTACH=true`, what runs spark-submit on the worker also appends the listener's jar and class to
your own lists, and names the endpoint (scheme, host, port, path) unless you do.

| started by | context goes into | at |
|---|---|---|
"""

_BACK = """
## What comes back

A span `remote_job {system}` below each `execute` that saw the job: from the request that started it to the last answer
about it, each submission and change of state an event, failed where that system says so. Of a task that was killed its
supervisor tells the last one. The job's system, id, page and state (`remote_job.*` in [semconv.md](semconv.md)) are
attributes of `execute`, too.

| seen of | at |
|---|---|
"""


def render() -> str:
    """Return the page."""
    there = [f"| {row.starts} | {row.where} | `{row.target}`{_about(row.about)} |" for row in ROWS if row.where]
    there += [f"| {starts} | {where} | |" for starts, where in WITHOUT_ROW]
    back = [f"| {row.starts} | `{row.target}`{_about(row.about)} |" for row in ROWS if row.tell is not None]
    return "\n".join([_HEAD + "\n".join(there), _BACK + "\n".join(dict.fromkeys(back)), ""])


def _about(about: str) -> str:
    return f" of {about}" if about else ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
