"""Ids are derived: the same names give the same ids everywhere, other names other ids, and none is zero."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagtrace import identity
from dagtrace.identity import SpanContext


if TYPE_CHECKING:
    from collections.abc import Callable

RUN = 0x0311F7E909B56D94AADF3A833B5577A8
"""Trace id of the run (flights, manual__2026-01-01, 1767225600000000 µs)."""
TRY = 0x44A3F62B7ECDD27B
"""Span id of try 1 of its unmapped task ``extract``."""

part = st.text(st.characters(exclude_categories=["Cs"]))
parts = st.lists(part, max_size=4)


def _by_hand(size: int, *words: str) -> int:
    """Return the documented hash, written down a second time: version byte, then each part after its length."""
    data = b"\x01"
    for word in words:
        data += len(word.encode()).to_bytes(4, "big") + word.encode()
    return int(hashlib.sha256(data).hexdigest()[: 2 * size], 16)


def test_ids_stay_what_they_were() -> None:
    """A changed hash needs another version byte: scheduler and worker of two releases may be at work at once."""
    trace_id = identity.run_trace_id("flights", "manual__2026-01-01", 1767225600000000)
    assert trace_id == RUN
    assert identity.run_trace_id("flights", "manual__2026-01-01", 1767225600000000, "nonce") == (
        0x588D5241131EF7F680A9D833279BB4AD
    )
    assert identity.run_span_id(trace_id) == 0x8B7CD7D2211264B0
    assert identity.try_span_id(trace_id, "extract", -1, 1) == TRY
    assert identity.execution_span_id(TRY, "host", 42, 1767225600000000000) == 0x25A2BEEF4102D300


@pytest.mark.parametrize(
    ("derived", "words", "size"),
    [
        (identity.run_trace_id("d", "r", 7), ("dag_run", "d", "r", "7"), 16),
        (identity.run_trace_id("Flüge ✈", "", 0), ("dag_run", "Flüge ✈", "", "0"), 16),
        (identity.run_trace_id("d", "r", 7, "n"), ("dag_run", "d", "r", "7", "n"), 16),
        (identity.run_span_id(RUN), ("dag_run", f"{RUN:032x}"), 8),
        (identity.try_span_id(RUN, "t", -1, 2), ("task_instance", f"{RUN:032x}", "t", "-1", "2"), 8),
        (identity.execution_span_id(TRY, "h", 1, 2), ("execute", f"{TRY:016x}", "h", "1", "2"), 8),
    ],
)
def test_an_id_is_the_documented_hash(derived: int, words: tuple[str, ...], size: int) -> None:
    """Java and any other language can make the same ids from the documented input alone."""
    assert derived == _by_hand(size, *words)


@given(parts, parts)
def test_parts_with_other_boundaries_give_another_id(one: list[str], other: list[str]) -> None:
    """("ab", "c") and ("a", "bc") are not the same: equal hashes mean equal lists of parts."""
    same = identity._digest(8, tuple(one)) == identity._digest(8, tuple(other))
    assert same == (one == other)


@given(part, st.integers(1, 5))
def test_moving_one_character_to_the_next_part_gives_another_id(text: str, at: int) -> None:
    """The one collision a plain concatenation would have, searched for on purpose."""
    word = text + "abcdef"
    assert identity._digest(8, (word[:at], word[at:])) != identity._digest(8, (word[: at + 1], word[at + 1 :]))


@given(
    dag=part,
    run=part,
    task=part,
    generation=st.integers(0, 2**60),
    number=st.integers(-1, 99),
)
def test_ids_fit_and_are_never_zero(dag: str, run: str, task: str, generation: int, number: int) -> None:
    """Every id is one that OpenTelemetry takes: 128 or 64 bits, not all zero."""
    trace_id = identity.run_trace_id(dag, run, generation)
    assert 0 < trace_id < 2**128
    tried = identity.try_span_id(trace_id, task, number, number)
    for span_id in (identity.run_span_id(trace_id), tried, identity.execution_span_id(tried, run, number, generation)):
        assert 0 < span_id < 2**64


def test_a_hash_of_zero_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one id that means "no id" is never given out, even where the hash says so."""

    class Zero:
        def update(self, _data: bytes) -> None: ...

        def digest(self) -> bytes:
            return bytes(32)

    def zero(_start: bytes) -> Zero:
        return Zero()

    monkeypatch.setattr(identity.hashlib, "sha256", zero)
    assert identity.run_trace_id("d", "r", 0) == 1


