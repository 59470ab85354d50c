"""Cron schedules in a time zone: the next and the previous tick, without stepping through the minutes.

The fields mean what robfig/cron 3 makes of them (`tiphys.languages.cron_fields`), so every argo-events schedule means the same here. What
happens when clocks change is a choice, `dst`:

* `once`, our default, is what Debian's cron does. A schedule of fixed times runs once for each of them: at the first of a repeated hour,
  and at the first instant after a gap that swallowed it (several times in one gap are one run). A schedule whose minute or hour is
  written with a star (`*/15 * * * *`, `0 * * * *`) or allows all values follows the real clock: every real hour, also the repeated one.
* `robfig` always follows the real clock: a fixed time in the gap does not run on that day, in a repeated hour it runs twice.

Time is a date and the ticks on it. On most dates the zone's offset does not change, and a tick is found by looking up the next hour and
minute. Dates where it changes are worked out in full and kept. Instants come in with any zone and go out in UTC, since Python compares
two times of the same zone by their wall clocks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from tiphys.errors import CronError
from tiphys.languages.cron_fields import Fields, parse_fields

__all__ = ["YEARS", "Dst", "Schedule", "check_zone", "compile", "fires", "load_zone"]

YEARS: Final = 5
"""A schedule without a tick in this many calendar years never fires."""

Dst: TypeAlias = Literal["once", "robfig"]
_FIRST_YEAR: Final = 2
_LAST_YEAR: Final = 9998
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_UTC: Final = frozenset({"", "UTC", "Local"})
_ZONES: Final = _UTC.union(files("tzdata").joinpath("zones").read_text("utf-8").split())
_PREFIXES: Final = ("CRON_TZ=", "TZ=")


class Schedule:
    """A compiled schedule. `text` is as it was written; `zone` is the one of its `TZ=` or the one that it was compiled with."""

    __slots__ = ("_days", "_fields", "_real", "dst", "text", "zone")

    def __init__(self, text: str, fields: Fields, zone: tzinfo, dst: Dst) -> None:
        self.text, self.zone, self.dst = text, zone, dst
        self._fields = fields
        self._real = dst == "robfig" or any(
            field.starred or len(field.values) == size for field, size in ((fields.hour, 24), (fields.minute, 60))
        )
        self._days = _Days(fields)

    def next(self, after: datetime) -> datetime | None:
        """The first tick later than `after` (aware), in UTC; `None` if there is none up to the end of the fifth calendar year."""
        instant = after.astimezone(UTC)
        local = _local(instant, self.zone)
        if local is None or not self._possible():
            return None
        first = local.date()
        if self._shifts(first - _DAY):
            first -= _DAY
        for day in self._days.since(first, local.year + YEARS):
            found = self._first(day, instant)
            if found is not None:
                return found
        return None

    def previous(self, before: datetime) -> datetime | None:
        """The last tick earlier than `before` (aware), in UTC; `None` if there is none since the start of the fifth calendar year back."""
        instant = before.astimezone(UTC)
        local = _local(instant, self.zone)
        if local is None or not self._possible():
            return None
        for day in self._days.until(local.date() + _DAY, local.year - YEARS):
            found = self._last(day, instant)
            if found is not None:
                return found
        return None

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The ticks later than `after`, up to and with `until`, in order."""
        tick, end = self.next(after), until.astimezone(UTC)
        while tick is not None and tick <= end:
            yield tick
            tick = self.next(tick)

    def _possible(self) -> bool:
        return bool(self._fields.minute.values and self._fields.hour.values)

    def _first(self, day: date, after: datetime) -> datetime | None:
        if self._shifts(day):
            following = day + _DAY
            ticks = self._worked_out(day) + (self._worked_out(following) if self._days.match(following) else ())
            return min((tick for tick in ticks if tick > after), default=None)
        offset = _offset(datetime.combine(day, time.min), self.zone)
        start = datetime.combine(day, time.min, UTC) - offset
        passed = (after - start) // _MINUTE if after >= start else -1
        minute = self._from(passed + 1)
        return None if minute is None else start + minute * _MINUTE

    def _last(self, day: date, before: datetime) -> datetime | None:
        if self._shifts(day):
            earlier = day - _DAY
            ticks = self._worked_out(day) + (
                self._worked_out(earlier) if self._days.match(earlier) and self._shifts(earlier) else ()
            )
            return max((tick for tick in ticks if tick < before), default=None)
        offset = _offset(datetime.combine(day, time.min), self.zone)
        start = datetime.combine(day, time.min, UTC) - offset
        if before <= start:
            return None
        minute = self._up_to(-(-(before - start) // _MINUTE) - 1)
        found = None if minute is None else start + minute * _MINUTE
        # The evening before may have ticks that come after those of this date (a clock set back over midnight).
        if self._shifts(day - _DAY) and self._days.match(day - _DAY):
            others = [tick for tick in self._worked_out(day - _DAY) if tick < before]
            return max((tick for tick in (found, *others) if tick is not None), default=None)
        return found

    def _from(self, minute: int) -> int | None:
        """The first matching minute of a day (0 to 1439) from that one on."""
        hours, minutes = self._fields.hour.values, self._fields.minute.values
        hour, rest = divmod(minute, 60)
        at = bisect_left(hours, hour)
        if at < len(hours) and hours[at] == hour:
            within = bisect_left(minutes, rest)
            if within < len(minutes):
                return hour * 60 + minutes[within]
            at += 1
        return hours[at] * 60 + minutes[0] if at < len(hours) else None

    def _up_to(self, minute: int) -> int | None:
        """The last matching minute of a day up to that one."""
        hours, minutes = self._fields.hour.values, self._fields.minute.values
        hour, rest = divmod(min(minute, 1439), 60)
        at = bisect_right(hours, hour) - 1
        if at >= 0 and hours[at] == hour:
            within = bisect_right(minutes, rest) - 1
            if within >= 0:
                return hour * 60 + minutes[within]
            at -= 1
        return hours[at] * 60 + minutes[-1] if at >= 0 else None

    def _shifts(self, day: date) -> bool:
        return _shifts(day, self.zone)

    def _worked_out(self, day: date) -> tuple[datetime, ...]:
        return _on_a_shifting_date(day, self.zone, self._fields.hour.values, self._fields.minute.values, self._real)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r}, zone={self.zone}, dst={self.dst!r})"


