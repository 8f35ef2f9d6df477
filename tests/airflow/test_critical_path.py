"""The critical path of runs that can be worked out by hand; each figure has the arithmetic beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dagtrace.airflow.critical_path import CriticalPath, Step, critical_path


if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Mapping, Sequence


def step(task_id: str, start: float, end: float, *, index: int = -1, number: int = 1) -> Step:
    """Return a try; times are seconds."""
    return Step(task_id, index, number, start, end)


def found(
    tries: Sequence[Step],
    above: Mapping[str, Collection[str]],
    run: tuple[float, float],
    beside: Mapping[str, Collection[str]] | None = None,
) -> CriticalPath:
    """Return the path of a run that has one."""
    path = critical_path(tries, above, beside or {}, run)
    assert path is not None
    return path


def names(path: CriticalPath) -> list[str]:
    """Return the tries on a path."""
    return [one.name for one in path.steps]


def test_a_diamond() -> None:
    """
    The longer side is the path.

        run 0                                     36
        a     2-----10
        b              12------------22
        c              13------18
        d                                24----34

    Working 8 + 10 + 10. Waiting 2 before a, 2 before b, 2 before d, 2 to the run's end. c could have ended at 22.
    """
    tries = [step("a", 2, 10), step("b", 12, 22), step("c", 13, 18), step("d", 24, 34)]
    path = found(tries, {"b": ["a"], "c": ["a"], "d": ["b", "c"]}, (0, 36))
    assert names(path) == ["a", "b", "d"]
    assert (path.working, path.waiting) == (28, 8)
    assert path.others == [("c", 4)]
    assert {path.slack[one] for one in path.steps} == {0}


def test_a_mapped_fan_out() -> None:
    """
    The slowest instance is the path, and the instances are all waited for.

        run 0                                 31
        list    1---5
        get[0]        6-----11
        get[1]        7-----------20
        get[2]        6--8
        sum                          21---30
        audit         6----------------------25      (below list, nothing below it)

    Working 4 + 13 + 9, waiting 1 + 2 + 1 + 1. get[0] could end at 20, audit at 30.
    """
    tries = [
        step("list", 1, 5),
        *(step("get", start, end, index=i) for i, (start, end) in enumerate(((6, 11), (7, 20), (6, 8)))),
        step("sum", 21, 30),
        step("audit", 6, 25),
    ]
    path = found(tries, {"get": ["list"], "sum": ["get"], "audit": ["list"]}, (0, 31))
    assert names(path) == ["list", "get[1]", "sum"]
    assert (path.working, path.waiting) == (26, 5)
    assert path.others == [("audit", 5), ("get[0]", 9), ("get[2]", 12)]


def test_a_retry() -> None:
    """
    Both tries are on the path, and the delay between them is waiting.

        run 0                                      50
        a          1--3
        flaky (1)        5----9
        flaky (2)                  39----44
        quick            5--6
        z                                   46--48

    Working 2 + 4 + 5 + 2. Waiting 1 + 2 + 30 + 2 + 2. quick could have ended with flaky, at 44.
    """
    tries = [
        step("a", 1, 3),
        step("flaky", 5, 9),
        step("flaky", 39, 44, number=2),
        step("quick", 5, 6),
        step("z", 46, 48),
    ]
    path = found(tries, {"flaky": ["a"], "quick": ["a"], "z": ["flaky", "quick"]}, (0, 50))
    assert names(path) == ["a", "flaky", "flaky (try 2)", "z"]
    assert (path.working, path.waiting) == (13, 37)
    assert path.others == [("quick", 38)]


def test_a_retry_beside_the_path() -> None:
    """All tries of an instance have the slack of its last: the first cannot end later than it lets the second begin."""
    tries = [step("slow", 0, 100), step("flaky", 0, 5), step("flaky", 35, 40, number=2), step("z", 101, 110)]
    path = found(tries, {"z": ["slow", "flaky"]}, (0, 110))
    assert names(path) == ["slow", "z"]
    assert path.others == [("flaky", 60), ("flaky (try 2)", 60)]


def test_a_mapped_task_group() -> None:
    """
    Instance i waits for instance i: the path stays in one, though another's first half ended later.

        x[0]  0--2          x[1]  0------6
        y[0]     3-------20 y[1]          7--9

    x[1] could end at 17 (y[1] took 2 and waited 1, and may end at 20).
    """
    tries = [step("x", 0, 2, index=0), step("x", 0, 6, index=1), step("y", 3, 20, index=0), step("y", 7, 9, index=1)]
    path = found(tries, {"y": ["x"]}, (0, 20), {"y": ["x", "y"], "x": ["x", "y"]})
    assert names(path) == ["x[0]", "y[0]"]
    assert path.others == [("x[1]", 11), ("y[1]", 11)]


def test_who_is_not_waited_for_is_not_on_the_path() -> None:
    """With ``one_success`` a task begins before the slower one above ended: that one may take until the run's end."""
    tries = [step("fast", 0, 2), step("slow", 0, 15), step("first", 3, 20)]
    path = found(tries, {"first": ["fast", "slow"]}, (0, 20))
    assert names(path) == ["fast", "first"]
    assert path.others == [("slow", 5)]


