"""Where a number leads: to another board, or to the traces that Jaeger finds."""

from __future__ import annotations

import json
import re
from urllib.parse import quote


def board_link(uid: str, *kept: str, **variables: str) -> str:
    """Return the address of another board, with the same time range, variables that are kept, and those given."""
    parts = [f"${{{name}:queryparam}}" for name in kept] + [f"var-{name}={value}" for name, value in variables.items()]
    return f"/d/{uid}?" + "&".join(["${__url_time_range}", *parts])


def search(service: str, operation: str, tags: str = "") -> dict[str, object]:
    """Return a search as Grafana's Jaeger data source has it; tags are ``name=value``, separated by blanks."""
    found: dict[str, object] = {"refId": "A", "datasource": {"type": "jaeger", "uid": "jaeger"}, "queryType": "search"}
    return {**found, "service": service, "operation": operation, "tags": tags, "limit": 20}


def trace_search(service: str, operation: str, tags: str = "") -> str:
    """Return the address of that search in Grafana's Explore; variables are put in by Grafana."""
    query = search(service, operation, tags)
    times = {"from": "${__from}", "to": "${__to}"}
    pane = {"a": {"datasource": "jaeger", "queries": [query], "range": times}}
    # All of it is escaped but the variables, which Grafana looks for.
    parts = re.split(r"(\$\{[^}]+\}|\$[a-z]+)", json.dumps(pane, separators=(",", ":")))
    return "/explore?schemaVersion=1&orgId=1&panes=" + "".join(
        part if part.startswith("$") else quote(part, safe="") for part in parts
    )