class _Days:
    """The dates that match: month, day of month and day of week."""

    __slots__ = ("_both", "_days", "_months", "_weekdays")

    def __init__(self, fields: Fields) -> None:
        self._months = frozenset(fields.month.values)
        self._days = frozenset(fields.day.values)
        self._weekdays = frozenset(fields.weekday.values)
        self._both = fields.day.free or fields.weekday.free

    def match(self, day: date) -> bool:
        if day.month not in self._months:
            return False
        in_month, in_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return in_month and in_week if self._both else in_month or in_week

    def since(self, first: date, last_year: int) -> Iterator[date]:
        """Matching dates from `first` on, to the end of `last_year`."""
        year, month, start = first.year, first.month, first.day
        while year <= min(last_year, _LAST_YEAR):
            if month in self._months:
                yield from filter(self.match, (date(year, month, day) for day in range(start, _length(year, month) + 1)))
            start = 1
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)

    def until(self, first: date, last_year: int) -> Iterator[date]:
        """Matching dates from `first` back, to the beginning of `last_year`."""
        year, month, start = first.year, first.month, first.day
        while year >= max(last_year, _FIRST_YEAR):
            if month in self._months:
                yield from filter(self.match, (date(year, month, day) for day in range(start or _length(year, month), 0, -1)))
            start = 0
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)


