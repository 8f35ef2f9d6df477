# ruff: noqa: E501 - a drawn line is as long as it is
"""``dagtrace view``: one line per span with what matters of it, the same for programs, and one line where it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from dagtrace import __version__
from dagtrace.cli import main
from dagtrace.cli.view import seconds, size
from dagtrace.record import Event, Link, SpanRecord
from dagtrace.semconv import attributes as names
from dagtrace.semconv import events
from dagtrace.telemetry.otlp_json import to_line
from dagtrace.telemetry.spans import to_span


if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
RESOURCE = Resource({names.SERVICE_NAME: "airflow"})


@pytest.fixture(autouse=True)
def _plain(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever terminal the tests run in, the tree is drawn as into a pipe."""
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(variable, raising=False)


def _write(folder: Path, *records: SpanRecord) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "traces-h-20260101.jsonl"
    with file.open("ab") as lines:
        lines.write(to_line(encode_spans([to_span(record, RESOURCE) for record in records])))
    return file


class Tree:
    """Makes the spans of one trace, one after the other."""

    def __init__(self, trace_id: int, start: int = T) -> None:
        self.trace_id = trace_id
        self.start = start
        self.records: list[SpanRecord] = []

    def add(self, name: str, parent: int | None, took: float, found: dict[str, Any], error: str | None = None) -> int:
        """Add a span; return its id."""
        number = len(self.records) + 1
        self.records.append(
            SpanRecord(
                name=name,
                trace_id=self.trace_id,
                span_id=number,
                parent_id=parent,
                start_ns=self.start + number,
                end_ns=self.start + number + round(took * SECOND),
                attributes=found,
                error=error,
            )
        )
        return number

    def tried(
        self, task: str, parent: int, number: int, state: str, *, index: int = -1, rendered: str | None = None
    ) -> int:
        """Add a try of a task."""
        found = {
            names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: number,
            names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: index,
            names.AIRFLOW_TASK_INSTANCE_STATE: state,
        }
        if rendered:
            found[names.AIRFLOW_TASK_INSTANCE_RENDERED_MAP_INDEX] = rendered
        error = f"try {number} failed" if state == "failed" else None
        return self.add(f"task_instance {task}", parent, number, found, error)


