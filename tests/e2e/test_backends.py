"""What real Jaeger and Prometheus say of real Airflow and real Spark; ``support/told.py`` has what was run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest

from support import otlp
from support.runs import TRIES
from support.telling import until
from support.told import BOTH, HOURS


if TYPE_CHECKING:
    from support.told import Told

pytestmark = [pytest.mark.real, pytest.mark.backends]

APPLICATIONS = ("breaks", "flights-enrich", "short")
RUNS = [*((dag_id, run_id) for dag_id in ("small", "flights") for run_id in BOTH), ("hours", "after")]


@pytest.mark.parametrize(("dag_id", "run_id"), RUNS)
def test_jaeger_has_one_whole_tree_per_run(told: Told, dag_id: str, run_id: str) -> None:
    """The trace that a task's log names has one root, no orphan, no warning, and a try for each of the database's."""
    spans = told.jaeger.trace(told.trace_id(dag_id, run_id))
    ids = {span["spanID"] for span in spans}
    parents = {
        span["spanID"]: [
            r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF" and r["traceID"] == span["traceID"]
        ]
        for span in spans
    }
    (root,) = (span for span in spans if not parents[span["spanID"]])
    assert root["operationName"] == f"dag_run {dag_id}"
    assert root["tags"]["airflow.dag_run.run_id"] == run_id
    assert [span["operationName"] for span in spans if not ids.issuperset(parents[span["spanID"]])] == []
    assert [span["warnings"] for span in spans if span["warnings"]] == []
    assert len(ids) == len(spans)
    tries = told.query(TRIES.format(dag_id=dag_id, run_id=run_id))
    told_tries = [
        (span["tags"]["airflow.task_id"], int(span["tags"]["airflow.task_instance.try_number"]))
        for span in spans
        if span["operationName"].startswith("task_instance ")
    ]
    assert sorted(told_tries) == sorted((row["task_id"], row["try_number"]) for row in tries)
    kinds = {span["operationName"].partition(" ")[0] for span in spans}
    assert dag_id != "flights" or {"spark.application", "spark.sql", "spark.job", "spark.stage"} <= kinds
    assert (dag_id == "hours") == (root["duration"] > HOURS * 3600 * 1e6)


@pytest.mark.parametrize("dag_id", ["small", "flights"])
def test_a_search_by_service_finds_the_runs(told: Told, dag_id: str) -> None:
    """Jaeger's search by Airflow's service and a DAG's operation gives both runs' traces and no other."""
    assert "airflow" in told.jaeger.services()
    found = told.jaeger.found("airflow", f"dag_run {dag_id}")
    assert {int(trace_id, 16) for trace_id in found} == {
        int(told.trace_id(dag_id, run_id), 16) for run_id in ("before", "after")
    }


@pytest.mark.parametrize("dag_id", ["small", "flights", "applications", "many"])
def test_runs_and_tries_add_up_to_the_database(told: Told, dag_id: str) -> None:
    """
    Runs by state, and tries by task and state, are in Prometheus as often as in the database, over both restarts.

    Two hundred tasks of a second, some of which failed and were tried again, are among them.
    """
    where = f'airflow_dag_id="{dag_id}"'
    runs = told.prometheus.counted("airflow_dag_run_count_total", "airflow_dag_run_state", where=where)
    states = told.query("select state, count(*) as n from dag_run where dag_id = %s group by state", dag_id)
    assert _positive(runs) == {(row["state"],): row["n"] for row in states} != {}
    tries: dict[tuple[str, ...], float] = {}
    for row in told.tries(dag_id):
        key = (row["task_id"], row["state"])
        tries[key] = tries.get(key, 0) + 1
    labels = ("airflow_task_id", "airflow_task_instance_state")
    assert _positive(told.prometheus.counted("airflow_task_instance_count_total", *labels, where=where)) == tries
    assert dag_id != "many" or sum(tries.values()) > 200


def test_seconds_add_up_to_the_database(told: Told) -> None:
    """The sums of the task's duration histograms are the database's seconds."""
    sums = told.prometheus.counted(
        "airflow_task_instance_duration_seconds_sum", "airflow_task_id", where='airflow_dag_id="flights"'
    )
    truth: dict[tuple[str, ...], float] = {}
    for row in told.tries("flights"):
        key = (row["task_id"],)
        truth[key] = truth.get(key, 0) + (row["end_date"] - row["start_date"]).total_seconds()
    assert sums == pytest.approx(truth, abs=0.01)


def test_sparks_rows_and_bytes_add_up_to_the_files(told: Told) -> None:
    """
    Two drivers, one before and one after the collector's restart, wrote twice what now lies on disk.

    Each is a sample of its own, as large as what it wrote: a board can say how much the last one was.
    """
    from pyarrow import parquet

    read = cast("Any", parquet).read_metadata
    files = list((told.folder / "data" / "by_carrier.parquet").rglob("*.parquet"))
    rows = sum(read(file).num_rows for file in files)
    size = sum(file.stat().st_size for file in files)
    where = 'data_operation="overwrite", spark_application_name="flights-enrich"'
    count = told.prometheus.added
    assert rows > 0
    assert count("data_dataset_rows_total", where=where) == {(): 2 * rows}
    assert count("data_dataset_bytes_total", where=where) == {(): 2 * size}
    assert count("data_dataset_files_total", where=where) == {(): 2 * len(files)}
    application = 'spark_application_name="flights-enrich"'
    assert count("spark_stage_output_records_total", where=application) == {(): 2 * rows}
    assert count("spark_application_duration_seconds_count", where=application) == {(): 2}


def test_sparks_totals_add_up(told: Told) -> None:
    """Twenty short applications, ten before and ten after the restart: the sums of what each's status store says."""
    totals: dict[str, int] = {}
    rows = told.query("select value from xcom where dag_id = 'applications' and key = 'return_value'")
    said = [json.loads(row["value"]) if isinstance(row["value"], str) else row["value"] for row in rows]
    assert len(said) == 20
    for one in said:
        for key, number in one.items():
            totals[key] = totals.get(key, 0) + number
    where = 'spark_application_name="short"'
    added = told.prometheus.added
    assert added("spark_application_duration_seconds_count", where=where) == {(): 20}
    assert added("spark_stage_output_records_total", where=where) == {(): totals["rows"]}
    assert added("data_dataset_rows_total", where=where) == {(): totals["rows"]}
    assert added("spark_stage_output_bytes_total", where=where) == {(): totals["bytes"]}
    assert added("spark_stage_tasks_total", "spark_task_outcome", where=where)[("succeeded",)] == totals["tasks"]
    assert added("spark_stage_shuffle_bytes_total", "spark_io_direction", where=where)[("write",)] == totals["shuffled"]


