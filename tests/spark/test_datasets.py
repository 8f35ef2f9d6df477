"""What each query read and wrote, held against the disk, the driver's own counting and Spark's SQL status store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dagtrace.semconv import attributes as names
from dagtrace.semconv import events


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Driver
    from dagtrace.record import Attributes, SpanRecord

pytestmark = pytest.mark.real

FORMATS = ("parquet", "orc", "csv", "json")
TABLE = "spark_catalog.default."


class Run(NamedTuple):
    """One run of ``datasets.py``."""

    driver: Driver
    truth: dict[str, Any]

    @property
    def spans(self) -> list[SpanRecord]:
        """Every query's span, in the order of their execution."""
        # Queries that Spark refused have no execution (before 4.0 a missing table is one): test_analysis has those.
        executed = (s for s in self.driver.spans if names.SPARK_SQL_EXECUTION_ID in s.attributes)
        found = [s for s in executed if s.name == "spark.sql"]
        return sorted(found, key=lambda s: str(s.attributes[names.SPARK_SQL_EXECUTION_ID]).zfill(9))

    def of(self, case: str) -> list[SpanRecord]:
        """Return the spans of one case; one without any was not run."""
        found = [s for s in self.spans if s.attributes.get(names.SPARK_SQL_DESCRIPTION) == case]
        assert found, case
        return found

    def reads(self, case: str) -> dict[str, Attributes]:
        """Return what a case read, by the last part of the dataset's name; each once in the whole case."""
        return self._told(case, events.DATA_READ)

    def writes(self, case: str) -> dict[str, Attributes]:
        """Return what a case wrote."""
        return self._told(case, events.DATA_WRITE)

    def _told(self, case: str, kind: str) -> dict[str, Attributes]:
        told = [e.attributes for s in self.of(case) for e in s.events if e.name == kind]
        found = {str(a[names.DATA_DATASET_NAME]).rpartition("/")[2]: a for a in told}
        assert len(found) == len(told), "told twice"
        return found

    def path(self, name: str) -> str:
        """Return where a dataset lies."""
        return str(self.driver.folder / "data" / name)


def _run(drive: Callable[..., Driver], folder: Path, v2: str) -> Run:
    driver = drive(f"import pathlib, datasets; datasets.main(pathlib.Path({str(folder)!r}), {v2!r})", folder)
    assert driver.process.returncode == 0, driver.process.stderr
    return Run(driver, json.loads((folder / "truth.json").read_text()))