@lru_cache(maxsize=4096)
def compile(text: str, zone: str | tzinfo = UTC, dst: Dst = "once") -> Schedule:  # noqa: A001  as with `re.compile`
    """Compile a schedule for a zone (an IANA name or a `tzinfo`; a `TZ=` or `CRON_TZ=` in front of the text wins). Raises `CronError`.

    The first use of a zone reads its file: on an event loop, call this in a thread.
    """
    fields, own = _taken_apart(text)
    chosen = own if own is not None else zone
    return Schedule(text, fields, load_zone(chosen) if isinstance(chosen, str) else chosen, dst)


def fires(text: str) -> bool:
    """Whether a schedule has any tick. Raises `CronError`, also for an unknown zone; reads no file."""
    fields, own = _taken_apart(text)
    if own is not None:
        check_zone(own)
    # A fixed start, so that the answer does not depend on the day; a leap year follows within the five years.
    return Schedule(text, fields, UTC, "once").next(datetime(2001, 1, 1, tzinfo=UTC)) is not None


def check_zone(name: str) -> None:
    """Raises `CronError` if there is no zone of that name; reads no file."""
    if name not in _ZONES:
        raise CronError(name, f"the time zone {name!r} is unknown", "write an IANA name such as Europe/Berlin")


@lru_cache(maxsize=1024)
def load_zone(name: str) -> tzinfo:
    """A zone by its IANA name; the empty name and `Local` are UTC, wherever the process runs. Raises `CronError`. Reads a file."""
    check_zone(name)
    return UTC if name in _UTC else ZoneInfo(name)


def _taken_apart(text: str) -> tuple[Fields, str | None]:
    """The fields, and the name of the schedule's own zone."""
    fields, zone = text, None
    prefix = next((prefix for prefix in _PREFIXES if text.startswith(prefix)), None)
    if prefix is not None:
        zone, space, fields = text.removeprefix(prefix).partition(" ")
        if not space:
            raise CronError(text, "has a time zone and nothing else", f"write {prefix}Europe/Berlin 30 2 * * *")
    return parse_fields(fields.strip()), zone


def _length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _local(instant: datetime, zone: tzinfo) -> datetime | None:
    """The wall clock, or nothing at the ends of Python's calendar."""
    return instant.astimezone(zone) if _FIRST_YEAR <= instant.year <= _LAST_YEAR else None


def _offset(wall: datetime, zone: tzinfo) -> timedelta:
    return wall.replace(tzinfo=zone).utcoffset() or timedelta()


@lru_cache(maxsize=16384)
def _shifts(day: date, zone: tzinfo) -> bool:
    """Whether the offset changes between the first of a date's two midnights and the last one of the next date."""
    if zone is UTC:
        return False
    midnight = datetime.combine(day, time.min)
    return _offset(midnight, zone) != _offset((midnight + _DAY).replace(fold=1), zone)


@lru_cache(maxsize=2048)
def _on_a_shifting_date(
    day: date, zone: tzinfo, hours: tuple[int, ...], minutes: tuple[int, ...], real: bool
) -> tuple[datetime, ...]:
    """Every tick of a date on which the offset changes, sorted, in UTC."""
    found: set[datetime] = set()
    for hour in hours:
        for minute in minutes:
            wall = datetime.combine(day, time(hour, minute))
            early, late = _offset(wall, zone), _offset(wall.replace(fold=1), zone)
            instant = wall.replace(tzinfo=UTC) - early
            if early == late:
                found.add(instant)
            elif early > late:  # this hour is repeated
                found.add(instant)
                if real:
                    found.add(wall.replace(tzinfo=UTC) - late)
            elif not real:  # this time does not exist: at the first instant that does
                found.add(_after_gap(instant, late - early, zone))
    return tuple(sorted(found))


def _after_gap(beyond: datetime, width: timedelta, zone: tzinfo) -> datetime:
    """The instant of the change: within `width` before `beyond`, which lies less than the gap's width after it."""
    low, high = beyond - width, beyond
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
