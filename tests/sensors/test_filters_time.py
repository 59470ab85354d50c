"""`filters.time` (reference 4.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.filters import Judgement
from tests.sensors.test_filters import event, program


def passes(start: str, stop: str, time: str, timezone: str = "") -> bool:
    compiled = program({"time": {"start": start, "stop": stop, "timezone": timezone}})
    assert compiled.faults() == []
    assert compiled.explain(event(time=time)).judgement is compiled.judge(event(time=time)).judgement
    return compiled.judge(event(time=time)).judgement is Judgement.PASSED


def test_argo_events_729_a_window_over_midnight() -> None:
    times = ["2026-03-01T22:29:59Z", "2026-03-01T22:30:00Z", "2026-03-02T00:00:00Z", "2026-03-02T01:29:59Z", "2026-03-02T01:30:00Z"]
    times += ["2026-03-02T12:00:00Z", "2026-03-02T01:00:00+03:00"]
    assert [passes("22:30:00", "01:30:00", time) for time in times] == [False, True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2024-05-17T08:59:59.999999999Z", False),
        ("2024-05-17T09:00:00Z", True),
        ("2024-05-17T16:59:59.999999999Z", True),
        ("2024-05-17T17:00:00Z", False),
        ("2024-05-17T18:30:00.5+02:00", True),
        ("2024-05-17t10:00:00z", True),
    ],
)
def test_start_counts_and_stop_does_not_to_the_nanosecond(time: str, expected: bool) -> None:
    assert passes("09:00:00", "17:00:00", time) is expected
    assert passes("9:00:00", "17:00:00.0", time) is expected


def test_a_fraction_of_a_second_counts_to_the_nanosecond() -> None:
    assert not passes("09:00:00.000000002", "17:00:00", "2024-05-17T09:00:00.000000001Z")
    assert passes("09:00:00,000000002", "17:00:00", "2024-05-17T09:00:00.000000002Z")


@pytest.mark.parametrize(
    ("zone", "time", "expected"),
    [
        ("Europe/Berlin", "2024-05-17T06:59:59Z", False),
        ("Europe/Berlin", "2024-05-17T07:00:00Z", True),
        ("Europe/Berlin", "2024-01-17T07:00:00Z", False),
        ("America/New_York", "2024-05-18T03:00:00Z", False),
        ("Asia/Kolkata", "2024-05-17T03:30:00Z", True),
        ("Pacific/Auckland", "2024-05-16T21:00:00Z", True),
    ],
)
def test_the_clock_is_that_of_the_timezone_on_the_date_there(zone: str, time: str, expected: bool) -> None:
    assert passes("09:00:00", "17:00:00", time, zone) is expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        # the clock goes from 02:00 to 03:00 at 07:00 UTC: Go takes half past two, which there is not, for half past one
        ("2024-03-10T06:29:59Z", False),
        ("2024-03-10T06:30:00Z", True),
        # the clock goes from 02:00 back to 01:00
        ("2024-11-03T05:29:59Z", False),
        ("2024-11-03T06:30:00Z", True),
    ],
)
def test_where_clocks_change_a_window_is_where_go_puts_it(time: str, expected: bool) -> None:
    start = "02:30:00" if time < "2024-06" else "01:30:00"
    assert passes(start, "12:00:00", time, "America/New_York") is expected


def test_an_event_without_a_time_has_that_of_the_first_midnight() -> None:
    assert passes("00:00:00", "01:00:00", "")
    assert not passes("01:00:00", "02:00:00", "")
    assert passes("19:00:00", "20:00:00", "", "America/New_York")


def test_a_time_that_is_none_is_an_error() -> None:
    compiled = program({"time": {"start": "00:00:00", "stop": "01:00:00"}})
    assert compiled.judge(event(time="yesterday")).judgement is Judgement.ERRORED
    assert compiled.explain(event(time="2024-13-01T00:00:00Z")).children[0].why == "the event's time is not RFC 3339"


@pytest.mark.parametrize(
    ("window", "path"),
    [
        ({"start": "24:00:00", "stop": "01:00:00"}, "filters.time.start"),
        ({"start": "09:00", "stop": "10:00:00"}, "filters.time.start"),
        ({"start": "09:00:00", "stop": "10:00:60"}, "filters.time.stop"),
        ({"start": "09:00:00", "stop": "10:00:00Z"}, "filters.time.stop"),
        ({"start": "09:00:00", "stop": "٠١:00:00"}, "filters.time.stop"),
        ({"start": "", "stop": "10:00:00"}, "filters.time.start"),
        ({"start": "09:00:00", "stop": "9:00:00"}, "filters.time.stop"),
        ({"start": "09:00:00", "stop": "10:00:00", "timezone": "utc"}, "filters.time.timezone"),
        ({"start": "09:00:00", "stop": "10:00:00", "timezone": "No/Zone"}, "filters.time.timezone"),
    ],
)
def test_argo_events_729_a_window_that_is_none_is_refused_at_load(window: dict[str, str], path: str) -> None:
    assert [one.path for one in program({"time": window}).faults()] == [path]


def test_the_time_of_day_that_was_found_is_shown_in_the_windows_zone() -> None:
    compiled = program({"time": {"start": "09:00:00", "stop": "17:00:00", "timezone": "Asia/Kolkata"}})
    finding = compiled.explain(event(time="2024-05-17T23:59:59Z")).children[0]
    assert finding.asked == "time: from 09:00:00 until before 17:00:00 Asia/Kolkata"
    assert finding.found.startswith("05:29:59 Asia/Kolkata")


clocks = st.integers(0, 86_399)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"])


def written(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


@given(st.integers(0, 4_102_444_800), clocks, clocks, zones)
def test_on_days_without_a_change_the_window_is_one_of_wall_clocks(at: int, start: int, stop: int, zone: str) -> None:
    here = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    midnight = here.replace(hour=0, minute=0, second=0)
    changes = {(midnight + timedelta(hours=hour)).utcoffset() for hour in range(-24, 49)}
    if start == stop or len(changes) > 1:
        return
    clock = here.hour * 3600 + here.minute * 60 + here.second
    expected = start <= clock < stop if start < stop else clock >= start or clock < stop
    assert passes(written(start), written(stop), datetime.fromtimestamp(at, UTC).isoformat(), zone) is expected
