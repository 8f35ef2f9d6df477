"""The ``dagtrace`` command; each subcommand is a module, imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from dagtrace import __version__


if TYPE_CHECKING:
    from collections.abc import Sequence


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, not {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="dagtrace", description="OpenTelemetry for data pipelines.")
    parser.add_argument("--version", action="version", version=f"dagtrace {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    view = commands.add_parser("view", help="draw the traces in local files as trees")
    view.add_argument("path", nargs="?", help="a folder or a traces*.jsonl file (default: DAGTRACE_HOME)")
    view.add_argument("--json", action="store_true", help="the same trees for programs: one JSON array")
    view.add_argument("--last", type=_count, metavar="N", help="only the N newest traces")
    view.add_argument("--trace", metavar="ID", help="only the trace whose id begins so")

    demo = commands.add_parser("demo", help="run the flights DAG in this process and draw its trace")
    demo.add_argument("--folder", help="where the demo keeps its Airflow, data and traces (default: ./.demo)")
    demo.add_argument("--again", action="store_true", help=argparse.SUPPRESS)

    spark = commands.add_parser("spark-conf", help="what to add so that any Spark driver traces itself")
    spark.add_argument("--submit", action="store_true", help="as options of spark-submit, in one line")
    spark.add_argument("--jar", action="store_true", help="only the path of the listener's jar")

    parse = commands.add_parser("parse", help="what each DAG file costs to parse; a gate for CI")
    parse.add_argument("folder", metavar="DAGS_FOLDER")
    parse.add_argument("--max-seconds", type=float, metavar="S", help="exit with 1 where a file takes longer")
    parse.add_argument("--max-queries", type=int, metavar="N", help="... where a file needs more SQL statements")
    parse.add_argument("--max-calls", type=int, metavar="N", help="... where it asks Airflow's API more often")
    parse.add_argument("--max-errors", type=int, metavar="N", default=0, help="... has more import errors (default: 0)")
    parse.add_argument("--json", action="store_true", help="the same for programs: one JSON array")

    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "view":
            from dagtrace.cli.view import run

            return run(arguments.path, as_json=arguments.json, last=arguments.last, trace=arguments.trace)
        if arguments.command == "spark-conf":
            from dagtrace.cli.spark_conf import run as run_spark_conf

            return run_spark_conf(submit=arguments.submit, jar=arguments.jar)
        if arguments.command == "parse":
            from dagtrace.cli.parse import Limits
            from dagtrace.cli.parse import run as run_parse

            limits = Limits(arguments.max_seconds, arguments.max_queries, arguments.max_calls, arguments.max_errors)
            return run_parse(arguments.folder, limits, as_json=arguments.json)
        from dagtrace.cli.demo import run as run_demo

        return run_demo(arguments.folder)
    except BrokenPipeError:
        sys.stderr.close()  # `dagtrace view | head` is no error
        return 0


if __name__ == "__main__":
    sys.exit(main())
