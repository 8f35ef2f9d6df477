"""
Which XComs a DAG names: out of its serialized form, once per version of the DAG. Pure functions.

Airflow resolves XComArgs and templates whenever a task runs, so each of these is a pull that took place. In serialized
template fields both look the same, ``{{ task_instance.xcom_pull(task_ids='a', key='k') }}``; where a task is mapped, an
XComArg is an ``xcomref``, and where Airflow found no better way to write it down, its ``repr``. What Python code pulls
by itself is in no serialized DAG: there, only the tasks directly above are known.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from dagtrace.airflow.compat import schema


RETURN_KEY = "return_value"

_PULL = re.compile(r"\bxcom_pull\(")
_REPR = re.compile(r"XComArg\(<(?:Task|Mapped)\([^()]*\): (?P<task>[^>]+)>(?:, '(?P<key>[^']*)')?\)")
_FAR = 2_000
"""Characters within which a call in a template is looked for."""


@dataclass(frozen=True)
class Reference:
    """An XCom that a task's arguments or templates name."""

    task_id: str
    key: str = RETURN_KEY
    each: bool = False
    """Of a mapped task above, each instance takes one value: its own."""


@dataclass
class TaskReferences:
    """What one task of a DAG may pull."""

    named: set[Reference] = field(default_factory=set[Reference])
    above: set[str] = field(default_factory=set[str])
    """Tasks directly above."""
    beside: set[str] = field(default_factory=set[str])
    """Tasks of the same mapped task group: instance i works with their instance i."""

    @property
    def sources(self) -> set[str]:
        """All tasks that it may have pulled from."""
        return {reference.task_id for reference in self.named} | self.above


def references(document: Mapping[str, Any]) -> dict[str, TaskReferences]:
    """Return by task id what a serialized DAG says of XComs; raise where it is none."""
    dag: Mapping[str, Any] = document["dag"]
    tasks: dict[str, Mapping[str, Any]] = {}
    for entry in dag["tasks"]:
        task: Mapping[str, Any] = entry.get("__var", entry)
        tasks[task["task_id"]] = task
    found = {task_id: TaskReferences() for task_id in tasks}
    for task_id, task in tasks.items():
        found[task_id].named = {
            reference for reference in _named(task, str(dag.get("dag_id", ""))) if reference.task_id in tasks
        }
        for below in task.get("downstream_task_ids", ()):
            if below in found:
                found[below].above.add(task_id)
    for group in _mapped_groups(dag.get(schema.TASK_GROUP) or {}):
        for task_id in group & found.keys():
            found[task_id].beside |= group
    return found


def _named(task: Mapping[str, Any], dag_id: str) -> Iterator[Reference]:
    expanded = ("expand_input", "op_kwargs_expand_input")
    fields: list[str] = [*(task.get("template_fields") or ()), "partial_kwargs"]
    for text in _texts([task.get(name) for name in fields]):
        yield from _in_text(text, dag_id)
    yield from (Reference(task_id, key) for task_id, key, _ in _xcomrefs([task.get(name) for name in fields]))
    for name in expanded:
        value: Any = cast("Mapping[str, Any]", task.get(name) or {}).get("value")
        for task_id, key, in_order in _xcomrefs([value]):
            yield Reference(task_id, key, each=in_order and _is_one(value))


def _is_one(value: Any) -> bool:
    """Return whether one argument is expanded: then instance i takes value i, else one of every combination."""
    if not isinstance(value, Mapping):
        return False
    node = cast("Mapping[str, Any]", value)
    return node.get("__type") == "xcomref" or (node.get("__type") == "dict" and len(node["__var"]) == 1)


def _walk(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, Mapping):
            waiting.extend(cast("Mapping[str, Any]", item).values())
        elif isinstance(item, list):
            waiting.extend(cast("list[Any]", item))


def _texts(value: Any) -> Iterator[str]:
    return (item for item in _walk(value) if isinstance(item, str) and ("xcom_pull(" in item or "XComArg(" in item))


def _xcomrefs(value: Any) -> Iterator[tuple[str, str, bool]]:
    """Yield (task, key, whether in the order of its instances) of each XComArg, also within others."""
    for item in _walk(value):
        if isinstance(item, Mapping):
            node = cast("Mapping[str, Any]", item)
            if node.get("__type") == "xcomref":
                for part in _walk(node.get("__var")):
                    if isinstance(part, Mapping):
                        named = cast("Mapping[str, Any]", part)
                        if isinstance(named.get("task_id"), str) and isinstance(named.get("key"), str):
                            yield named["task_id"], named["key"], '"concat"' not in repr(node).replace("'", '"')


def _in_text(text: str, dag_id: str) -> Iterator[Reference]:
    for match in _PULL.finditer(text):
        for task_id, key in _in_call(text[match.end() : match.end() + _FAR], dag_id):
            yield Reference(task_id, key)
    # An argument of a mapped task group is written as the repr of what the group is expanded over.
    found = list(_REPR.finditer(text))
    each = text.startswith("MappedArgument(") and len(found) == 1
    for match in found:
        yield Reference(match["task"], match["key"] or RETURN_KEY, each)


def _in_call(rest: str, dag_id: str) -> Iterator[tuple[str, str]]:
    """Yield (task, key) that a call of ``xcom_pull`` names, whose arguments begin here, if they are literals."""
    call = _parsed(rest)
    if call is None:
        return
    given: dict[str, Any] = dict(zip(("task_ids", "dag_id", "key", "include_prior_dates"), call.args, strict=False))
    given |= {keyword.arg or "**": keyword.value for keyword in call.keywords}
    values = {name: _literal(node) for name, node in given.items()}
    # What may come from another run or DAG is not an edge of this one.
    if values.get("include_prior_dates") or values.get("run_id") or values.get("dag_id", dag_id) not in (dag_id, None):
        return
    tasks, key = values.get("task_ids"), values.get("key", RETURN_KEY)
    if isinstance(tasks, str):
        tasks = (tasks,)
    for task_id in cast("Iterable[Any]", tasks) if isinstance(tasks, (list, tuple, set)) else ():
        if isinstance(task_id, str) and isinstance(key, str):
            yield task_id, key


def _parsed(rest: str) -> ast.Call | None:
    """Return the call whose arguments ``rest`` begins with; a parenthesis may also be in one of its texts."""
    end = -1
    for _ in range(8):
        end = rest.find(")", end + 1)
        if end < 0:
            return None
        try:
            tree = ast.parse(f"f({rest[: end + 1]}", mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        return tree.body if isinstance(tree.body, ast.Call) else None
    return None


def _literal(node: ast.expr) -> Any:
    """Return a literal's value; what is computed is known only to be something."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return object()


def _mapped_groups(group: Mapping[str, Any]) -> Iterator[set[str]]:
    """Yield the task ids of each mapped task group, whatever groups lie within it."""
    children: Mapping[str, Any] = group.get("children") or {}
    for child in children.values():
        if child[0] != "operator" and isinstance(child[1], Mapping):
            inner = cast("Mapping[str, Any]", child[1])
            if inner.get("is_mapped"):
                yield set(_tasks_in(inner))
            else:
                yield from _mapped_groups(inner)


def _tasks_in(group: Mapping[str, Any]) -> Iterator[str]:
    children: Mapping[str, Any] = group.get("children") or {}
    for label, child in children.items():
        if child[0] == "operator":
            yield label
        elif isinstance(child[1], Mapping):
            yield from _tasks_in(cast("Mapping[str, Any]", child[1]))