def test_a_task_that_did_not_run_again_is_passed_over() -> None:
    """After a clear of first and last, the one between has no try in this generation; the path goes through it."""
    path = found([step("a", 0, 4), step("c", 6, 8)], {"b": ["a"], "c": ["b"]}, (0, 8))
    assert names(path) == ["a", "c"]


def test_clocks_that_differ() -> None:
    """A try that seems to begin a tenth of a second before its upstream ended waited for it all the same."""
    path = found([step("a", 0, 5.1), step("b", 5.0, 9)], {"b": ["a"]}, (0, 9))
    assert names(path) == ["a", "b"]
    assert path.waiting == 0


def test_a_run_without_tries_has_none() -> None:
    """Nothing is made up."""
    assert critical_path([], {}, {}, (0, 1)) is None


@st.composite
def any_run(draw: st.DrawFn) -> tuple[list[Step], dict[str, list[str]]]:
    """Draw a DAG of up to 7 tasks, mapped or not, each instance begun after all above it ended."""
    above: dict[str, list[str]] = {}
    tries: list[Step] = []
    ended: dict[str, float] = {}
    for number in range(draw(st.integers(1, 7))):
        task_id = f"t{number}"
        above[task_id] = draw(st.lists(st.sampled_from(sorted(ended)), unique=True, max_size=3)) if ended else []
        ready = max((ended[source] for source in above[task_id]), default=0)
        for index in range(draw(st.integers(1, 3))):
            start = ready + 1 + draw(st.integers(0, 3))
            tries.append(step(task_id, start, start + draw(st.integers(1, 9)), index=index))
        ended[task_id] = max(one.end for one in tries if one.task_id == task_id)
    return tries, above


@given(any_run())
def test_the_slack_is_what_the_run_can_bear(run: tuple[list[Step], dict[str, list[str]]]) -> None:
    """
    Replayed with one try longer by its slack, every run ends when it ended; by one second more, it ends later.

    The replay knows only durations, waits and edges; no path and no slack.
    """
    tries, above = run
    end = max(one.end for one in tries)
    path = found(tries, above, (0, end))
    assert path.working + path.waiting == end
    for one in tries:
        slack = path.slack[one]
        assert _replayed(tries, above, one, slack) == end
        assert _replayed(tries, above, one, slack + 1) == end + 1


def _replayed(tries: Sequence[Step], above: Mapping[str, Sequence[str]], longer: Step, by: float) -> float:
    was = {task: max(one.end for one in tries if one.task_id == task) for task in above}
    now: dict[str, float] = {}
    for task in above:  # drawn in topological order
        ready_was = max((was[source] for source in above[task]), default=0)
        ready_now = max((now[source] for source in above[task]), default=0)
        ends = [one.end - ready_was + ready_now + (by if one is longer else 0) for one in tries if one.task_id == task]
        now[task] = max(ends)
    return max(now.values())


@given(any_run(), st.randoms())
def test_every_try_has_its_place_in_whatever_order(
    run: tuple[list[Step], dict[str, list[str]]], random: random.Random
) -> None:
    """Each try is on the path or beside it, once; rows in another order change nothing, though tries end at once."""
    tries, above = run
    path = found(tries, above, (0, max(one.end for one in tries)))
    assert sorted([*names(path), *(name for name, _ in path.others)]) == sorted(one.name for one in tries)
    shuffled = tries[:]
    random.shuffle(shuffled)
    again = found(shuffled, above, (0, max(one.end for one in tries)))
    assert (again.steps, again.others) == (path.steps, path.others)
