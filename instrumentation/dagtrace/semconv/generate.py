"""
Writes the constants and the docs page out of ``model/*.yaml``: ``python -m dagtrace.semconv.generate``.

A development tool (it needs PyYAML). ``tests/semconv`` runs it and compares, so a name that is only in the code, or
only in the model, fails the build. The files are Weaver's v1 registry format, so Weaver can read them too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagtrace.semconv import java


HERE = Path(__file__).parent
PACKAGE = HERE.parent
NOTE = "Generated from semconv/model/*.yaml by dagtrace.semconv.generate: do not edit."


def groups() -> list[dict[str, Any]]:
    """Return every group of the model, in the order of the files."""
    import yaml

    found: list[dict[str, Any]] = []
    for path in sorted((HERE / "model").glob("*.yaml")):
        found += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return found


def render() -> dict[Path, str]:
    """Return what each generated file should contain."""
    registry = groups()
    attributes = [a for g in registry if g["type"] == "attribute_group" for a in g["attributes"]]
    events = [g for g in registry if g["type"] == "event"]
    metrics = [g for g in registry if g["type"] == "metric"]
    return {
        HERE / "attributes.py": _python_attributes(attributes),
        HERE / "events.py": _python_events(events),
        HERE / "metrics.py": _python_metrics(metrics),
        **java.render(attributes, events, metrics),
        PACKAGE.parent.parent / "docs/semconv.md": _docs(registry),
        PACKAGE.parent.parent / "docs/metrics.md": _metrics_page(metrics, attributes),
    }


def _constant(name: str) -> str:
    return name.replace(".", "_").upper()


def _python_attributes(attributes: list[dict[str, Any]]) -> str:
    return _constants("Attribute", [(a["id"], f"{a['type']}: {a['brief']}") for a in attributes])


def _python_events(events: list[dict[str, Any]]) -> str:
    return _constants("Event", [(event["name"], event["brief"]) for event in events])


def _constants(what: str, named: list[tuple[str, str]]) -> str:
    lines = [
        f'"""{what} names. {NOTE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "",
    ]
    for name, brief in named:
        lines += [f'{_constant(name)}: Final = "{name}"', f'"""{brief}"""', ""]
    return "\n".join(lines)


def _python_metrics(metrics: list[dict[str, Any]]) -> str:
    lines = [
        f'"""Metrics. {NOTE}"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final, NamedTuple",
        "",
        "",
        "class Metric(NamedTuple):",
        '    """One instrument: name, kind (counter, histogram, gauge), UCUM unit, meaning, bounded attributes."""',
        "",
        "    name: str",
        "    instrument: str",
        "    unit: str",
        "    brief: str",
        "    attributes: tuple[str, ...]",
        "",
        "",
    ]
    lines += [
        "class Source(NamedTuple):",
        '    """Where a metric\'s points come from: each such span or event adds an attribute, "" for its duration."""',
        "",
        "    metric: Metric",
        "    span: str",
        "    attribute: str",
        "    more: tuple[tuple[str, str], ...]",
        '    """Attributes of the point that the source decides."""',
        "",
        "",
    ]
    for metric in metrics:
        refs = ", ".join(f'"{a["ref"]}"' for a in metric["attributes"])
        lines += [
            f"{_constant(metric['metric_name'])}: Final = Metric(",
            f'    "{metric["metric_name"]}",',
            f'    "{metric["instrument"]}",',
            f'    "{metric["unit"]}",',
            f'    "{metric["brief"]}",',
            f"    ({refs}{',' if len(metric['attributes']) == 1 else ''}),",
            ")",
            "",
        ]
    lines += ["SOURCES: Final = ("]
    for source in java.sources(metrics):
        more = "".join(f'("{key}", "{value}"), ' for key, value in source.more.items()).rstrip()
        lines += [f'    Source({_constant(source.metric)}, "{source.span}", "{source.attribute}", ({more})),']
    return "\n".join([*lines, ")", '"""What spans add to metrics, by the model\'s annotations."""', ""])


