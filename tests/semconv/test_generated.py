"""Names live in one place: the model. What is generated is committed, and nothing else spells a name out."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from dagtrace.semconv import attributes, events, generate, metrics
from dagtrace.semconv.generate import HERE, PACKAGE, groups, render


if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTES = {a["id"] for group in groups() if group["type"] == "attribute_group" for a in group["attributes"]}
EVENTS = {group["name"]: group for group in groups() if group["type"] == "event"}
METRICS = {group["metric_name"]: group for group in groups() if group["type"] == "metric"}
LISTENER = PACKAGE / "spark/listener/io/dagtrace/spark"


@pytest.mark.parametrize("path", render(), ids=lambda path: path.name)
def test_the_committed_files_are_what_the_model_gives(path: Path) -> None:
    """Who changes the model runs ``python -m dagtrace.semconv.generate``; who edits its output is found out."""
    assert path.read_text(encoding="utf-8") == render()[path]


def test_python_has_every_name_as_a_constant() -> None:
    """The constants are the model's names, each once."""
    constants = [value for name, value in vars(attributes).items() if name.isupper()]
    assert sorted(constants) == sorted(ATTRIBUTES)
    assert {value for name, value in vars(events).items() if name.isupper()} == EVENTS.keys()
    found = {value.name: value for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
    assert {name: (m.instrument, m.unit, m.brief, m.attributes) for name, m in found.items()} == {
        name: (g["instrument"], g["unit"], g["brief"], tuple(a["ref"] for a in g["attributes"]))
        for name, g in METRICS.items()
    }


def test_the_model_is_sound() -> None:
    """No name twice, metrics refer to attributes that exist, none has an unbounded one, and units are not in names."""
    ids = [a["id"] for group in groups() if group["type"] == "attribute_group" for a in group["attributes"]]
    assert len(ids) == len(set(ids))
    assert len(METRICS) == len([group for group in groups() if group["type"] == "metric"])
    used = {a["ref"] for group in METRICS.values() for a in group["attributes"]}
    assert used <= ATTRIBUTES
    assert {a["ref"] for group in EVENTS.values() for a in group["attributes"]} <= ATTRIBUTES
    assert not {name for name in used if re.search(r"run_id|try_number|map_index|application\.id|instance\.id", name)}
    assert {group["instrument"] for group in METRICS.values()} <= {"counter", "histogram", "gauge"}
    assert not [name for name in (*ATTRIBUTES, *METRICS) if re.search(r"(_|\.)(seconds|ms|millis)$", name)]


def test_no_name_is_taken_from_airflow() -> None:
    """``airflow.task.duration`` is milliseconds in Airflow's own metrics: none of ours has a name of its template."""
    from importlib.util import find_spec

    spec = find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("Airflow is not installed")
    from pathlib import Path

    templates = [p for place in spec.submodule_search_locations for p in Path(place).rglob("metrics_template.yaml")]
    assert templates
    theirs = {f"airflow.{m['name']}" for path in templates for m in yaml.safe_load(path.read_text())["metrics"]}
    assert len(theirs) > 50
    assert not theirs & METRICS.keys()


def test_no_python_file_spells_a_name_out() -> None:
    """Outside of ``semconv/`` every name is a constant: a name that only the code knows would be in no document."""
    spelled = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if HERE not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value in {*ATTRIBUTES, *EVENTS, *METRICS}
    ]
    assert spelled == []


def test_no_java_file_spells_a_name_out() -> None:
    """The same for the listener: only generated files have them. Spark's own properties may be called alike."""
    files = [path for path in LISTENER.rglob("*.java") if path not in render()]
    assert files
    spelled = [
        f"{path.name} {literal}"
        for path in files
        for literal in re.findall(
            r'"((?:[^"\\\n]|\\.)*)"',
            re.sub(r'(?:getProperty|conf\.get)\("[^"]*"', "", path.read_text(encoding="utf-8")),
        )
        if literal in {*ATTRIBUTES, *EVENTS, *METRICS}
    ]
    assert spelled == []


def test_generating_writes_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes what ``render`` returns, and makes the folders it needs."""
    target = tmp_path / "a" / "b" / "names.py"

    def one() -> dict[Path, str]:
        return {target: "ü\n"}

    monkeypatch.setattr(generate, "render", one)
    generate.main()
    assert target.read_bytes() == "ü\n".encode()


def test_each_metric_of_airflow_answers_a_question() -> None:
    """``docs/metrics.md`` says of each when it is 0, and asks Prometheus for it by the name that its receiver makes."""
    for name, group in METRICS.items():
        if not name.startswith("airflow."):
            continue
        said = group["annotations"]
        assert all(said[key] for key in ("zero", "question", "promql")), name
        plain = name.replace(".", "_") + ("_seconds" if group["unit"] == "s" else "")
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
        wanted = [plain + ending for ending in endings[group["instrument"]]]
        assert re.search(rf"\b(?:{'|'.join(wanted)})\b", said["promql"]), name
        labels = set(re.findall(r"\b(?:airflow|error)_\w+(?=\s*(?:=|!=|[,)]))", said["promql"]))
        known = {a["ref"].replace(".", "_") for group in METRICS.values() for a in group["attributes"]}
        series = {other.replace(".", "_") for other in METRICS}
        assert {label for label in labels if not any(label.startswith(one) for one in series)} <= known, name
