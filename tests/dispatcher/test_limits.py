"""The pace of a server: found out, not configured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.limits import Pace


def test_a_server_that_never_complains_takes_up_to_the_ceiling() -> None:
    pace = Pace(256)

    assert pace.open(255, now=0.0)
    assert not pace.open(256, now=0.0)


def test_a_429_shuts_the_server_for_as_long_as_it_asks_and_halves_the_window() -> None:
    pace = Pace(256)

    pace.throttled(now=10.0, retry_after=7.0)

    assert not pace.open(0, now=16.9)
    assert pace.open(0, now=17.0)
    assert pace.window == 128


def test_the_429s_of_one_burst_halve_the_window_once() -> None:
    pace = Pace(256)

    for _ in range(50):
        pace.throttled(now=10.0, retry_after=1.0)

    assert pace.window == 128


def test_an_absurd_retry_after_is_not_believed() -> None:
    pace = Pace(256)

    pace.throttled(now=0.0, retry_after=1e9)

    assert pace.shut_until == 300.0


def test_a_server_that_is_away_is_asked_by_one_attempt_at_a_time_at_growing_intervals() -> None:
    pace, now, pauses = Pace(256), 0.0, []

    for _ in range(8):
        pace.unreachable(now)
        pauses.append(pace.shut_until - now)
        now = pace.shut_until
        assert pace.window == 1
        assert not pace.open(1, now)

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_the_failures_that_were_under_way_together_count_once() -> None:
    pace = Pace(256)

    for _ in range(16):
        pace.unreachable(now=0.0)

    assert pace.shut_until == 0.5


def test_a_server_that_comes_back_gets_its_window_back_quickly_and_a_new_outage_starts_with_a_short_pause() -> None:
    pace = Pace(64)
    for _ in range(6):
        pace.unreachable(pace.shut_until)

    for _ in range(40):
        pace.answered()
    assert pace.window >= 32

    at = pace.shut_until
    pace.unreachable(at)
    assert pace.shut_until == at + 0.5


@given(st.lists(st.sampled_from(["answered", "throttled", "unreachable"]), max_size=200), st.integers(1, 256))
def test_whatever_happens_the_window_stays_between_one_and_the_ceiling_and_opens_again(history: list[str], ceiling: int) -> None:
    pace, now = Pace(ceiling), 0.0

    for step in history:
        now += 0.3
        if step == "answered":
            pace.answered()
        elif step == "throttled":
            pace.throttled(now, None)
        else:
            pace.unreachable(now)
        assert 1 <= pace.window <= ceiling

    assert pace.open(0, max(now, pace.shut_until))