def _flights() -> Tree:
    tree = Tree(0xABCDEF)
    run = {names.AIRFLOW_DAG_RUN_RUN_ID: "manual__[2026]", names.AIRFLOW_DAG_RUN_STATE: "failed"}
    root = tree.add("dag_run flights", None, 3 * 3600 + 61, run, "the run failed")
    first = tree.tried("flaky", root, 1, "failed")
    tree.add(
        "execute PythonOperator", first, 0.25, {names.ERROR_TYPE: "OSError"}, "no [bold]space[/] left\nsecond line"
    )
    second = tree.tried("flaky", root, 2, "success")
    tree.add("execute PythonOperator", second, 0.0004, {})
    tree.tried("per_month", root, 1, "success", index=0, rendered="January")
    tree.tried("per_month", root, 1, "success", index=1)
    tree.tried("branch", root, 1, "skipped")
    tree.tried("report", root, 1, "upstream_failed")
    spark = tree.tried("spark", root, 1, "success")
    application = tree.add("spark.application flights", spark, 75, {})
    described = {names.SPARK_SQL_EXECUTION_ID: 3, names.SPARK_SQL_DESCRIPTION: "save at <stdin>:1\nmore"}
    sql = tree.add("spark.sql", application, 59.94, described)
    job = tree.add("spark.job", sql, 12, {names.SPARK_JOB_ID: 7})
    stage = {
        names.SPARK_STAGE_ID: 8,
        names.SPARK_STAGE_ATTEMPT_ID: 0,
        names.SPARK_STAGE_NAME: "parquet at Native",
        names.SPARK_STAGE_DESCRIPTION: "write flights",
        names.SPARK_STAGE_TASKS_TOTAL: 200,
        names.SPARK_STAGE_TASKS_SUCCEEDED: 198,
        names.SPARK_STAGE_TASKS_FAILED: 2,
        names.SPARK_STAGE_INPUT_BYTES: 1023,
        names.SPARK_STAGE_OUTPUT_BYTES: 1536,
        names.SPARK_STAGE_SPILL_DISK_BYTES: 2 * 1024**4,
    }
    tree.add("spark.stage", job, 5, stage, "fetch failed")
    again = {
        names.SPARK_STAGE_ID: 8,
        names.SPARK_STAGE_ATTEMPT_ID: 1,
        names.SPARK_STAGE_DESCRIPTION: "write flights",
        names.SPARK_STAGE_TASKS_TOTAL: 2,
        names.SPARK_STAGE_TASKS_SUCCEEDED: 2,
        names.SPARK_STAGE_SHUFFLE_READ_BYTES: 5 * 1024**2,
        names.SPARK_STAGE_SHUFFLE_WRITE_BYTES: 3 * 1024**3,
        names.SPARK_STAGE_SKEW: 4.26,
    }
    tree.add("spark.stage", job, 5, again)
    return tree


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_a_trace_is_drawn_as_a_tree(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Failed, retried, skipped and mapped tries, the Spark application down to its stages' numbers: a line each."""
    _write(fresh, *_flights().records)
    assert main(["view", str(fresh)]) == 0
    assert _lines(capsys.readouterr().out) == snapshot(
        [
            "trace 00000000000000000000000000abcdef  2026-01-01 00:00:00 UTC",
            "└── ✗ dag_run flights  manual__[2026]  3 h 01 min",
            "    ├── ✗ task_instance flaky  try 1  1.0 s",
            "    │   └── ✗ execute PythonOperator  250 ms  OSError: no [bold]space[/] left",
            "    ├── ✓ task_instance flaky  try 2  2.0 s",
            "    │   └── ✓ execute PythonOperator  0 ms",
            "    ├── ✓ task_instance per_month  [January]  try 1  1.0 s",
            "    ├── ✓ task_instance per_month  [1]  try 1  1.0 s",
            "    ├── ✓ task_instance branch  try 1  1.0 s  skipped",
            "    ├── ✓ task_instance report  try 1  1.0 s  upstream_failed",
            "    └── ✓ task_instance spark  try 1  1.0 s",
            "        └── ✓ spark.application flights  1 min 15 s",
            "            └── ✓ spark.sql  #3  save at <stdin>:1  59.9 s",
            "                └── ✓ spark.job  #7  12.0 s",
            "                    ├── ✗ spark.stage  #8  write flights  5.0 s  tasks 198/200 · 2 failed · in 1023 B · out 1.5 KiB · spill 2.0 TiB  fetch failed",
            "                    └── ✓ spark.stage  #8.1  write flights  5.0 s  tasks 2/2 · shuffle read 5.0 MiB · shuffle write 3.0 GiB · skew 4.3",
        ]
    )


def test_the_folder_is_the_one_of_the_environment(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a path ``view`` looks where the processes of this environment write."""
    _write(fresh, *_flights().records)
    assert main(["view"]) == 0
    assert "dag_run flights" in capsys.readouterr().out


def test_a_run_still_going_is_shown(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While the root is not there yet, its tries are drawn under a line that says so."""
    _write(fresh, *_flights().records[1:3])
    assert main(["view"]) == 0
    assert _lines(capsys.readouterr().out)[1:] == snapshot(
        [
            "└── parent not in these files (yet)",
            "    └── ✗ task_instance flaky  try 1  1.0 s",
            "        └── ✗ execute PythonOperator  250 ms  OSError: no [bold]space[/] left",
        ]
    )


def test_what_has_only_started_is_shown(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a run and a try that are going there are markers: since when, and no duration that would look like the end."""
    about: dict[str, Any] = {names.DAGTRACE_STARTED: True, names.AIRFLOW_DAG_RUN_RUN_ID: "r"}
    run = SpanRecord("dag_run.started flights", 1, 11, 1, T, T, about)
    tried: dict[str, Any] = {**about, names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: 2}
    _write(fresh, run, SpanRecord("task_instance.started enrich", 1, 12, 2, T + SECOND, T + SECOND, tried))
    assert main(["view"]) == 0
    assert _lines(capsys.readouterr().out)[1:] == snapshot(
        [
            "└── parent not in these files (yet)",
            "    ├── ▸ dag_run.started flights  r  since 2026-01-01 00:00:00 UTC",
            "    └── ▸ task_instance.started enrich  try 2  since 2026-01-01 00:00:01 UTC",
        ]
    )


def test_where_things_came_from_is_shown(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each link, but for retries; many are counted, and JSON has them all."""
    above: dict[str, Any] = {names.AIRFLOW_TASK_ID: "above", names.AIRFLOW_TASK_INSTANCE_TRY_NUMBER: 2}
    maker = above | {names.AIRFLOW_DAG_ID: "m", names.AIRFLOW_DAG_RUN_RUN_ID: "r"}
    sized = {names.AIRFLOW_XCOM_KEY: "k", names.AIRFLOW_XCOM_TYPE: "string", names.AIRFLOW_XCOM_SIZE: 2048}
    kind = names.DAGTRACE_LINK_TYPE
    of_run = [
        Link(7, 8, {kind: "cleared"}),
        Link(7, 8, {kind: "trigger", **maker}),
        Link(7, 8, {kind: "asset", **maker, names.AIRFLOW_ASSET_URI: "s3://[b]"}),
    ]
    of_try = [
        Link(1, 2, {kind: "retry", **above}),
        Link(1, 2, {kind: "xcom", **above, **sized, names.AIRFLOW_XCOM_REFERENCED: True}),
        *(Link(1, i, {kind: "xcom", **above, names.AIRFLOW_TASK_INSTANCE_MAP_INDEX: i}) for i in range(1, 8)),
        Link(5, 6),  # somebody else's
    ]
    _write(
        fresh,
        SpanRecord("dag_run d", 0xAB, 1, None, T, T + SECOND, links=of_run),
        SpanRecord("task_instance t", 0xAB, 2, 1, T, T + SECOND, links=of_try),
    )
    assert main(["view"]) == 0
    assert [line.rstrip() for line in _lines(capsys.readouterr().out)[1:]] == snapshot(
        [
            "└── ✓ dag_run d  1.0 s",
            "    ├── ⇠ cleared; was trace 00000000000000000000000000000007",
            "    ├── ⇠ triggered by m r above try 2",
            "    ├── ⇠ s3://[b] made by m r above try 2",
            "    └── ✓ task_instance t  try ?  1.0 s",
            "        ├── ⇠ above try 2 · k string 2.0 KiB",
            "        ├── ⇠ comes after above[1] try 2 · ?",
            "        ├── ⇠ comes after above[2] try 2 · ?",
            "        ├── ⇠ comes after above[3] try 2 · ?",
            "        ├── ⇠ comes after above[4] try 2 · ?",
            "        ├── ⇠ comes after above[5] try 2 · ?",
            "        └── ⇠ … 2 more",
        ]
    )
    assert main(["view", "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    (task,) = document["roots"][0]["children"]
    assert len(task["links"]) == 10
    assert task["links"][-1] == {"trace_id": f"{5:032x}", "span_id": f"{6:016x}", "attributes": {}}


def test_a_query_says_what_it_read_and_wrote(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A query's line has each dataset with rows and bytes, as far as they are known, and no more than four of them."""
    read: dict[str, Any] = {names.DATA_OPERATION: "read", names.DATA_DATASET_NAME: "/data/flights/"}
    wrote: dict[str, Any] = {names.DATA_OPERATION: "overwrite_partitions", names.DATA_DATASET_NAME: "/warehouse/delays"}
    found = [
        Event(events.DATA_READ, T, read | {names.DATA_ROWS: 336_776, names.DATA_BYTES: 12 << 20}),
        Event(events.DATA_WRITE, T, wrote | {names.DATA_DATASET_TABLE: "main.delays", names.DATA_ROWS: 0}),
        Event("something else", T, {}),
        Event(events.DATA_READ, T, {names.DATA_DATASET_NAME: "/[b]"}),
    ]
    span = SpanRecord("spark.sql", 1, 2, None, T, T + SECOND, {names.SPARK_SQL_EXECUTION_ID: 0}, events=found)
    many = SpanRecord("spark.sql", 1, 3, 2, T, T + SECOND, {names.SPARK_SQL_EXECUTION_ID: 1}, events=found[:1] * 6)
    assert main(["view", str(_write(fresh, span, many))]) == 0
    one = "read flights 336,776 rows 12.0 MiB"
    assert _lines(capsys.readouterr().out)[1:] == [
        f"└── ✓ spark.sql  #0  1.0 s  {one} · overwrite partitions main.delays 0 rows · ? [b]",
        f"    └── ✓ spark.sql  #1  1.0 s  {one} · {one} · {one} · {one} · … 2 more",
    ]


def test_a_run_within_another_systems_trace_is_a_root_here(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its parent will be in none of these files: nobody has to wait for it; two such runs are two trees."""
    runs = [SpanRecord(f"dag_run {n}", 0xAB, n, 99, T, T + SECOND, remote_parent=True) for n in (1, 2)]
    _write(fresh, *runs, SpanRecord("task_instance t", 0xAB, 3, 1, T, T + SECOND))
    assert main(["view"]) == 0
    assert _lines(capsys.readouterr().out)[1:] == snapshot(
        ["├── ✓ dag_run 1  1.0 s", "│   └── ✓ task_instance t  try ?  1.0 s", "└── ✓ dag_run 2  1.0 s"]
    )


def test_json_holds_the_same_for_programs(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One array; ids in hex, times in seconds, every attribute, events, the error and the children."""
    tree = Tree(0xAB)
    root = tree.add("dag_run d", None, 2, {names.AIRFLOW_DAG_ID: "d"})
    tree.add("task_instance t", root, 1.5, {"n": 1, "list": ["x"]}, "try 1 failed")
    tree.records.append(SpanRecord("lost", 0xAB, 9, 8, T, T, events=(Event("exception", T, {"a": "b"}),)))
    _write(fresh, *tree.records)
    assert main(["view", "--json", str(fresh)]) == 0
    start = T / 1e9
    child: dict[str, Any] = {
        "name": "task_instance t",
        "span_id": "0000000000000002",
        "parent_id": "0000000000000001",
        "start": start,
        "duration": 1.5,
        "error": "try 1 failed",
        "attributes": {"n": 1, "list": ["x"]},
        "events": [],
        "links": [],
        "service": "airflow",
        "children": [],
    }
    root_document: dict[str, Any] = {
        "name": "dag_run d",
        "span_id": "0000000000000001",
        "parent_id": None,
        "start": start,
        "duration": 2.0,
        "error": None,
        "attributes": {"airflow.dag_id": "d"},
        "events": [],
        "links": [],
        "service": "airflow",
        "children": [child],
    }
    orphan: dict[str, Any] = {
        "name": "lost",
        "span_id": "0000000000000009",
        "parent_id": "0000000000000008",
        "start": start,
        "duration": 0.0,
        "error": None,
        "attributes": {},
        "events": [{"name": "exception", "attributes": {"a": "b"}}],
        "links": [],
        "service": "airflow",
        "children": [],
    }
    assert json.loads(capsys.readouterr().out) == [
        {"trace_id": f"{0xAB:032x}", "roots": [root_document], "orphans": [orphan]}
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["a", "b", "c"]),
        (["--last", "1"], ["c"]),
        (["--last", "2"], ["b", "c"]),
        (["--last", "9"], ["a", "b", "c"]),
        (["--trace", "0" * 31 + "B"], ["b"]),
    ],
)
def test_some_traces_out_of_many(
    options: list[str], shown: list[str], fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--last`` keeps the newest, ``--trace`` those whose id begins so, in either case of hex."""
    for trace_id, name, start in ((0xC, "c", 3), (0xA, "a", 1), (0xB, "b", 2)):
        tree = Tree(trace_id, T + start * SECOND)
        tree.add(f"dag_run {name}", None, 1, {})
        _write(fresh, *tree.records)
    assert main(["view", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [trace["roots"][0]["name"].removeprefix("dag_run ") for trace in found] == shown


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_trace_that_is_not_there_is_one_line_and_code_2(
    more: list[str], fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script that asks for one trace must see that it is not there."""
    _write(fresh, *_flights().records)
    assert main(["view", "--trace", "F00", *more]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == "dagtrace view: no trace here has an id that begins with F00\n"


def test_a_path_nobody_can_read_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A home of nobody, a name longer than any: no traceback."""
    for path in ("~no-such-user/x", "x" * 5000):
        assert main(["view", path]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert [line.partition(":")[0] for line in err.splitlines()] == ["dagtrace view"] * 2


def test_any_text_is_one_line(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks, a terminal's control codes, half a surrogate and rich's own markup: each span stays one line."""
    tree = Tree(1)
    tree.add("spark.sql", None, 1, {names.SPARK_SQL_DESCRIPTION: "\x1b[31m\rred"}, "[/] " + "x" * 155 + "[b]")
    tree.add("two\nlines [/]", 1, 1, {})
    file = _write(fresh, *tree.records)
    file.write_bytes(file.read_bytes().replace(b'spark.sql"', b'spark.sql \\ud800"', 1))
    assert main(["view"]) == 0
    shown = ["└── ✗ spark.sql    #?   [31m red  1.0 s  [/] " + "x" * 155 + "[", "    └── ✓ two lines [/]  1.0 s"]
    assert _lines(capsys.readouterr().out)[1:] == shown


def test_nothing_stands_for_a_description_that_is_not_there(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two blanks between the parts, never four."""
    tree = Tree(1)
    tree.add("spark.stage", None, 5, {names.SPARK_STAGE_ID: 8, names.SPARK_STAGE_TASKS_TOTAL: 2})
    _write(fresh, *tree.records)
    assert main(["view"]) == 0
    assert _lines(capsys.readouterr().out)[1:] == ["└── ✓ spark.stage  #8  5.0 s  tasks 0/2"]


def test_no_files_is_one_line_and_code_2(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on stdout, one line on stderr, a code that a script can see; the same for an empty folder."""
    assert main(["view", "--json"]) == 2
    fresh.mkdir()
    assert main(["view"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == [
        f"dagtrace view: {fresh} does not exist; traces lie in DAGTRACE_HOME (default ~/.dagtrace)",
        (
            f"dagtrace view: {fresh} holds no traces*.jsonl: they lie in DAGTRACE_HOME (default ~/.dagtrace) where no "
            "endpoint is set, of what ran with DAGTRACE_ENABLED=true, or of Spark drivers set up by `dagtrace spark-conf`"
        ),
    ]


def test_a_line_of_nonsense_is_one_line_and_code_2(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File and line number are named, nothing is drawn of a file that cannot be trusted."""
    file = _write(fresh, *_flights().records)
    with file.open("ab") as lines:
        lines.write(b"nonsense\n")
    assert main(["view", str(file)]) == 2
    out, err = capsys.readouterr()
    assert not out
    [line] = err.splitlines()
    assert line.startswith(f"dagtrace view: {file}:2 is not a line of OTLP/JSON spans (")


def test_a_torn_last_line_is_no_reason_to_fail(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scheduler is writing while somebody looks."""
    file = _write(fresh, *_flights().records)
    with file.open("ab") as lines:
        lines.write(b'{"resourceSpans":[{"resou')
    assert main(["view", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "dag_run flights" in out
    assert not err


def test_a_reader_that_went_away_is_no_error(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``dagtrace view | head`` closes the pipe: no traceback, code 0."""
    import io
    import sys

    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    _write(fresh, *_flights().records)
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["view", "--json"]) == 0


def test_into_a_pipe_each_span_is_one_line(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``view | grep`` works by lines: a long DAG id and a long run id do not break them (Airflow allows 250 each)."""
    tree = Tree(1)
    tree.add(f"dag_run {'d' * 120}", None, 1, {names.AIRFLOW_DAG_RUN_RUN_ID: "r" * 120})
    _write(fresh, *tree.records)
    assert main(["view"]) == 0
    assert len(_lines(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ms"),
        (0.0004, "0 ms"),
        (0.25, "250 ms"),
        (1, "1.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (61.4, "1 min 01 s"),
        (3599.6, "1 h 00 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations_as_people_say_them(value: float, text: str) -> None:
    """Two units at most."""
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.9996, "1.0 s"), (59.97, "1 min 00 s")])
def test_a_duration_just_below_a_unit_is_said_in_it(value: float, text: str) -> None:
    """Not "1000 ms", not "60.0 s"."""
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1536, "1.5 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (2048 * 1024**4, "2048.0 TiB"),
    ],
)
def test_sizes_as_people_say_them(value: float, text: str) -> None:
    """Powers of 1024, as Spark's own UI."""
    assert size(value) == text


def test_the_command_line_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` answers; no command and an unknown one are usage errors with code 2."""
    for arguments, code in ((["--version"], 0), ([], 2), (["dance"], 2), (["view", "--last", "0"], 2)):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == code
    out, err = capsys.readouterr()
    assert out == f"dagtrace {__version__}\n"
    assert err.count("usage: dagtrace") == 3
    assert err.endswith("argument --last: expected a whole number of 1 or more, not '0'\n")
