"""
How the alerts would have fired on what Prometheus has stored.

``python dashboards/backtest.py --since 30d`` asks for each alert's expression over that time (``query_range``), applies
its ``for``, and prints how often it would have fired, for whom, when and how long. ``--rules changed.yml`` tries other
rules, ``--alert DagRunLate`` one alone.

What the alerts read of recording rules is replaced by how it is recorded, so that a rule can be tried on data that is
older than the rule; a range of it becomes a subquery with a step of ``--resolution``. That costs Prometheus time: of
1,000 DAGs, an hour in steps of five minutes took 3 s. ``--recorded`` reads what was recorded instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table


HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import promql  # noqa: E402 - found by the line above


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RULES = tuple(sorted((HERE / "rules").glob("*.yml")))

MOST_POINTS = 10_000
"""Of one series in one answer; Prometheus gives 11,000."""

_DAY = 86400

Series = tuple[tuple[str, str], ...]


class Refused(Exception):  # noqa: N818 - it is Prometheus' answer, to be shown
    """Prometheus gave no answer to a query; the message is its own."""


class TooMuch(Refused):
    """It has no time or memory for it: a shorter query may do."""


class Prometheus:
    """The store that is asked; ``url`` without a path of its API."""

    def __init__(self, url: str, timeout: float = 300) -> None:
        self._url = url.rstrip("/") + "/api/v1/query_range"
        self._timeout = timeout

    def moments(self, expr: str, start: float, end: float, step: float) -> dict[Series, list[float]]:
        """
        Return when an expression had a value, by its labels; seconds since 1970, both ends included.

        Raise ``TooMuch`` where half the time may be answered, ``Refused`` for all else.
        """
        asked = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        request = urllib.request.Request(self._url, urllib.parse.urlencode(asked).encode())  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310 - the user's own URL
                document: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            too_much = error.code == 503 or "too many samples" in said or "timed out" in said  # noqa: PLR2004
            raise (TooMuch if too_much else Refused)(_message(said)) from error
        except (OSError, ValueError) as error:
            raise Refused(f"{self._url}: {error}") from error
        return {
            tuple(sorted((name, value) for name, value in series["metric"].items() if name != "__name__")): [
                float(at) for at, _ in series["values"]
            ]
            for series in document["data"]["result"]
        }


def _message(said: str) -> str:
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError):
        return said.strip()[:300] or "no reason given"


@dataclass(frozen=True)
class Firing:
    """One alert for one set of labels, from when it fired to the last moment at which it did."""

    labels: Series
    start: float
    end: float


def firings(moments: Mapping[Series, Sequence[float]], step: float, hold: float) -> list[Firing]:
    """
    Return what fires of an expression that has a value at these moments: held for ``hold`` seconds without a gap.

    A moment stands for all the time until the next that is tried: with a step longer than ``hold``, one alone fires.
    """
    found: list[Firing] = []
    for labels, times in moments.items():
        since = last = None
        for at in (*times, None):
            if last is not None and since is not None and (at is None or at - last > step * 1.5):
                if last - since >= hold or step > hold:
                    found.append(Firing(labels, min(since + hold, last), last))
                since = None
            since, last = (at if since is None else since), at
    return sorted(found, key=lambda firing: firing.start)


def spans(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    """Cut a time into queries of a day at most, below Prometheus' limit; all moments are multiples of ``step``."""
    points = max(1, int(min(MOST_POINTS, _DAY / step)))
    first, last = int(-(-start // step)), int(end // step)
    for at in range(first, last + 1, points):
        yield at * step, min(at + points - 1, last) * step


def moments(store: Prometheus, expr: str, start: float, end: float, step: float) -> dict[Series, list[float]]:
    """Ask for a time, and for halves of it where that is too much at once; raise ``Refused``."""
    try:
        return store.moments(expr, start, end, step)
    except TooMuch:
        middle = start + int((end - start) / step / 2) * step
        if middle <= start:
            raise
        found = moments(store, expr, start, middle, step)
        for labels, times in moments(store, expr, middle + step, end, step).items():
            found.setdefault(labels, []).extend(times)
        return found


def chosen(files: Sequence[Path], wanted: Sequence[str]) -> tuple[list[promql.Rule], dict[str, promql.Rule]]:
    """
    Return the alerts to try and all that is recorded; ``files`` go over what they have in common with ``rules/``.

    Raise ``ValueError`` where an alert is wanted that is not there.
    """
    given = promql.rules(files or RULES)
    alerts = {rule.name: rule for rule in given if rule.is_alert}
    if not alerts:  # thresholds.yml alone: the alerts are ours
        alerts = {rule.name: rule for rule in promql.rules(RULES) if rule.is_alert}
    if unknown := set(wanted) - set(alerts):
        raise ValueError(f"no such alert: {', '.join(sorted(unknown))}; there are {', '.join(alerts)}")
    records = {rule.name: rule for rule in (*promql.rules(RULES), *given) if not rule.is_alert}
    return [rule for rule in alerts.values() if not wanted or rule.name in wanted], records


def report(found: Mapping[str, Sequence[Firing]], step: float) -> Table:
    """Return a table: a line for each alert and each that it would have fired for."""
    table = Table("alert", "for whom", "times", "first (UTC)", "last (UTC)", "minutes")
    for alert, all_of_it in found.items():
        if not all_of_it:
            table.add_row(alert, "", "0", "", "", "")
        for labels in sorted({firing.labels for firing in all_of_it}):
            some = [firing for firing in all_of_it if firing.labels == labels]
            minutes = sum(firing.end - firing.start + step for firing in some) / 60
            whom = " ".join(f"{name}={value}" for name, value in labels)
            table.add_row(alert, whom, str(len(some)), when(some[0].start), when(some[-1].start), f"{minutes:.0f}")
    return table


def when(at: float) -> str:
    """Return a moment as the table has it."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M")


def main(arguments: Sequence[str] | None = None, *, now: float | None = None) -> int:
    """Print the table; return 0, or 1 where an alert could not be tried."""
    options = _options(arguments)
    screen = Console(stderr=True)
    try:
        step, since, resolution = (promql.seconds(getattr(options, name)) for name in ("step", "since", "resolution"))
        alerts, records = chosen(options.rules, options.alert)
        exprs = {
            alert.name: alert.expr if options.recorded else promql.inline(alert.expr, records, resolution)
            for alert in alerts
        }
    except (OSError, ValueError, yaml.YAMLError) as error:
        screen.print(f"backtest: {error}", markup=False)
        return 2
    end = time.time() if now is None else now
    parts = list(spans(end - since, end, step))
    store = Prometheus(options.prometheus)
    found: dict[str, list[Firing]] = {}
    failed = False
    with Progress(console=screen, disable=not screen.is_terminal) as progress:
        task = progress.add_task("", total=len(alerts) * len(parts))
        for number, alert in enumerate(alerts, start=1):
            progress.update(task, description=alert.name)
            seen: dict[Series, list[float]] = {}
            try:
                for start, stop in parts:
                    for labels, times in moments(store, exprs[alert.name], start, stop, step).items():
                        seen.setdefault(labels, []).extend(times)
                    progress.advance(task)
                found[alert.name] = firings(seen, step, alert.hold)
            except Refused as error:
                failed = True
                screen.print(f"{alert.name}: {error}", markup=False)
                progress.update(task, completed=number * len(parts))
    Console(width=None if sys.stdout.isatty() else 200).print(report(found, step))
    return int(failed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="backtest.py", description="How the alerts would have fired on stored data.")
    address = os.environ.get("DAGTRACE_PROMETHEUS") or "127.0.0.1:9090"
    add = parser.add_argument
    add("--prometheus", default=address if "://" in address else f"http://{address}", metavar="URL", help="%(default)s")
    add("--since", default="30d", metavar="TIME", help="how far back (%(default)s)")
    add("--step", default="1m", metavar="TIME", help="from one moment that is tried to the next (%(default)s)")
    add("--alert", action="append", default=[], metavar="NAME", help="this one alone; may be repeated")
    add("--rules", action="append", default=[], type=Path, metavar="FILE", help="other rules, or other thresholds")
    add("--resolution", default="5m", metavar="TIME", help="step within ranges of what is recorded (%(default)s)")
    add("--recorded", action="store_true", help="read what was recorded, where the rules were loaded all the time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
