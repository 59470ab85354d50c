"""Durations are Go's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import DurationError
from tiphys.languages import duration
from tiphys.languages.duration import HOUR, MILLISECOND, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("0", 0, "0s"),
        ("-0", 0, "0s"),
        ("10s", 10 * SECOND, "10s"),
        ("1h30m", 90 * MINUTE, "1h30m0s"),
        ("1.5h", 90 * MINUTE, "1h30m0s"),
        ("-1.5s", -1500 * MILLISECOND, "-1.5s"),
        (".5s", 500 * MILLISECOND, "500ms"),
        ("1.s", SECOND, "1s"),
        ("+1h1h", 2 * HOUR, "2h0m0s"),
        ("1µs", 1000, "1µs"),
        ("1μs", 1000, "1µs"),
        ("1us1ns", 1001, "1.001µs"),
        ("61s", 61 * SECOND, "1m1s"),
        ("0.3333333333333333333h", 1200 * SECOND, "20m0s"),
        ("9223372036854775807ns", 2**63 - 1, "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", -(2**63), "-2562047h47m16.854775808s"),
    ],
)
def test_a_duration_is_read_and_printed_as_go_does(text: str, nanoseconds: int, printed: str) -> None:
    assert duration.parse(text) == nanoseconds
    assert duration.format(nanoseconds) == printed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("-", "empty"),
        ("1", "without a unit"),
        ("1h2", "without a unit"),
        (".s", "without a number"),
        ("h", "without a number"),
        ("1d", "unknown unit 'd'"),
        ("1h-5m", "unknown unit 'h-'"),
        (" 1s", "unit without"),
        ("1s ", "unknown unit"),
        ("1e3s", "unknown unit 'e'"),
        ("9223372036854775808ns", "292 years"),
        ("3000000h", "292 years"),
        ("1" * 500 + "s", "too long"),
        (".", "point without"),
    ],
)
def test_what_go_refuses_is_refused_with_a_reason(text: str, problem: str) -> None:
    with pytest.raises(DurationError, match=problem) as caught:
        duration.parse(text)
    assert caught.value.remedy


def test_seconds_are_for_timers() -> None:
    assert duration.seconds("1m0.5s") == 60.5


@given(st.integers(-(2**63), 2**63 - 1))
def test_what_is_printed_is_read_back(nanoseconds: int) -> None:
    # Go reads a fraction through a float, so the last digits of a very long one may differ by a few nanoseconds.
    assert abs(duration.parse(duration.format(nanoseconds)) - nanoseconds) <= 1


@given(st.text(alphabet="0123456789.hmsunµ-+ d", max_size=16))
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    try:
        found = duration.parse(text)
    except DurationError:
        return
    assert -(2**63) <= found < 2**63
