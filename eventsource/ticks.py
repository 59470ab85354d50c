"""Where the instants of a schedule come from, behind APScheduler's trigger interface.

`get_next_fire_time(previous, now)` is pure: the first instant later than `previous`, or than `now` where there was none. Instants are
aware; what comes out is in UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from apscheduler.triggers.base import BaseTrigger

from tiphys.languages import cron

__all__ = ["CronTicks", "Excluding", "IntervalTicks"]


class CronTicks(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """The ticks of a cron schedule."""

    __slots__ = ("schedule",)

    def __init__(self, schedule: cron.Schedule) -> None:
        self.schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next tick; `None` if there is none within five years."""
        return self.schedule.next(previous_fire_time or now)


class IntervalTicks(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A grid: `anchor`, and every `interval` after it. The anchor itself is no tick."""

    __slots__ = ("anchor", "interval")

    def __init__(self, anchor: datetime, interval: timedelta) -> None:
        if interval <= timedelta():
            raise ValueError("an interval must be positive")
        self.anchor, self.interval = anchor.astimezone(UTC), interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next point of the grid."""
        passed = (previous_fire_time or now).astimezone(UTC) - self.anchor
        try:
            return self.anchor + (max(passed // self.interval, 0) + 1) * self.interval
        except OverflowError:
            return None


class Excluding(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """The ticks of another trigger but those on certain dates of a zone."""

    __slots__ = ("dates", "ticks", "zone")

    def __init__(self, ticks: BaseTrigger, dates: Collection[date], zone: tzinfo) -> None:
        self.ticks, self.dates, self.zone = ticks, frozenset(dates), zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next tick on another date."""
        after = previous_fire_time or now
        for _ in range(len(self.dates) + 1):
            tick: datetime | None = self.ticks.get_next_fire_time(after, after)
            if tick is None:
                return None
            today = tick.astimezone(self.zone).date()
            if today not in self.dates or today == date.max:
                return tick
            midnight = datetime.combine(today + timedelta(days=1), time.min, self.zone).astimezone(UTC)
            after = max(tick, midnight - timedelta(microseconds=1))
        return None
