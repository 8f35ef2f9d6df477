"""Rules as they stand in ``rules/*.yml``, the names that an expression reads, and expressions in their place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_TEXT = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'" + r"|#[^\n]*")
_SELECTOR = re.compile(r"\{[^}]*\}")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_RANGE = re.compile(r"\[[^]]*\]")
_NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:])(?!\s*\()")
_RECORDED = re.compile(r"(?<![\w:])[a-z]\w*:[\w:]+(?P<range>\s*\[[^]]*\])?(?P<matchers>\s*\{)?")
_WORDS = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "group_left", "group_right"}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True)
class Rule:
    """One rule: an alert, or something recorded."""

    name: str
    expr: str
    is_alert: bool
    interval: float
    """Seconds from one evaluation to the next, 0 where Prometheus' own holds."""
    hold: float = 0
    """``for``: seconds that the expression must hold before the alert fires."""
    group: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


def rules(files: Iterable[Path]) -> list[Rule]:
    """Return the rules of these files, in their order; raise ``OSError`` or ``yaml.YAMLError`` where one is none."""
    found: list[Rule] = []
    for file in files:
        document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        for group in document["groups"]:
            found += (
                Rule(
                    name=rule.get("alert") or rule["record"],
                    expr=str(rule["expr"]),
                    is_alert="alert" in rule,
                    interval=seconds(group.get("interval", "0s")),
                    hold=seconds(rule.get("for", "0s")),
                    group=group["name"],
                    labels=rule.get("labels") or {},
                    annotations=rule.get("annotations") or {},
                )
                for rule in group["rules"]
            )
    return found


def seconds(duration: str) -> float:
    """Return the seconds of a duration of Prometheus (``90s``, ``1h30m``); raise ``ValueError`` where it is none."""
    if not re.fullmatch(r"(?:\d+(?:ms|[smhdwy]))+", duration):
        raise ValueError(f"{duration!r} is no duration: say 90s, 5m, 1h30m or 30d")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def names(expr: str) -> set[str]:
    """Return the names of series that an expression reads."""
    bare = _TEXT.sub(lambda found: "" if found[0].startswith("#") else '""', expr)
    for other in (_SELECTOR, _RANGE, _LABELS):
        bare = other.sub(" ", bare)
    return {name for name in _NAME.findall(bare) if name not in _WORDS}


def inline(expr: str, records: Mapping[str, Rule], resolution: float) -> str:
    """
    Return the expression with what is recorded replaced by how it is recorded.

    A range of it becomes a subquery, with a step of ``resolution`` seconds, or of the rule's own interval where that is
    longer. Raise ``ValueError`` for matchers on a recorded name: an expression cannot have them.
    """

    def replaced(found: re.Match[str]) -> str:
        name = found[0].partition("[")[0].partition("{")[0].strip()
        rule = records.get(name)
        if rule is None:
            return found[0]
        if found["matchers"]:
            raise ValueError(f"{name} is recorded and has matchers here: nothing can be put in its place")
        inner = f"({inline(rule.expr, records, resolution).strip()}\n)"
        if not found["range"]:
            return inner
        if ":" in found["range"]:  # it is one already
            return inner + found["range"].strip()
        step = max(resolution, rule.interval)
        return f"{inner}{found['range'].strip()[:-1]}:{step:g}s]"

    parts: list[str] = []
    at = 0
    for text in _TEXT.finditer(expr):  # what stands in quotes is kept, what is a comment goes
        parts += (_RECORDED.sub(replaced, expr[at : text.start()]), "" if text[0].startswith("#") else text[0])
        at = text.end()
    return "".join((*parts, _RECORDED.sub(replaced, expr[at:])))
