"""
The critical path of a run: the tries that decided when it ended, and how much later the others could have. Pure.

From the last try to end back to the first: what a try waited for is the try above it that ended last, or its own try
before it. A try above that ended only after it had begun (a trigger rule such as ``one_success``) held nobody up. A
try's slack is how much later it could have ended and the run no later, if all else took and waited as long as it did.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

SKEW = 0.5
"""Seconds that a try may begin before what it waited for ended: they ran on hosts with clocks of their own."""


@dataclass(frozen=True)
class Step:
    """One try; times are seconds since the epoch."""

    task_id: str
    map_index: int
    try_number: int
    start: float
    end: float

    @property
    def name(self) -> str:
        """As the UI names it: ``load``, ``load[2]``; a try that is not the first with its number, ``load (try 2)``."""
        index = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.task_id}{index}" + (f" (try {self.try_number})" if self.try_number > 1 else "")


@dataclass(frozen=True)
class CriticalPath:
    """The path in order; its seconds, which together are those of the run; and every try's slack in seconds."""

    steps: tuple[Step, ...]
    working: float
    """Within tries on the path; of a deferred one, also while it was deferred."""
    waiting: float
    """Between them: retry delays, scheduler, pool and executor; and before the first and after the last."""
    slack: Mapping[Step, float]

    @property
    def others(self) -> list[tuple[str, float]]:
        """The tries beside the path and their slack, the least first."""
        path = set(self.steps)
        found = ((step.name, slack) for step, slack in self.slack.items() if step not in path)
        return sorted(found, key=lambda item: (item[1], item[0]))


def critical_path(
    tries: Sequence[Step],
    above: Mapping[str, Collection[str]],
    beside: Mapping[str, Collection[str]],
    run: tuple[float, float],
) -> CriticalPath | None:
    """
    Return the critical path of a run with these tries, None where it had none.

    ``above`` has the tasks directly above each task, ``beside`` those in the same mapped task group, whose instance i
    waits for their instance i only; ``run`` is when the run began and ended. Of tries that ended at the same moment the
    one that began last is taken, then the last by name: the same tries give the same path, however a database sorts.
    """
    if not tries:
        return None
    graph = _Graph(tries, above, beside)
    step: Step | None = max(tries, key=_latest)
    path: list[Step] = []
    while step is not None:
        path.append(step)
        step = graph.waited_for(step)
    path.reverse()
    working = sum(step.end - step.start for step in path)
    begins = [step.start for step in path] + [max(run[1], path[-1].end)]
    ends = [min(run[0], path[0].start)] + [step.end for step in path]
    waiting = sum(max(0.0, begin - end) for begin, end in zip(begins, ends, strict=True))
    return CriticalPath(tuple(path), working, waiting, graph.slack())


def _latest(step: Step) -> tuple[float, float, str, int, int]:
    return step.end, step.start, step.task_id, step.map_index, step.try_number


