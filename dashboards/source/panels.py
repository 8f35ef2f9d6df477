"""
Panels of the boards: what Grafana's SDK can build, cut down to what ours look like.

Every panel has a description. One that may have no data on a good day says why with ``empty``, which stands in its
description, where people and the tests read it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as model


with warnings.catch_warnings():  # "Prefer using dashboardv2": not what files can be provisioned with
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import dashboard as builders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROMETHEUS = common_models.DataSourceRef(type_val="prometheus", uid="prometheus")
JAEGER = common_models.DataSourceRef(type_val="jaeger", uid="jaeger")

EMPTY = "Empty when: "
"""What a description says before the reason why a panel may have no data."""

GOOD, FAIR, BAD, PLAIN = "green", "yellow", "red", "text"
STATES = {
    "success": "green",
    "succeeded": "green",
    "failed": "red",
    "failure": "red",
    "upstream_failed": "orange",
    "skipped": "super-light-blue",
    "up_for_retry": "yellow",
    "running": "blue",
    "queued": "purple",
    "scheduled": "light-purple",
    "deferred": "dark-blue",
    "cancelled": "yellow",
    "killed": "yellow",
    "open": "green",
}
"""Colours of states, as Airflow's pages have them where they have one."""

AnyPanel = TypeVar("AnyPanel", stat.Panel, timeseries.Panel, table.Panel, bargauge.Panel)


@dataclass(frozen=True)
class Query:
    """One expression, and what its series are called (``{{label}}``)."""

    expression: str
    name: str = ""
    exemplars: bool = False


@dataclass(frozen=True)
class Look:
    """How numbers are shown; ``steps`` are thresholds, a value and the colour from there on."""

    unit: str = "short"
    decimals: int | None = None
    steps: Sequence[tuple[float, str]] = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    nothing: str = ""
    """Instead of "No data"."""
    base: str = GOOD
    link: tuple[str, str] = ("", "")
    """Where a click leads: title and address."""


def one(title: str, description: str, query: Query, look: Look, *, span: int = 4, empty: str = "") -> stat.Panel:
    """Return a number."""
    panel = (
        stat.Panel()
        .with_target(target(query, "A").instant())
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE if look.steps else common_models.BigValueColorMode.NONE)
    )
    return framed(panel, title, description, look, empty, span, 4)


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    look: Look,
    *,
    span: int = 12,
    bars: bool = False,
    dots: bool = False,
    empty: str = "",
    least: str = "1m",
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """
    Return curves over time, stacked bars (amounts), or dots (of what has no sum: means, shares).

    ``least`` is the shortest interval that means something.
    """
    style = common_models.GraphDrawStyle
    panel = (
        timeseries.Panel()
        .interval(least)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([])
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(_DESCENDING))
        .axis_soft_min(0)
        .bar_max_width(48)
        .min(0)
        .line_width(0 if bars else 2)
        .fill_opacity(80 if bars else 8)
        .draw_style(style.BARS if bars else style.POINTS if dots else style.LINE)
        .show_points(_SHOWN[bars, dots])
        .point_size(8 if dots else 5)
        .span_nulls(span_nulls=False)
        .stacking(
            common.StackingConfig().mode(common_models.StackingMode.NORMAL if bars else common_models.StackingMode.NONE)
        )
        .overrides([])
    )
    for number, query in enumerate(queries):
        panel.with_target(target(query, letter(number)).range().exemplar(query.exemplars))
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [prop("color", {"mode": "fixed", "fixedColor": colour})])
    return framed(panel, title, description, look, empty, span, 8)


def levels(
    title: str, description: str, query: Query, look: Look, *, span: int = 8, height: int = 8, empty: str = ""
) -> bargauge.Panel:
    """Return one bar for each series of an instant query."""
    panel = (
        bargauge.Panel()
        .with_target(target(query, "A").instant())
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .value_mode(common_models.BarGaugeValueMode.TEXT)
        .show_unfilled(show_unfilled=True)
        .sizing(common_models.BarGaugeSizing.MANUAL)
        .min_viz_height(16)
        .max_viz_height(32)
        .min(0)
    )
    return framed(panel, title, description, look, empty, span, height)


def framed(
    panel: AnyPanel,
    title: str,
    description: str,
    look: Look,
    empty: str,
    span: int,
    height: int,
    source: common_models.DataSourceRef = PROMETHEUS,
) -> AnyPanel:
    """Give a panel what all have: title, description, size, unit, thresholds, link."""
    said = f"{description}\n\n{EMPTY}{empty}" if empty else description
    panel.title(title).description(said).datasource(source).span(span).height(height)
    panel.unit(look.unit).mappings(mappings(look.texts)).thresholds(thresholds(look.steps, look.base))
    if look.decimals is not None:
        panel.decimals(look.decimals)
    if look.nothing:
        panel.no_value(look.nothing)
    if look.link[1]:
        links_of: Any = panel
        links_of.data_links([_Link(*look.link)])
    return panel


def letter(number: int) -> str:
    """Return the reference of a query: A, B, C."""
    return chr(ord("A") + number)


_SHOWN = {
    (True, False): common_models.VisibilityMode.NEVER,
    (False, True): common_models.VisibilityMode.ALWAYS,
    (False, False): common_models.VisibilityMode.AUTO,
}

_DESCENDING = common_models.SortOrder.DESCENDING


def target(query: Query, letter: str) -> prometheus.Dataquery:
    """Return a query of Prometheus."""
    made = prometheus.Dataquery().ref_id(letter).expr(query.expression).datasource(PROMETHEUS)
    return made.legend_format(query.name or "__auto")


def thresholds(steps: Sequence[tuple[float, str]], base: str) -> Any:
    """Return thresholds; without any, numbers are plain."""
    made = [model.Threshold(value=None, color=base if steps else PLAIN)]
    made += [model.Threshold(value=value, color=colour) for value, colour in steps]
    return builders.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def mappings(texts: Mapping[str, str]) -> list[Any]:
    """Return what is shown in place of some values; ``nan`` stands for a division by nothing."""
    found: list[Any] = []
    for value, text in texts.items():
        shown = model.ValueMappingResult(text=text, index=len(found))
        if value == "nan":
            options = model.DashboardSpecialValueMapOptions(match=model.SpecialValueMatch.NULL_AND_NAN, result=shown)
            found.append(model.SpecialValueMap(options=options))
        else:
            found.append(model.ValueMap(options={value: shown}))
    return found


def prop(name: str, value: object) -> model.DynamicConfigValue:
    """Return one property of an override."""
    return model.DynamicConfigValue(id_val=name, value=value)


@dataclass
class _Link:
    """A link of a value; the SDK only knows a board's, which have more to them."""

    title: str
    url: str

    def build(self) -> dict[str, object]:
        return {"title": self.title, "url": self.url, "targetBlank": False}
