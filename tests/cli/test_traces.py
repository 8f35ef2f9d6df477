"""Local files back into traces: all spans find their parent, what is torn is passed over, what is nonsense is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagtrace.cli.traces import Trace, UnreadableError, files, read


if TYPE_CHECKING:
    from pathlib import Path


def _span(name: str, trace: str, span: str, parent: str = "", *, start: int = 1, end: int = 2) -> dict[str, Any]:
    return {
        "name": name,
        "traceId": trace * 32,
        "spanId": span * 16,
        "parentSpanId": parent * 16,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
    }


def _line(*spans: dict[str, Any], service: str = "airflow") -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    request: dict[str, Any] = {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]
    }
    return json.dumps(request).encode() + b"\n"


def _shape(trace: Trace) -> list[str]:
    return [node.span.name for node in trace.walk()]


def test_spans_of_many_lines_and_files_make_one_tree(tmp_path: Path) -> None:
    """Processes write children before parents, into several files: the tree is the same, children by start."""
    (tmp_path / "traces-a.jsonl").write_bytes(
        _line(_span("late", "a", "3", "1", start=9), service="spark") + _line(_span("early", "a", "2", "1", start=5))
    )
    (tmp_path / "traces-b.jsonl").write_bytes(_line(_span("root", "a", "1"), _span("deep", "a", "4", "3", start=10)))
    [trace] = read(tmp_path)
    assert _shape(trace) == ["root", "early", "late", "deep"]
    assert trace.orphans == []
    assert trace.trace_id == int("a" * 32, 16)
    [root] = trace.roots
    assert [child.resource["service.name"] for child in root.children] == ["airflow", "spark"]


def test_traces_come_oldest_first(tmp_path: Path) -> None:
    """The order is that of their earliest spans, whatever the order in the files."""
    file = tmp_path / "traces.jsonl"
    file.write_bytes(
        _line(_span("b", "b", "1", start=50), _span("a", "a", "1", start=7), _span("c", "c", "1", "2", start=30))
    )
    assert [_shape(trace) for trace in read(file)] == [["a"], ["c"], ["b"]]
    assert [trace.start_ns for trace in read(file)] == [7, 30, 50]


def test_a_span_without_its_parent_is_an_orphan(tmp_path: Path) -> None:
    """A run still going has no root yet; its spans are shown, with all below them. One that is its own parent, too."""
    (tmp_path / "traces.jsonl").write_bytes(
        _line(_span("try", "a", "2", "1"), _span("execute", "a", "3", "2"), _span("odd", "a", "4", "4", start=5))
    )
    [trace] = read(tmp_path)
    assert trace.roots == []
    assert [[node.span.name for node in orphan.walk()] for orphan in trace.orphans] == [["try", "execute"], ["odd"]]


def _marker(name: str, span: str, parent: str) -> dict[str, Any]:
    return {**_span(name, "a", span, parent), "attributes": [{"key": "dagtrace.started", "value": {"boolValue": True}}]}


def test_a_marker_stands_for_a_span_until_that_comes(tmp_path: Path) -> None:
    """While a run is going its markers are all there is of it; a finished tree has none."""
    file = tmp_path / "traces.jsonl"
    file.write_bytes(_line(_marker("run started", "7", "1"), _marker("try started", "8", "2")))
    [trace] = read(tmp_path)
    assert sorted(_shape(trace)) == ["run started", "try started"]
    file.write_bytes(file.read_bytes() + _line(_span("try", "a", "2", "1"), _span("run", "a", "1")))
    [trace] = read(tmp_path)
    assert (_shape(trace), trace.orphans) == (["run", "try"], [])


def test_a_span_told_twice_is_one(tmp_path: Path) -> None:
    """A second emission is the same span, the later line wins; the number of repetitions is kept."""
    (tmp_path / "traces.jsonl").write_bytes(
        _line(_span("old", "a", "1", end=2)) + _line(_span("new", "a", "1", end=9)) + _line(_span("x", "a", "2", "1"))
    )
    [trace] = read(tmp_path)
    assert _shape(trace) == ["new", "x"]
    assert trace.duplicates == 1


def test_a_duration_is_in_seconds(tmp_path: Path) -> None:
    """Nanoseconds in the file, seconds outside."""
    (tmp_path / "traces.jsonl").write_bytes(_line(_span("n", "a", "1", start=10**18, end=10**18 + 1_500_000_000)))
    assert read(tmp_path)[0].roots[0].duration == 1.5


@pytest.mark.parametrize("torn", [b"{", b'{"resourceSpans": [{"scopeSp', b"\xff\xfe", b'{"resourceSpans": 1}'])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    """A file that is being written ends anywhere: what is whole is read."""
    (tmp_path / "traces.jsonl").write_bytes(_line(_span("n", "a", "1")) + torn)
    assert [_shape(trace) for trace in read(tmp_path)] == [["n"]]


NONSENSE = [
    b"{\n",
    b"\n",
    b"null\n",
    b"[]\n",
    b"\xff\xfe\n",
    b'{"resourceMetrics": []}\n',
    b'{"resourceSpans": null}\n',
    b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "n"}]}]}]}\n',
    _line({**_span("n", "a", "1"), "traceId": "no hex"}),
]


@pytest.mark.parametrize("line", NONSENSE)
def test_a_line_of_nonsense_is_named(tmp_path: Path, line: bytes) -> None:
    """File and line are named, so that one can look there; a whole line of nonsense is not passed over in silence."""
    file = tmp_path / "traces.jsonl"
    file.write_bytes(_line(_span("n", "a", "1")) + line + _line(_span("m", "b", "1")))
    with pytest.raises(UnreadableError, match=r"traces\.jsonl:2 is not a line of OTLP/JSON spans") as raised:
        read(tmp_path)
    assert str(raised.value).startswith(f"{file}:2 ")


@pytest.mark.parametrize(
    "line",
    [
        b'{"resourceSpans": [1]}\n',
        b'{"resourceSpans": "text"}\n',
        b'{"resourceSpans": [{"resource": null}]}\n',
        _line({**_span("n", "a", "1"), "status": "fine"}),
        _line({**_span("n", "a", "1"), "attributes": [{"key": "k", "value": None}]}),
        _line({**_span("n", "a", "1"), "name": 5}),
        _line({**_span("n", "a", "1"), "startTimeUnixNano": 1e30}),
        b'{"resourceSpans": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        _line({**_span("n", "a", "1"), "endTimeUnixNano": float("inf")}),
    ],
)
def test_json_of_another_shape_is_named_too(tmp_path: Path, line: bytes) -> None:
    """JSON that is no OTLP is nonsense like any other, not a traceback."""
    (tmp_path / "traces.jsonl").write_bytes(line)
    with pytest.raises(UnreadableError, match=r"traces\.jsonl:1 is not a line"):
        read(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resourceSpans", "scopeSpans", "spans", "resource", "name"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_no_json_whatever_ends_in_a_traceback(value: Any) -> None:
    """Any line of JSON either holds spans or is named as nonsense."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "traces.jsonl"
        for document in (value, {"resourceSpans": value}):
            file.write_text(json.dumps(document) + "\n")
            try:
                read(file)
            except UnreadableError as error:
                assert ":1 " in str(error)  # noqa: PT017 - both outcomes are right