_TRY = ("d", "r", 0, "t", -1, 1)


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (identity.run_trace_id, ("d", "r", 0), ("e", "r", 0)),
        (identity.run_trace_id, ("d", "r", 0), ("d", "s", 0)),
        (identity.run_trace_id, ("d", "r", 0), ("d", "r", 1)),
        (identity.run_trace_id, ("d", "r", 0), ("d", "r", 0, "n")),
        (identity.run_span_id, (1,), (2,)),
        (identity.try_span_id, (1, "t", -1, 1), (2, "t", -1, 1)),
        (identity.try_span_id, (1, "t", -1, 1), (1, "u", -1, 1)),
        (identity.try_span_id, (1, "t", -1, 1), (1, "t", 0, 1)),
        (identity.try_span_id, (1, "t", -1, 1), (1, "t", -1, 2)),
        (identity.execution_span_id, (1, "h", 1, 1), (2, "h", 1, 1)),
        (identity.execution_span_id, (1, "h", 1, 1), (1, "i", 1, 1)),
        (identity.execution_span_id, (1, "h", 1, 1), (1, "h", 2, 1)),
        (identity.execution_span_id, (1, "h", 1, 1), (1, "h", 1, 2)),
    ],
)
def test_each_name_counts(make: Callable[..., int], one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Whatever tells two runs, tries or executions apart changes the id."""
    assert make(*one) != make(*other)


@given(st.datetimes(timezones=st.timezones() | st.just(timezone.utc), allow_imaginary=False))
def test_times_are_exact_to_the_microsecond(moment: datetime) -> None:
    """No float on the way: a generation that is one microsecond off would be another trace."""
    exact = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    assert identity.microseconds(moment) == exact
    assert identity.nanoseconds(moment) == exact * 1000


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_traceparent_survives_the_trip(trace_id: int, span_id: int, sampled: bool) -> None:  # noqa: FBT001
    """What one process writes the next one reads: both ids and the sampling decision."""
    context = SpanContext(trace_id, span_id, sampled)
    assert len(context.traceparent) == 55
    assert SpanContext.parse(context.traceparent) == context


def test_a_traceparent_is_what_w3c_says() -> None:
    """The header's text is exact, the random flag stays unset."""
    assert SpanContext(RUN, TRY).traceparent == "00-0311f7e909b56d94aadf3a833b5577a8-44a3f62b7ecdd27b-01"
    assert SpanContext(1, 2, sampled=False).traceparent == f"00-{'0' * 31}1-{'0' * 15}2-00"


GOOD = f"00-{RUN:032x}-{TRY:016x}-01"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        GOOD[:-1],
        GOOD + "0",
        GOOD + "-more",
        "ff" + GOOD[2:],
        GOOD.upper(),
        f"00-{'0' * 32}-{TRY:016x}-01",
        f"00-{RUN:032x}-{'0' * 16}-01",
        GOOD.replace("-", "_"),
        GOOD.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
    ],
)
def test_a_malformed_traceparent_is_none(header: str | None) -> None:
    """Nothing is read out of a header that W3C calls invalid."""
    assert SpanContext.parse(header) is None


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (GOOD, True),
        (f"  {GOOD}\t", True),
        ("cc" + GOOD[2:] + "-what-comes-later", True),
        (GOOD[:-2] + "02", False),
        (GOOD[:-2] + "03", True),
    ],
)
def test_a_valid_traceparent_is_read(header: str, sampled: bool) -> None:  # noqa: FBT001
    """Blanks around it, other flags and later versions with more fields are no reason to lose the parent."""
    assert SpanContext.parse(header) == SpanContext(RUN, TRY, sampled)


@given(st.text())
def test_reading_a_traceparent_never_raises(header: str) -> None:
    """A header comes from outside: any text is either a context or None."""
    context = SpanContext.parse(header)
    assert context is None or isinstance(context, SpanContext)