def _docs(registry: list[dict[str, Any]]) -> str:
    lines = ["# Names", "", f"<!-- {NOTE} -->", ""]
    for group in registry:
        if group["type"] != "attribute_group":
            continue
        lines += [f"## `{group['id'].removeprefix('registry.')}`", "", group["brief"], ""]
        lines += ["| attribute | type | meaning |", "|---|---|---|"]
        lines += [f"| `{a['id']}` | {a['type']} | {a['brief']} |" for a in group["attributes"]]
        lines += [""]
    lines += ["## Events", "", "| event | meaning | attributes |", "|---|---|---|"]
    for group in registry:
        if group["type"] == "event":
            names = ", ".join(f"`{a['ref']}`" for a in group["attributes"])
            lines += [f"| `{group['name']}` | {group['brief']} | {names} |"]
    lines += ["", "## Metrics", "", "| metric | kind | unit | meaning | attributes |", "|---|---|---|---|---|"]
    for group in registry:
        if group["type"] == "metric":
            names = ", ".join(f"`{a['ref']}`" for a in group["attributes"])
            lines += [
                f"| `{group['metric_name']}` | {group['instrument']} | {group['unit']} | {group['brief']} | {names} |"
            ]
    return "\n".join([*lines, ""])


_METRICS_PAGE = """\
The numbers of Airflow, from the same facts as the spans. Runs and tries are read from Airflow's database by one
scheduler, the *leader*, on a thread of its own, so they add up to what the database says: over all schedulers' lives,
the sum of each series' last value is `count(*)`. Gauges come from the leader alone, every 15 seconds, and are those of
now: a run that is stuck, late or missing shows before anything ends. Names in the queries are those that Prometheus'
OTLP receiver makes of ours.

* **Created at 0.** Counters of runs and tries begin at 0 for every DAG and task that Airflow has, so that `rate()` and
  `increase()` see the first failure, too: the DAGs of open runs at once, all others little by little; of tasks, the
  first 2,500. A histogram cannot begin so.
* **Bounded.** Never a run, a try, a map index or a message among the attributes. A metric has 10,000 series at most in
  one process; all beyond are one, with the single attribute `otel.metric.overflow=true`, as OpenTelemetry names it:
  the sum over all series stays right. Gauges beyond are left out. Texts are cut at 256 characters.
* **Whom it concerns.** Owners, tags and team of a DAG are attributes of `airflow.dag.info` alone, which is 1: join it
  to whatever fires, as below. A tag `team:NAME` makes the team. Where several Airflows share one Prometheus, `job` and
  `deployment_environment_name` belong into every `by` and `on`, as the rules in `dashboards/` have it.
* **Increments.** `airflow.task_instance.errors` comes from processes that live a moment, as deltas. Prometheus keeps
  each as a sample of what was counted since the one before: `sum_over_time()` adds them up, `increase()` would not.
* **Exemplars.** What is counted or timed of a run or a try has its span with it, where that is sampled: one per series
  (of a histogram: per bucket) and export. Gauges and zeros have none.
* **Excluded.** A DAG that `DAGTRACE_EXCLUDE` names has no series; its tries still hold slots of their pool.
* **Nobody leads.** Where no scheduler is alive no gauge is new: let `absent_over_time(airflow_pool_slots[5m])` fire.
"""


def _metrics_page(metrics: list[dict[str, Any]], attributes: list[dict[str, Any]]) -> str:
    briefs = {attribute["id"]: attribute["brief"] for attribute in attributes}
    lines = ["# Airflow's metrics", "", f"<!-- {NOTE} -->", "", _METRICS_PAGE]
    used: list[str] = []
    for metric in metrics:
        said = metric.get("annotations", {})
        if "promql" not in said:
            continue
        refs = [attribute["ref"] for attribute in metric["attributes"]]
        used += [ref for ref in refs if ref not in used]
        lines += [f"## `{metric['metric_name']}`", "", f"{metric['brief']}", ""]
        lines += [f"* {metric['instrument']}, unit `{metric['unit']}`"]
        lines += [f"* by {', '.join(f'`{ref}`' for ref in refs)}", f"* 0: {said['zero']}", ""]
        lines += [f"{said['question']}", "", "```promql", said["promql"], "```", ""]
    lines += ["## Attributes", "", "| attribute | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {briefs[name]} |" for name in used), ""])


def main() -> None:
    """Write the generated files."""
    for path, text in render().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
