"""Go's time text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.languages import gotime


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2024, 5, 17, 14, tzinfo=UTC), "2024-05-17 14:00:00 +0000 UTC"),
        (datetime(2024, 5, 17, 14, 0, 0, 500_000, tzinfo=UTC), "2024-05-17 14:00:00.5 +0000 UTC"),
        (datetime(2024, 7, 1, tzinfo=ZoneInfo("America/New_York")), "2024-07-01 00:00:00 -0400 EDT"),
        (datetime(2024, 11, 3, tzinfo=ZoneInfo("America/Sao_Paulo")), "2024-11-03 00:00:00 -0300 -03"),
        (datetime(2024, 5, 17, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2024-05-17 00:00:00 +0530 +0530"),
    ],
)
def test_an_instant_is_printed_as_go_does_and_read_back(instant: datetime, text: str) -> None:
    assert gotime.format(instant) == text
    assert gotime.parse(text) == instant


def test_the_monotonic_part_and_nanoseconds_are_read_over() -> None:
    text = "2020-10-19 22:50:00.0003192 +0000 UTC m=+683.5"
    assert gotime.parse(text) == datetime(2020, 10, 19, 22, 50, 0, 319, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "2024-05-17T14:00:00Z", "2024-05-17 14:00:00", "2024-13-17 14:00:00 +0000 UTC", "2024-05-17 14:00:00 UTC"]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time as Go prints it|month must be"):
        gotime.parse(text)


def test_an_instant_without_a_zone_has_no_text() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        gotime.format(datetime(2024, 1, 1))


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.timezones()))
def test_what_is_printed_is_the_same_instant_when_it_is_read(instant: datetime) -> None:
    read = gotime.parse(gotime.format(instant))
    assert abs(read - instant.astimezone(UTC)) < timedelta(minutes=1)  # offsets of the past have seconds, which Go does not print
