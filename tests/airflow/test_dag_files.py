"""What is told of a DAG file that was parsed."""

from __future__ import annotations

import dataclasses
from collections import Counter

from dagtrace.airflow import dag_files
from dagtrace.airflow.dag_files import Parse
from dagtrace.airflow.statements import Tally
from dagtrace.semconv import attributes as names
from dagtrace.semconv import metrics


PARSE = Parse("team/etl.py", "dags-folder", 10_000_000_000, 2.5, 3, 0, Tally(7, calls=Counter(variable=4)))
LABELS = {names.AIRFLOW_DAG_FILE_PATH: "team/etl.py", names.AIRFLOW_DAG_BUNDLE_NAME: "dags-folder"}
N_PLUS_1 = Tally(1801, Counter({"SELECT a FROM dag_tag WHERE b = ?": 1800, "COMMIT": 1}))


def test_points_are_the_parse() -> None:
    """Each number is one point; a purpose nobody had yet is 0, so that a rate sees its first call."""
    found = {
        (point.metric.name, point.attributes.get(names.AIRFLOW_API_CALL_PURPOSE)): point.value
        for point in dag_files.points(PARSE, PARSE.path)
    }
    assert found == {
        (metrics.AIRFLOW_DAG_FILE_PARSE_DURATION.name, None): 2.5,
        (metrics.AIRFLOW_DAG_FILE_PARSE_DB_QUERIES.name, None): 7,
        (metrics.AIRFLOW_DAG_FILE_PARSE_API_CALLS.name, "variable"): 4,
        (metrics.AIRFLOW_DAG_FILE_PARSE_API_CALLS.name, "connection"): 0,
        (metrics.AIRFLOW_DAG_FILE_PARSE_API_CALLS.name, "xcom"): 0,
        (metrics.AIRFLOW_DAG_FILE_DAGS.name, None): 3,
        (metrics.AIRFLOW_DAG_FILE_IMPORT_ERRORS.name, None): 0,
    }
    assert all(point.attributes.items() >= LABELS.items() for point in dag_files.points(PARSE, PARSE.path))


def test_files_beyond_the_cap_have_no_gauge() -> None:
    """Under the name that stands for many files, only what adds up is told."""
    told = {point.metric.instrument for point in dag_files.points(PARSE, dag_files.OTHERS)}
    assert told == {"histogram", "counter"}


def test_news() -> None:
    """The first parse is news, the same again is not; other DAGs, errors, loops and much slower ones are."""
    assert dag_files.is_news(PARSE, None)
    assert not dag_files.is_news(dataclasses.replace(PARSE, seconds=4.9), PARSE)
    for change in ({"dags": 2}, {"import_errors": 1}, {"seconds": 5.1}, {"tally": N_PLUS_1}):
        assert dag_files.is_news(dataclasses.replace(PARSE, **change), PARSE), change


def test_the_span_names_loops_without_their_text() -> None:
    """It lasts as long as the parse, and says operation and table of what was repeated; the text by leave only."""
    parse = dataclasses.replace(PARSE, tally=N_PLUS_1)
    told = dag_files.span(parse, "host", sql=False)
    assert (told.name, told.parent_id, told.end_ns - told.start_ns) == ("dag_file.parse", None, 2_500_000_000)
    assert told.attributes[names.AIRFLOW_DAG_FILE_REPEATED_STATEMENTS] == ["SELECT dag_tag"]
    assert told.attributes[names.AIRFLOW_DAG_FILE_REPEATED_COUNTS] == [1800]
    assert told.attributes[names.AIRFLOW_DAG_FILE_DB_QUERIES] == 1801
    assert told.error is None
    with_text = dag_files.span(parse, "host", sql=True)
    assert with_text.attributes[names.AIRFLOW_DAG_FILE_REPEATED_STATEMENTS] == ["SELECT a FROM dag_tag WHERE b = ?"]


def test_a_file_that_cannot_be_imported_is_an_error() -> None:
    """The status says so, as that of whatever else failed."""
    told = dag_files.span(dataclasses.replace(PARSE, import_errors=1), "host", sql=False)
    assert told.error is not None
    assert told.attributes[names.ERROR_TYPE] == "import_error"
