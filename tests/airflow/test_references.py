"""References: what Airflow's own serialization writes of XComs is read back, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from dagtrace.airflow.references import Reference, references


def a_dag(*tasks: dict[str, Any], group: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a serialized DAG of these tasks."""
    return {"dag": {"dag_id": "d", "tasks": [{"__var": task} for task in tasks], "task_group": group}}


def of_text(text: Any) -> set[Reference]:
    """Return what one template field refers to."""
    task = {"task_id": "t", "template_fields": ["field"], "field": text}
    return references(a_dag({"task_id": "a"}, {"task_id": "b"}, task))["t"].named


A = Reference("a")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{{ task_instance.xcom_pull(task_ids='a', dag_id='d', key='return_value') }}", {A}),  # an XComArg
        (["x", {"deep": ["{{ task_instance.xcom_pull(task_ids='a', dag_id='d', key='k') }}"]}], {Reference("a", "k")}),
        ("{{ ti.xcom_pull('a') }} and {{ ti.xcom_pull(key=\"k\", task_ids='b')['x'] }}", {A, Reference("b", "k")}),
        ("{{ ti.xcom_pull(task_ids=['a', 'b'])[0] }}", {A, Reference("b")}),
        ("{{ ti.xcom_pull('a', key=')') }}", {Reference("a", ")")}),
        ("{{ ti.xcom_pull('a', 'd', 'k') }}", {Reference("a", "k")}),
        ("XComArg(<Mapped(_PythonDecoratedOperator): a>).zip(XComArg(<Task(X): b>, 'k'))", {A, Reference("b", "k")}),
        (
            "MappedArgument(_input=DictOfListsExpandInput(value={'v': XComArg(<Task(_X): a>)}), _key='v')",
            {Reference("a", each=True)},
        ),
    ],
)
def test_what_is_named_is_found(text: Any, named: set[Reference]) -> None:
    """XComArgs and templates, in each form that a serialized DAG has them."""
    assert of_text(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "{{ ti.xcom_pull(key='k') }}",  # its own
        "{{ ti.xcom_pull(task_ids=params.which) }}",
        "{{ ti.xcom_pull(task_ids='a', key=params.which) }}",
        "{{ ti.xcom_pull(task_ids='a', dag_id='another') }}",
        "{{ ti.xcom_pull(task_ids='a', include_prior_dates=True) }}",
        "{{ ti.xcom_pull(task_ids='a', run_id='yesterday') }}",
        "{{ ti.xcom_pull(task_ids='gone') }}",
        "xcom_pull(",
        "xcom_pull('a'" + ")" * 20 + "(" * 5000,
        "xcom_pull('a\0')",
        "XComArg(<Task(X): a",
        None,
        7,
    ],
)
def test_what_is_computed_or_elsewhere_is_not(text: Any) -> None:
    """A link says what is known: what only runs tell, or what comes from another run, is no edge."""
    assert of_text(text) <= {A}
    assert of_text(text) == set() or "'a')" in str(text)


def xcomref(task_id: str, **more: Any) -> dict[str, Any]:
    """Return an XComArg as a mapped task has it."""
    return {"__type": "xcomref", "__var": {"task_id": task_id, "key": "return_value", **more}}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"__type": "dict", "__var": {"x": xcomref("a")}}, {Reference("a", each=True)}),
        ({"__type": "dict", "__var": {"x": xcomref("a"), "y": xcomref("b")}}, {A, Reference("b")}),
        (xcomref("a"), {Reference("a", each=True)}),
        ([xcomref("a"), {"__type": "dict", "__var": {"x": xcomref("b")}}], {A, Reference("b")}),
        (
            {"__type": "xcomref", "__var": {"type": "map", "arg": {"task_id": "a", "key": "k"}, "callables": ["f"]}},
            {Reference("a", "k", each=True)},
        ),
        (
            {"__type": "xcomref", "__var": {"type": "concat", "args": [xcomref("a")["__var"], xcomref("b")["__var"]]}},
            {A, Reference("b")},
        ),
    ],
)
def test_what_a_task_is_expanded_over(value: Any, named: set[Reference]) -> None:
    """One expanded argument gives each instance its own value; of several, each takes of all."""
    task = {"task_id": "t", "op_kwargs_expand_input": {"type": "dict-of-lists", "value": value}}
    assert references(a_dag({"task_id": "a"}, {"task_id": "b"}, task))["t"].named == named


def test_edges_and_mapped_groups() -> None:
    """A task knows those directly above, and those that share a mapped group with it."""
    inner = {
        "children": {"g.x": ["operator", "g.x"], "g.in": ["taskgroup", {"children": {"g.in.y": ["operator", "y"]}}]}
    }
    group = {"children": {"t": ["operator", "t"], "g": ["taskgroup", {**inner, "is_mapped": True}]}}
    tasks = ({"task_id": "t", "downstream_task_ids": ["g.x", "gone"]}, {"task_id": "g.x"}, {"task_id": "g.in.y"})
    found = references(a_dag(*tasks, group=group))
    assert found["g.x"].above == found["g.x"].sources == {"t"}
    assert found["g.x"].beside == found["g.in.y"].beside == {"g.x", "g.in.y"}
    assert (found["t"].above, found["t"].beside) == (set(), set())