def test_spans_in_a_circle_are_shown_all_the_same(tmp_path: Path) -> None:
    """Files come from elsewhere, too: no parent relation whatever ends in a traceback or hides spans."""
    (tmp_path / "traces.jsonl").write_bytes(_line(_span("a", "a", "1", "2"), _span("b", "a", "2", "1")))
    [trace] = read(tmp_path)
    assert sorted(_shape(trace)) == ["a", "b"]


def test_a_circle_is_cut_once_and_what_hangs_below_it_stays(tmp_path: Path) -> None:
    """The circle is one orphan with all the others below it, whichever span comes first in time."""
    (tmp_path / "traces.jsonl").write_bytes(
        _line(
            _span("root", "a", "9", start=1),
            _span("below", "a", "4", "3", start=2),
            _span("a", "a", "1", "3", start=5),
            _span("b", "a", "2", "1", start=6),
            _span("c", "a", "3", "2", start=7),
        )
    )
    [trace] = read(tmp_path)
    assert [[node.span.name for node in orphan.walk()] for orphan in trace.orphans] == [["c", "below", "a", "b"]]
    assert [root.span.name for root in trace.roots] == ["root"]


def test_a_chain_of_any_depth_is_walked(tmp_path: Path) -> None:
    """User code that traces a recursion makes spans deeper than Python's stack."""
    spans = [
        _span("n", "a", "1") | {"spanId": f"{n + 1:x}", "parentSpanId": f"{n:x}" if n else ""} for n in range(3000)
    ]
    (tmp_path / "traces.jsonl").write_bytes(_line(*spans))
    [trace] = read(tmp_path)
    assert len(list(trace.walk())) == 3000


def test_only_files_of_traces_are_taken(tmp_path: Path) -> None:
    """Metrics, the spool and foreign files stay out; a file named by the user is taken whatever its name."""
    for name in ("traces.jsonl", "traces-h-20260101.jsonl", "metrics-h.jsonl", "traces.json", "logs-h.jsonl"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "traces-x.jsonl").write_bytes(b"nonsense\n")
    assert [file.name for file in files(tmp_path)] == ["traces-h-20260101.jsonl", "traces.jsonl"]
    assert files(tmp_path / "traces.json") == [tmp_path / "traces.json"]
    assert read(tmp_path) == []


def test_no_files_is_said_with_what_to_do(tmp_path: Path) -> None:
    """An empty folder and a path that is not there each have their own sentence."""
    with pytest.raises(UnreadableError, match="holds no traces"):
        read(tmp_path)
    with pytest.raises(UnreadableError, match="does not exist; traces lie in DAGTRACE_HOME"):
        read(tmp_path / "gone")