class _Graph:
    """Tries by task, and what each waited for."""

    def __init__(
        self, tries: Sequence[Step], above: Mapping[str, Collection[str]], beside: Mapping[str, Collection[str]]
    ) -> None:
        self._instances: defaultdict[str, defaultdict[int, list[Step]]] = defaultdict(lambda: defaultdict(list))
        for step in sorted(tries, key=lambda one: (one.task_id, one.map_index, one.try_number)):
            self._instances[step.task_id][step.map_index].append(step)
        self._before = {
            later: earlier
            for instances in self._instances.values()
            for steps in instances.values()
            for earlier, later in pairwise(steps)
        }
        self._last = {
            task_id: sorted((steps[-1] for steps in instances.values()), key=_latest)
            for task_id, instances in self._instances.items()
        }
        self._ends = {task_id: [one.end for one in steps] for task_id, steps in self._last.items()}
        self._beside = beside
        self._above: dict[str, list[str]] = {}
        for task_id in self._instances:
            self._above[task_id] = sorted(self._there(above, task_id))

    def _there(self, above: Mapping[str, Collection[str]], task_id: str) -> set[str]:
        """Return the tasks above that have tries; past one that has none (not run again after a clear), those above."""
        found: set[str] = set()
        waiting, seen = list(above.get(task_id, ())), {task_id}
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                if one in self._instances:
                    found.add(one)
                else:
                    waiting.extend(above.get(one, ()))
        return found

    def _paired(self, task_id: str, source: str, map_index: int) -> bool:
        """Whether an instance waits for one instance of a task above only, its own."""
        return source in self._beside.get(task_id, ()) and map_index in self._instances[source]

    def waited_for(self, step: Step) -> Step | None:
        """Return the try that ended last of those a try waited for; None for a first one."""
        if step in self._before:
            return self._before[step]
        found: list[Step] = []
        for source in self._above[step.task_id]:
            if self._paired(step.task_id, source, step.map_index):
                last = self._instances[source][step.map_index][-1]
                found += [last] if last.end <= step.start + SKEW else []
            else:
                ended = bisect_right(self._ends[source], step.start + SKEW)
                found += [self._last[source][ended - 1]] if ended else []
        return max(found, key=_latest, default=None)

    def slack(self) -> dict[Step, float]:
        """Return each try's slack, from the last tasks up."""
        end = max(steps[-1].end for steps in self._last.values())
        below: defaultdict[str, list[str]] = defaultdict(list)
        for task_id, sources in self._above.items():
            for source in sources:
                below[source].append(task_id)
        found: dict[Step, float] = {}
        for task_id in self._upwards(below):
            limits = [_Limits(self._firsts(task), found, self) for task in below[task_id]]
            for map_index, steps in self._instances[task_id].items():
                last = steps[-1]
                latest = end
                for task, limit in zip(below[task_id], limits, strict=True):
                    paired = self._paired(task, task_id, map_index) and map_index in self._instances[task]
                    latest = min(latest, limit.of(last, map_index if paired else None))
                slack = latest - last.end
                for step in reversed(steps):  # a try's slack is that of its retry
                    found[step] = slack
        return found

    def _firsts(self, task_id: str) -> list[Step]:
        return [steps[0] for steps in self._instances[task_id].values()]

    def _upwards(self, below: Mapping[str, list[str]]) -> list[str]:
        """Return the tasks, each after all that are below it."""
        order: list[str] = []
        seen: set[str] = set()
        for first in self._instances:
            stack = [(first, False)]
            while stack:
                task_id, done = stack.pop()
                if done:
                    order.append(task_id)
                elif task_id not in seen:
                    seen.add(task_id)
                    stack.append((task_id, True))
                    stack.extend((task, False) for task in below.get(task_id, ()))
        return order


class _Limits:
    """Until when what a task's instances waited for had to end, so that the run ends no later."""

    def __init__(self, firsts: Sequence[Step], slack: Mapping[Step, float], graph: _Graph) -> None:
        self._by_instance: dict[int, tuple[float, float]] = {}
        limits: list[tuple[float, float]] = []
        for step in firsts:
            before = graph.waited_for(step)
            ready = step.start if before is None else before.end
            limits.append((step.start, ready + slack[step]))
            self._by_instance[step.map_index] = limits[-1]
        limits.sort()
        self._starts = [start for start, _ in limits]
        self._least = [limit for _, limit in limits]
        for i in range(len(limits) - 2, -1, -1):
            self._least[i] = min(self._least[i], self._least[i + 1])

    def of(self, step: Step, map_index: int | None) -> float:
        """Return the limit for a try above: by the instance that waited for it alone, or by all that did."""
        if map_index is not None:
            start, limit = self._by_instance[map_index]
            return limit if step.end <= start + SKEW else float("inf")
        i = bisect_left(self._starts, step.end - SKEW)
        return self._least[i] if i < len(self._least) else float("inf")