def test_a_number_leads_to_its_trace(told: Told) -> None:
    """The exemplars of a run's and of an application's duration are the traces that the runs' own logs name."""
    end = told.began + 7200
    for selector in (
        'airflow_dag_run_duration_seconds_bucket{airflow_dag_id="flights"}',
        'spark_application_duration_seconds_bucket{spark_application_name="flights-enrich"}',
    ):
        found = {one["labels"]["trace_id"] for one in told.prometheus.exemplars(selector, told.began, end)}
        assert found == {told.trace_id("flights", run_id) for run_id in BOTH}, selector


def test_series_are_per_application_not_per_process(told: Told) -> None:
    """Two drivers and one collector make one series of each of Spark's metrics, with the collector as its instance."""
    series = told.prometheus.query("last_over_time(spark_application_duration_seconds_count[1d])")
    assert sorted(one["metric"]["spark_application_name"] for one in series) == sorted(APPLICATIONS)
    assert {one["metric"]["instance"] for one in series} == {"collector-1"}


def test_overlapping_deltas_all_count(told: Told) -> None:
    """Sixty processes that tell at once, of the same seconds, some whole numbers and some broken: nothing is lost."""
    values = [number if number % 3 else number + 0.5 for number in range(60)]

    def tell(value: float) -> None:
        otlp.post(told.stack.urls["otlp"], "metrics", otlp.delta(value))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(tell, values))
    until(
        lambda: told.prometheus.added("driver_work_total") == {(): sum(values)},
        f"the sum is {sum(values)}",
        timeout=30,
    )
    assert len(told.prometheus.query("last_over_time(driver_work_total[1h])")) == 1


def test_the_second_line_of_defence(told: Told) -> None:
    """A secret that a user's own span carries does not reach Jaeger: whole where the key says so, else what matches."""
    attributes = {
        "app.password": "hunter2",
        "app.note": "see postgresql://reader:hunter2@db.example/flights for more",
        "app.rows": "42",
    }
    trace_id = "5b8efff798038103d269b633813fc60c"
    otlp.post(told.stack.urls["otlp"], "traces", otlp.span(trace_id, "leaky", attributes))
    until(lambda: bool(told.jaeger.trace(trace_id)), "the span is in Jaeger")
    (span,) = told.jaeger.trace(trace_id)
    assert "hunter2" not in json.dumps(span)
    assert span["tags"]["app.rows"] == "42"
    assert span["tags"]["app.note"].startswith("see ")
    assert span["tags"]["app.note"].endswith("db.example/flights for more")


def test_local_files_are_read_and_followed(told: Told) -> None:
    """What dagtrace wrote where it had no endpoint comes to Jaeger, also the line that is added later."""
    file = told.folder / "written" / "traces-host-20261122.jsonl"
    file.parent.mkdir(exist_ok=True)
    for trace_id in ("6b8efff798038103d269b633813fc60c", "7b8efff798038103d269b633813fc60c"):
        with file.open("a") as out:
            out.write(json.dumps(otlp.span(trace_id, "from a file", {})) + "\n")
        until(lambda: bool(told.jaeger.trace(trace_id)), "the span is in Jaeger")  # noqa: B023 - used at once
        (span,) = told.jaeger.trace(trace_id)
        assert span["operationName"] == "from a file"


def test_task_logs_come_with_their_trace(told: Told) -> None:
    """Each line of a task's log that names a trace arrives as a record of that trace, with the task it is of."""
    lines = told.lines("small", "before", "traced")
    wanted = {(line["trace_id"], line["span_id"], line["event"]) for line in lines if "trace_id" in line}
    assert wanted

    def arrived() -> set[tuple[str, str, str]]:
        return {
            (record.get("traceId", ""), record.get("spanId", ""), record["body"].get("stringValue", ""))
            for record in told.logs.logs()
            if {"key": "airflow.task_id", "value": {"stringValue": "traced"}} in record["attributes"]
        }

    until(lambda: wanted <= arrived(), f"{wanted} in the logs")


def _positive(counts: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in counts.items() if value}
