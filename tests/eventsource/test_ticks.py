"""Triggers in APScheduler's form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.base import BaseTrigger
from hypothesis import given
from hypothesis import strategies as st

from eventsource.ticks import CronTicks, Excluding, IntervalTicks
from tiphys.languages import cron

START = datetime(2024, 5, 17, 13, 45, 30, tzinfo=UTC)


def test_apscheduler_takes_them_for_triggers_and_asks_by_the_previous_or_the_present() -> None:
    ticks = CronTicks(cron.compile("0 * * * *"))
    assert isinstance(ticks, BaseTrigger)
    assert ticks.get_next_fire_time(None, START) == datetime(2024, 5, 17, 14, tzinfo=UTC)
    assert ticks.get_next_fire_time(datetime(2024, 5, 17, 20, tzinfo=UTC), START) == datetime(2024, 5, 17, 21, tzinfo=UTC)


@given(st.integers(1, 10**6), st.integers(-(10**7), 10**7))
def test_an_interval_is_a_grid_that_does_not_drift(seconds: int, passed: int) -> None:
    ticks = IntervalTicks(START, timedelta(seconds=seconds))
    after = START + timedelta(seconds=passed)
    tick = ticks.get_next_fire_time(after, after)
    assert tick is not None
    assert tick > after
    assert (tick - START) % timedelta(seconds=seconds) == timedelta()
    assert tick - after <= timedelta(seconds=seconds) or passed < 0


def test_an_interval_must_go_forward() -> None:
    for wrong in (timedelta(), timedelta(seconds=-5)):
        with pytest.raises(ValueError, match="positive"):
            IntervalTicks(START, wrong)


def test_the_end_of_the_calendar_has_no_tick() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert IntervalTicks(START, timedelta(days=1)).get_next_fire_time(last, last) is None
    assert CronTicks(cron.compile("* * * * *")).get_next_fire_time(last, last) is None


def test_excluded_dates_are_dates_of_the_zone() -> None:
    zone = ZoneInfo("America/New_York")
    ticks = Excluding(CronTicks(cron.compile("0 22 * * *", zone)), [date(2024, 5, 18), date(2024, 5, 19)], zone)
    tick = ticks.get_next_fire_time(START, START)
    assert tick == datetime(2024, 5, 18, 2, tzinfo=UTC)
    assert ticks.get_next_fire_time(tick, START) == datetime(2024, 5, 21, 2, tzinfo=UTC)


def test_a_long_list_of_excluded_dates_is_passed_over_without_stepping_through_their_minutes() -> None:
    dates = [date(2024, 5, 18) + timedelta(days=day) for day in range(300)]
    ticks = Excluding(CronTicks(cron.compile("* * * * *")), dates, UTC)
    evening = datetime(2024, 5, 17, 23, 59, tzinfo=UTC)
    assert ticks.get_next_fire_time(evening, evening) == datetime(2024, 5, 18, tzinfo=UTC) + timedelta(days=300)
    never = Excluding(CronTicks(cron.compile("0 0 30 2 *")), dates, UTC)
    assert never.get_next_fire_time(evening, evening) is None
