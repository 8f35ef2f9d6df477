"""
The alerts of ``rules/*.yml`` as Grafana takes them from a file, for those who let Grafana alert and not Alertmanager.

``generate.py`` writes ``grafana/alerting/dagtrace.yaml``, and the table in ``docs/alerts.md``. The
expressions are the same and read what Prometheus records, so Prometheus must load ``rules/*.yml`` in any case. Grafana
expands ``$NAME`` in such files: every ``$`` of ours is doubled, and ``${DAGTRACE_JAEGER_URL}`` is read from Grafana's
environment.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import promql  # noqa: E402 - found by the line above


if TYPE_CHECKING:
    from collections.abc import Iterable

RULES = tuple(sorted((HERE / "rules").glob("*.yml")))
OUTPUT = HERE / "grafana" / "alerting" / "dagtrace.yaml"
DOCS = HERE.parent / "docs" / "alerts.md"

_INTERVAL = "30s"
"""Grafana wants a multiple of ten seconds."""

_HEADER = """\
# Generated from ../../rules/*.yml by ../../generate.py: do not edit.
# Prometheus must load those rules, too: what they record is read here.
"""


def provisioning(rule_files: Iterable[Path]) -> dict[str, Any]:
    """Return Grafana's provisioning of these files' alerts, by groups as there; the data source is ``prometheus``."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for rule in promql.rules(rule_files):
        if rule.is_alert:
            groups.setdefault(rule.group, []).append(_alert(rule))
    return {
        "apiVersion": 1,
        "groups": [
            {"orgId": 1, "name": name, "folder": "dagtrace", "interval": _INTERVAL, "rules": rules}
            for name, rules in groups.items()
        ],
    }


def text(rule_files: Iterable[Path] = RULES) -> str:
    """Return the provisioning as the file has it."""
    return _HEADER + yaml.safe_dump(provisioning(rule_files), sort_keys=False, width=10_000, allow_unicode=True)


def _alert(rule: promql.Rule) -> dict[str, Any]:
    return {
        "uid": "dagtrace-" + re.sub(r"(?<!^)(?=[A-Z])", "-", rule.name).lower(),
        "title": rule.name,
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": "prometheus",
                "model": {
                    "refId": "A",
                    "datasource": {"type": "prometheus", "uid": "prometheus"},
                    "expr": rule.expr.replace("$", "$$"),
                    "instant": True,
                    "range": False,
                },
            },
            # The expression yields what is wrong and nothing else; no value of it is below 0.
            {
                "refId": "B",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "datasource": {"type": "__expr__", "uid": "__expr__"},
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [{"evaluator": {"type": "gt", "params": [-1]}}],
                },
            },
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": f"{rule.hold:g}s",
        "labels": {name: _template(value) for name, value in rule.labels.items() if value},
        "annotations": {name: _template(value) for name, value in rule.annotations.items()},
    }


def _template(value: str) -> str:
    """Return one of Prometheus' templates as Grafana's: there, a label that is missing prints ``[no value]``."""
    traces = "\0"
    value = value.replace("{{ $externalLabels.traces }}", traces)
    value = re.sub(r"\$labels\.(\w+)", r'(index $labels "\1")', value)
    value = re.sub(r"\$value\b", "$values.A.Value", value)
    return value.replace("$", "$$").replace(traces, "${DAGTRACE_JAEGER_URL}")


def documented(page: str, rule_files: Iterable[Path] = RULES) -> str:
    """Return ``docs/alerts.md`` with the table of the alerts as they are now, between the two marks that it has."""
    rules = promql.rules(rule_files)
    numbers = {rule.name: rule.expr.removeprefix("vector(").removesuffix(")") for rule in rules}
    lines = ["| alert | severity | says | numbers |", "|---|---|---|---|"]
    for rule in rules:
        if rule.is_alert:
            severity = re.sub(r'\{\{ or \$labels\.severity "(\w+)" \}\}', r"\1", rule.labels["severity"])
            says = re.sub(r"\{\{ \$labels\.(\w+) \}\}", _plain, rule.annotations["summary"])
            used = sorted(name for name in promql.names(rule.expr) if name.startswith("threshold:"))
            told = ", ".join(f"`{name.removeprefix('threshold:')}` {numbers[name]}" for name in used)
            lines.append(f"| `{rule.name}` | {severity} | {says} | {told} |")
    before, mark, rest = page.partition("<!-- alerts: written by dashboards/generate.py -->\n")
    _, end, after = rest.partition("<!-- end -->")
    return "".join((before, mark, "\n".join(lines), "\n", end, after))


def _plain(label: re.Match[str]) -> str:
    words = re.sub(r"^(airflow|spark|data)_", "", label[1]).replace("_", " ").replace("dag id", "DAG")
    return f"*{words.removesuffix(' name').removesuffix(' id').removesuffix(' path')}*"


def files() -> dict[Path, str]:
    """Return what is written, by file."""
    return {OUTPUT: text(), DOCS: documented(DOCS.read_text(encoding="utf-8"))}
