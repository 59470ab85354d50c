"""`filters.time` (reference 4.7): a window of the day, which may go over midnight.

`start` and `stop` are times of the clock on the date of the event's time, in UTC or in `timezone`; start counts, stop does not. Where
clocks change, a time that does not exist or exists twice is the instant that Go's `time.ParseInLocation` makes of it. Instants are whole
nanoseconds since 1970, since events may have more digits than Python's times, and no time at all is Go's zero time, the year 1.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from sensors.filters.finding import PASSED, Finding, Judged, Judgement
from sensors.manifest import TimeFilter
from tiphys.bus.event import Event
from tiphys.errors import FieldError, LanguageError, shorten
from tiphys.languages import cron

__all__ = ["TimeClause"]

_CLOCK: Final = re.compile(r" *(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?", re.ASCII)
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400
_ZERO: Final = -62_135_596_800 * _SECOND
_CYCLE: Final = 146_097 * _DAY  # 400 years, after which the calendar repeats
_FIRST, _LAST = -6_000_000_000, 250_000_000_000


class TimeClause:
    """The compiled filter. `number` is its clause number in the dependency's program; `faults` have paths from the filter."""

    def __init__(self, window: TimeFilter, number: int) -> None:
        self.number, self.window = number, window
        faults: list[FieldError] = []
        self._zone: tzinfo = UTC
        try:
            self._zone = cron.load_zone(window.timezone)
        except LanguageError as error:
            faults.append(FieldError("timezone", error.problem, error.remedy, shorten(window.timezone)))
        clocks = [_clock(getattr(window, name), name, faults) for name in ("start", "stop")]
        self._start, self._stop = clocks
        if not faults and self._start == self._stop:
            faults.append(
                FieldError("stop", "is the same as start", "leave the filter out for the whole day", shorten(window.stop))
            )
        self.faults = tuple(faults)
        self._failed, self._erred = Judged(Judgement.FAILED, number), Judged(Judgement.ERRORED, number)

    def judge(self, event: Event) -> Judged:
        """Does the event's time lie in the window? An error only where the event's time is none."""
        at = _instant(event.time)
        if at is None or self.faults:
            return self._erred
        return PASSED if self._within(at) else self._failed

    def _within(self, at: int) -> bool:
        if self._zone is UTC:
            clock = at % (_DAY * _SECOND)
            start, stop = self._start, self._stop
        else:
            day = (at // _SECOND + self._offset(at // _SECOND)) // _DAY * _DAY
            clock, start, stop = at, self._on(day, self._start), self._on(day, self._stop)
        return start <= clock < stop if start < stop else clock >= start or clock < stop

    def _on(self, day: int, clock: int) -> int:
        """The instant of a time of the clock on a day, as Go chooses it: the offset that holds at the instant that the offset at the same
        figures in UTC leads to."""
        wall = day + clock // _SECOND
        offset = self._offset(wall)
        if offset:
            offset = self._offset(wall - offset)
        return (wall - offset) * _SECOND + clock % _SECOND

    def _offset(self, at: int) -> int:
        """Seconds east of UTC. Instants that Python's calendar lacks have the offset of one that it has."""
        at = max(at, _FIRST)
        if at > _LAST:
            at -= _CYCLE
        offset = (_EPOCH + timedelta(seconds=at)).astimezone(self._zone).utcoffset()
        return int(offset.total_seconds()) if offset else 0

    def explain(self, event: Event) -> Finding:
        """The same judgement, with the event's time of day in the window's zone."""
        zone = self.window.timezone or "UTC"
        asked = f"time: from {self.window.start} until before {self.window.stop} {zone}"
        judgement, at = self.judge(event).judgement, _instant(event.time)
        if at is None:
            return Finding(asked, judgement, shorten(event.time), "the event's time is not RFC 3339", self.number)
        seconds = (at // _SECOND + self._offset(at // _SECOND)) % _DAY
        found = (
            f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d} {zone} ({event.time or 'the event has no time'})"
        )
        return Finding(asked, judgement, found, clause=self.number)


def _clock(text: str, field: str, faults: list[FieldError]) -> int:
    """Nanoseconds since midnight of `HH:MM:SS`, as Go reads it: the hour may have one digit, the seconds a fraction."""
    match = _CLOCK.fullmatch(text)
    if match is not None:
        hour, minute, second = map(int, match.groups()[:3])
        if hour < 24 and minute < 60 and second < 60:
            return (hour * 3600 + minute * 60 + second) * _SECOND + _fraction(match[4])
    faults.append(FieldError(field, "is no time of day", "write HH:MM:SS, from 00:00:00 to 23:59:59", shorten(text)))
    return 0


def _fraction(digits: str | None) -> int:
    return int(digits[:9].ljust(9, "0")) if digits else 0


def _instant(text: str) -> int | None:
    """Nanoseconds since 1970 of an RFC 3339 text, which may be empty; `None` if it is neither."""
    if not text:
        return _ZERO
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    whole, fraction, zone = match.groups()
    try:
        since = datetime.fromisoformat(f"{whole}{zone}".upper()) - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (since.days * _DAY + since.seconds) * _SECOND + _fraction(fraction)