@pytest.fixture(scope="module")
def run(drive: Callable[..., Driver], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run every case once."""
    return _run(drive, tmp_path_factory.mktemp("datasets"), "")


@pytest.fixture(scope="module")
def run_v2(drive: Callable[..., Driver], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run those with files once more, where Spark reads them by its version 2 sources."""
    return _run(drive, tmp_path_factory.mktemp("datasets_v2"), "v2")


def amounts(event: Attributes) -> tuple[Any, Any, Any]:
    """Return rows, files and bytes of an event, None for what it does not say."""
    return event.get(names.DATA_ROWS), event.get(names.DATA_FILES), event.get(names.DATA_BYTES)


def _number(text: str | None) -> int:
    """Return a count as Spark's store spells it; tasks' own are followed by (min, med, max)."""
    return int((text or "0").splitlines()[-1].split(" ", 1)[0].replace(",", ""))


@pytest.mark.parametrize("kind", FORMATS)
def test_files_written_and_read(run: Run, kind: str) -> None:
    """Rows, files and bytes are those on disk, both ways, and the reader finds the schema that the writer left."""
    (wrote,), (read,) = run.writes(f"write {kind}").values(), run.reads(f"read {kind}").values()
    assert amounts(wrote) == amounts(read) == (1000, *run.truth["disk"][f"write {kind}"])
    for event, operation in ((wrote, "create"), (read, "read")):
        assert event[names.DATA_DATASET_NAMESPACE] == "file"
        assert event[names.DATA_DATASET_NAME] == run.path(kind)
        assert event[names.DATA_DATASET_FORMAT] == kind
        assert event[names.DATA_OPERATION] == operation
        assert event[names.DATA_SCHEMA_COLUMNS] == 2
    assert wrote[names.DATA_SCHEMA_FINGERPRINT] == read[names.DATA_SCHEMA_FINGERPRINT]


@pytest.mark.parametrize("kind", FORMATS)
def test_files_of_version_2_sources(run_v2: Run, kind: str) -> None:
    """The same numbers where Spark has no metrics of files: they are those of the pieces it planned to read."""
    test_files_written_and_read(run_v2, kind)
    nodes = [name for _, name, _ in run_v2.truth["nodes"][f"read {kind}"]]
    assert any("BatchScan" in name for name in nodes), nodes


def test_every_scan_and_write_as_the_status_store_has_it(run: Run) -> None:
    """Each write, and each scan of Parquet files, has the rows and files that Spark's own SQL page shows."""
    seen = 0
    for case, nodes in run.truth["nodes"].items():
        if case in {"two folders", "collected again", "taken one by one"}:  # not as it is there: see below
            continue
        for execution, name, counted in nodes:
            (span,) = (s for s in run.of(case) if s.attributes[names.SPARK_SQL_EXECUTION_ID] == execution)
            rows = _number(counted["number of output rows"])
            if "Insert" in name:
                told = [e.attributes for e in span.events if e.name == events.DATA_WRITE]
                files = counted["number of written files"]
            else:
                told = [e.attributes for e in span.events if e.name == events.DATA_READ]
                told = [a for a in told if a[names.DATA_DATASET_FORMAT] == "parquet"]
                files = counted["number of files read"]
            if files is None:  # not done: a cache was used, the write failed or was not needed
                assert [amounts(a) for a in told] == ([(None, None, None)] if case == "write fails" else [])
                continue
            seen += 1
            assert [amounts(a)[:2] for a in told] == [(rows, _number(files))], case
    assert seen > 25


def test_partitions(run: Run) -> None:
    """A dataset is named without its partitions, and only the files of those used are counted."""
    disk = run.truth["disk"]
    assert {case: amounts(run.writes(case)["days"]) for case in ("partitioned", "dynamic overwrite", "overwrite")} == {
        "partitioned": (300, *disk["partitioned"]),
        "dynamic overwrite": (100, *disk["dynamic overwrite"]),
        "overwrite": (100, *disk["overwrite"]),
    }
    assert run.writes("dynamic overwrite")["days"][names.DATA_OPERATION] == "overwrite_partitions"
    assert run.writes("overwrite")["days"][names.DATA_OPERATION] == "overwrite"
    assert amounts(run.reads("pruned")["days"]) == (100, *disk["pruned"])
    assert run.reads("one partition")["days"][names.DATA_ROWS] == 100
    wrote, read = run.writes("partitioned")["days"], run.reads("pruned")["days"]
    assert wrote[names.DATA_SCHEMA_FINGERPRINT] == read[names.DATA_SCHEMA_FINGERPRINT]


def test_several_folders_in_one_scan(run: Run) -> None:
    """Both are named; how much came from which nobody counted, so it is not said."""
    assert {name: amounts(event) for name, event in run.reads("two folders").items()} == {
        "parquet": (None, None, None),
        "other": (None, None, None),
    }


def test_tables(run: Run) -> None:
    """Tables are named by their location, with the catalog's name beside it; nested executions tell a write once."""
    disk = run.truth["disk"]
    told = {
        case: [(name, event[names.DATA_OPERATION], event.get(names.DATA_DATASET_TABLE), event[names.DATA_ROWS])]
        for case in ("saveAsTable", "saveAsTable append", "insertInto", "ctas", "insert static", "insert overwrite")
        for name, event in run.writes(case).items()
    }
    assert told == {
        "saveAsTable": [("saved", "create", None, 20)],
        "saveAsTable append": [("saved", "append", TABLE + "saved", 20)],
        "insertInto": [("saved", "append", TABLE + "saved", 5)],
        "ctas": [("made", "create", None, 45)],
        "insert static": [("made", "overwrite_partitions", TABLE + "made", 9)],
        "insert overwrite": [("saved", "overwrite", TABLE + "saved", 32)],
    }
    for case in ("saveAsTable", "ctas", "insert static", "insert overwrite"):
        (event,) = run.writes(case).values()
        assert [event[names.DATA_FILES], event[names.DATA_BYTES]] == disk[case], case
        assert str(event[names.DATA_DATASET_NAME]).startswith(str(run.driver.folder / "warehouse"))
    assert amounts(run.reads("read table")["saved"]) == (32, *disk["insert overwrite"])
    assert run.reads("read pruned table")["made"][names.DATA_DATASET_TABLE] == TABLE + "made"
    assert amounts(run.reads("read nothing of table")["made"]) == (0, 0, 0)


def test_the_statement_that_makes_a_table_names_it(run: Run) -> None:
    """Spark fills a new table by a nested query that knows but a folder; the name is on the statement's span."""
    for case, table in (("saveAsTable", "saved"), ("ctas", "made")):
        assert TABLE + table in {s.attributes.get(names.DATA_DATASET_TABLE) for s in run.of(case)}


@pytest.mark.parametrize("which", ["run", "run_v2"])
def test_plans_that_use_a_scan_often(which: str, request: pytest.FixtureRequest) -> None:
    """A scan that is used twice has read once; subqueries count; what lay in a cache is not read again."""
    run: Run = request.getfixturevalue(which)
    rows = {
        case: {name: event[names.DATA_ROWS] for name, event in run.reads(case).items()}
        for case in ("join", "self join", "subquery", "cache filled", "cache used", "cache used and files", "empty")
    }
    assert rows == {
        "join": {"parquet": 1010, "orc": 1000},
        "self join": {"parquet": 1010},
        "subquery": {"parquet": 1010, "orc": 1000},
        "cache filled": {"parquet": 1010},
        "cache used": {},
        "cache used and files": {"orc": 1000},
        "empty": {"parquet": 0},
    }
    (span,) = (s for s in run.of("join") if s.attributes.get(names.DATA_INPUTS))
    assert sorted(span.attributes[names.DATA_INPUTS]) == [f"file:{run.path('orc')}", f"file:{run.path('parquet')}"]  # type: ignore[arg-type]


def test_the_same_frame_collected_again(run: Run) -> None:
    """Each collect has read all of it, though Spark sets the plan's metrics to zero when the next one begins."""
    told = [amounts(e.attributes) for s in run.of("collected again") for e in s.events]
    assert len(told) == 5
    assert {rows for rows, _, _ in told} == {1010}
    assert len(set(told)) == 1


def test_rows_taken_one_by_one(run: Run) -> None:
    """They are read after the query's own end, so how many there were is not said: it was not none."""
    assert [e.attributes.get(names.DATA_ROWS) for s in run.of("taken one by one") for e in s.events] in ([], [None])


def test_what_was_not_done_is_not_told(run: Run) -> None:
    """Ranges and local rows are no datasets; a write that found data and went away has written none."""
    assert [e for case in ("no dataset", "ignored") for s in run.of(case) for e in s.events] == []


def test_a_write_that_failed(run: Run) -> None:
    """It names what it meant to write, without any numbers, and has an error."""
    (event,) = run.writes("write fails").values()
    assert (amounts(event), event[names.DATA_DATASET_NAME]) == ((None, None, None), run.path("never"))
    (span,) = run.of("write fails")
    assert span.error is not None
    assert span.attributes[names.DATA_OUTPUTS] == [f"file:{run.path('never')}"]


def test_a_write_of_no_rows(run: Run) -> None:
    """A query that ran and found nothing has written 0 rows: said, because it is not the same as not having written."""
    assert amounts(run.writes("write nothing")["nothing"]) == (0, *run.truth["disk"]["write nothing"])


def test_a_single_file_keeps_its_name(run: Run) -> None:
    """Other files in its folder need not be of the same dataset."""
    assert amounts(run.reads("one file")["plain.csv"]) == (2, 1, 12)


@pytest.mark.parametrize("which", ["run", "run_v2"])
def test_nothing_went_wrong_and_nothing_shows(which: str, request: pytest.FixtureRequest) -> None:
    """No event was lost, nothing was thrown, and no stack trace of the user's errors has our classes in it."""
    run: Run = request.getfixturevalue(which)
    assert run.truth["problem"] == [0, ""]
    assert run.driver.warnings == []
    assert "io.dagtrace" not in run.driver.process.stdout + run.driver.process.stderr


def test_metrics_are_the_sums_of_the_events(run: Run) -> None:
    """Rows, bytes and files by dataset and operation add up to what the spans say; a write of no rows is one of 0."""
    expected: dict[tuple[str, ...], int] = {}
    kinds = {"rows": names.DATA_ROWS, "bytes": names.DATA_BYTES, "files": names.DATA_FILES}
    of_data = {events.DATA_READ, events.DATA_WRITE}
    for event in (event.attributes for span in run.spans for event in span.events if event.name in of_data):
        for metric, name in kinds.items():
            key = (f"data.dataset.{metric}", str(event[names.DATA_DATASET_NAME]), str(event[names.DATA_OPERATION]))
            if name in event:
                expected[key] = expected.get(key, 0) + int(str(event[name]))
    sums: dict[tuple[str, ...], int] = {}
    for metric in run.driver.points:
        if metric["name"].startswith("data.dataset."):
            for point in metric["sum"]["dataPoints"]:
                found = {a["key"]: a["value"]["stringValue"] for a in point["attributes"]}
                key = (metric["name"], found[names.DATA_DATASET_NAME], found[names.DATA_OPERATION])
                sums[key] = sums.get(key, 0) + int(point["asInt"])
    assert sums == expected
    assert sums["data.dataset.rows", run.path("nothing"), "create"] == 0


NAMES: dict[tuple[str, ...], list[str]] = {
    ("file:/data/flights",): ["file:/data/flights"],
    ("file:///data/a b",): ["file:/data/a b"],
    ("/data/flights/",): ["file:/data/flights"],
    ("hdfs://nn:8020/data/day=2026-01-31/hour=1",): ["hdfs://nn:8020/data"],
    ("hdfs://nn:8020/data/a@b.com/x",): ["hdfs://nn:8020/data/a@b.com/x"],
    ("s3a://bucket/flights/2026/01/31",): ["s3://bucket/flights"],
    ("s3://bucket/flights/2026-01-31/part-00000-1.snappy.parquet",): ["s3://bucket/flights"],
    ("s3n://bucket",): ["s3://bucket/"],
    ("s3a://AKIA:secret@bucket/key",): ["s3://bucket/key"],
    ("s3a://AKIA:se/cr/et@bucket/key/year=2026",): ["s3://bucket/key"],
    ("s3a://AKIA:1234/et@bucket/key",): ["s3://bucket/key"],
    ("s3a://AKIA@bucket/key",): ["s3://bucket/key"],
    ("hdfs://user:pass@nn:8020/data",): ["hdfs://nn:8020/data"],
    ("abfss://container@account.dfs.core.windows.net/data/20260131",): [
        "abfss://container@account.dfs.core.windows.net/data"
    ],
    ("wasbs://box:key@account.blob.core.windows.net/d",): ["wasbs://account.blob.core.windows.net/d"],
    ("gs://bucket/day=1", "gs://bucket/day=2"): ["gs://bucket/"],
    ("/in/a.csv", "/in/b.csv.gz"): ["file:/in"],
    ("/in/a.csv",): ["file:/in/a.csv"],
    ("/in/a", "/in/b", "/in/a/x=1"): ["file:/in/a", "file:/in/b"],
    ("/day=1",): ["file:/day=1"],
    ("/",): ["file:/"],
}


def test_names(ask: Callable[..., Any], tmp_path: Path) -> None:
    """Paths become namespaces and names as OpenLineage has them: no partitions, no part files, no credentials."""
    answer = ask("[list(listener.datasets(paths)) for paths in asked]", list(NAMES), tmp_path)
    assert dict(zip(NAMES, answer, strict=True)) == NAMES
