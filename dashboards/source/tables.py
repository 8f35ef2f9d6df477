"""Tables: of numbers by label, and of the traces that Jaeger finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from source import links
from source.panels import GOOD, JAEGER, Look, Query, framed, letter, mappings, prop, target, thresholds


if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HIDDEN = ("job", "service_name", "deployment_environment_name")
"""Labels that tables do not show, and links read; one that is shown is renamed and so stays."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its values, or a label where ``expression`` is empty."""

    title: str
    expression: str = ""
    label: str = ""
    unit: str = ""
    decimals: int | None = None
    steps: Sequence[tuple[float, str]] = ()
    link: tuple[str, str] = ("", "")
    """Title and address."""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    width: int = 0


def rows(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    sort: str,
    span: int = 24,
    height: int = 9,
    empty: str = "",
    nothing: str = "",
) -> table.Panel:
    """Return a table: one row for each combination of labels, one column for each expression, the worst first."""
    panel = (
        table.Panel()
        .min_width(70)
        .show_header(show_header=True)
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(desc=True)])
    )
    names = {"Time": ""}
    asked = [column for column in columns if column.expression]
    for number, column in enumerate(asked):
        ref = letter(number)
        panel.with_target(target(Query(column.expression), ref).instant().format(PromQueryFormat.TABLE))
        names[f"Value #{ref}" if len(asked) > 1 else "Value"] = column.title
    names.update({column.label: column.title for column in columns if column.label})
    title_of = {title: name for name, title in names.items()}
    if len(asked) > 1:
        panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {title_of[column.title]: number for number, column in enumerate(columns)},
        "renameByName": {name: shown for name, shown in names.items() if shown},
    }
    panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=organize))
    for label in HIDDEN:
        panel.override_by_name(label, [prop("custom.hidden", value=True), prop("custom.hideFrom.viz", value=True)])
    for column in columns:
        if properties := _properties(column):
            panel.override_by_name(column.title, properties)
    return framed(panel, title, description, Look(nothing=nothing), empty, span, height)


def traces(
    title: str,
    description: str,
    service: str,
    operation: str,
    tags: str = "",
    *,
    span: int = 24,
    empty: str = "",
) -> table.Panel:
    """Return the traces that Jaeger finds, the newest first, each with a link to itself."""
    search: Any = _JaegerSearch(service, operation, tags)
    panel = table.Panel().with_target(search).show_header(show_header=True)
    return framed(panel, title, description, Look(nothing="No such trace"), empty, span, 8, JAEGER)


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    found: list[model.DynamicConfigValue] = []
    if column.unit:
        found.append(prop("unit", column.unit))
    if column.decimals is not None:
        found.append(prop("decimals", column.decimals))
    if column.width:
        found.append(prop("custom.width", column.width))
    if column.texts:
        found.append(prop("mappings", mappings(column.texts)))
    if column.steps:
        found.append(prop("thresholds", thresholds(column.steps, GOOD).build()))
        found.append(prop("custom.cellOptions", {"type": "color-text"}))
    if column.link[1]:
        found.append(prop("links", [{"title": column.link[0], "url": column.link[1], "targetBlank": False}]))
    return found


@dataclass
class _JaegerSearch:
    """A query of Grafana's Jaeger data source, for which the SDK has no builder."""

    service: str
    operation: str
    tags: str

    def build(self) -> _JaegerSearch:
        return self

    def to_json(self) -> dict[str, object]:
        return links.search(self.service, self.operation, self.tags)
