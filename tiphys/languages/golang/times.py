"""Go's `time.Time` as templates see it: its text, layouts (`2006-01-02T15:04:05Z07:00`) and methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from tiphys.languages import duration
from tiphys.languages.golang.values import Duration, Function, GoError, Int64, Sized, Time

__all__ = [
    "DURATION_METHODS",
    "MAX_LAYOUT",
    "METHODS",
    "Month",
    "Weekday",
    "format",
    "in_zone",
    "nanoseconds",
    "string",
    "time_at",
    "year",
]

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MAX_LAYOUT: Final = 1_000
"""Characters of the longest layout."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000_000_000
_CYCLE: Final = 146_097
"""Days after which the calendar repeats itself: 400 years."""

# What Go's nextStdChunk finds, in its order (`_2006` is a plain `_` before a year, `Jan` and `Mon` are none in `Janitor`).
_CHUNK: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|__2|_2(?!006)|[2345]|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)


class Month(Sized):
    """`time.Month`."""

    go = "time.Month"

    def text(self) -> str:
        """As Go prints it: `May`."""
        return _MONTHS[self - 1] if 1 <= self <= 12 else f"%!Month({int(self)})"


class Weekday(Sized):
    """`time.Weekday`: 0 is Sunday."""

    go = "time.Weekday"

    def text(self) -> str:
        """As Go prints it: `Friday`."""
        return _WEEKDAYS[self] if 0 <= self <= 6 else f"%!Weekday({int(self)})"


def nanoseconds(time: Time) -> int:
    """Nanoseconds since 1970."""
    since = time.instant - _EPOCH
    return (
        ((since.days + time.cycles * _CYCLE) * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    ) * 1_000 + time.nanoseconds


def time_at(since_1970: int, zone: tzinfo = UTC) -> Time:
    """The time so many nanoseconds after 1970."""
    microseconds, rest = divmod(since_1970, 1_000)
    cycles, inside = divmod(microseconds, _CYCLE * 86_400_000_000)
    return in_zone(Time(_EPOCH + timedelta(microseconds=inside), rest, cycles), zone)


def in_zone(time: Time, zone: tzinfo) -> Time:
    """`Time.In`."""
    instant, cycles = _placed(time.instant, year(time))
    instant = instant.astimezone(zone)
    if cycles and 1 <= instant.year + 400 * cycles <= 9999:
        instant, cycles = instant.replace(year=instant.year + 400 * cycles), 0
    return Time(instant, time.nanoseconds, cycles)


def _zone_of(time: Time) -> tzinfo:
    return time.instant.tzinfo or UTC


def _placed(instant: datetime, wanted: int) -> tuple[datetime, int]:
    """The instant in a year that Python's calendar has room around, and the cycles from there to the wanted year."""
    inside = (wanted - 2) % 400 + 2 if wanted < 2 else 9599 + (wanted - 9599) % 400 if wanted > 9998 else wanted
    return instant.replace(year=inside), (wanted - inside) // 400


def year(time: Time) -> int:
    """The year, which may be below 1 or above 9999."""
    return time.instant.year + 400 * time.cycles


def string(time: Time) -> str:
    """`Time.String`: `2024-05-17 13:45:30.5 +0000 UTC`."""
    return format(time, "2006-01-02 15:04:05.999999999 -0700 MST")


def format(time: Time, layout: str) -> str:  # noqa: A001  callers write `times.format`
    """`Time.Format`. Raises `GoError` for a layout of more than `MAX_LAYOUT` characters."""
    if len(layout) > MAX_LAYOUT:
        raise GoError(f"a layout of {len(layout):,} characters; at most {MAX_LAYOUT:,} are read")
    return _CHUNK.sub(lambda match: _chunk(time, match.group()), layout)


def _chunk(time: Time, chunk: str) -> str:
    if (plain := _PLAIN.get(chunk)) is not None:
        return plain(time.instant)
    if chunk == "2006":
        return f"{'-' * (year(time) < 0)}{abs(year(time)):04d}"
    if chunk == "06":
        return f"{abs(year(time)) % 100:02d}"
    if chunk[0] in ".,":
        digits = f"{time.instant.microsecond:06d}{time.nanoseconds:03d}".ljust(len(chunk) - 1, "0")[: len(chunk) - 1]
        if chunk[1] == "9":
            digits = digits.rstrip("0")
        return chunk[0] + digits if digits else ""
    return _offset(time.instant, chunk)


def _offset(instant: datetime, chunk: str) -> str:
    total = int((instant.utcoffset() or timedelta()).total_seconds())
    if chunk[0] == "Z" and not total:
        return "Z"
    sign, total = ("-", -total) if total < 0 else ("+", total)
    hours, minutes, seconds = total // 3600, total // 60 % 60, total % 60
    colon = ":" if ":" in chunk else ""
    text = f"{sign}{hours:02d}"
    if len(chunk) > 3:
        text += f"{colon}{minutes:02d}"
    if len(chunk) > 6:
        text += f"{colon}{seconds:02d}"
    return text


def _zone(instant: datetime) -> str:
    name = instant.tzname() or ""
    # Python names a zone that is only an offset `UTC+02:00`; Go writes its offset.
    return _offset(instant, "-0700") if not name or (name.startswith("UTC") and name != "UTC") else name


_PLAIN: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda at: _MONTHS[at.month - 1],
    "Jan": lambda at: _MONTHS[at.month - 1][:3],
    "Monday": lambda at: _WEEKDAYS[at.isoweekday() % 7],
    "Mon": lambda at: _WEEKDAYS[at.isoweekday() % 7][:3],
    "MST": _zone,
    "01": lambda at: f"{at.month:02d}",
    "1": lambda at: str(at.month),
    "02": lambda at: f"{at.day:02d}",
    "_2": lambda at: f"{at.day:2d}",
    "2": lambda at: str(at.day),
    "002": lambda at: f"{_year_day(at):03d}",
    "__2": lambda at: f"{_year_day(at):3d}",
    "15": lambda at: f"{at.hour:02d}",
    "03": lambda at: f"{at.hour % 12 or 12:02d}",
    "3": lambda at: str(at.hour % 12 or 12),
    "04": lambda at: f"{at.minute:02d}",
    "4": lambda at: str(at.minute),
    "05": lambda at: f"{at.second:02d}",
    "5": lambda at: str(at.second),
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
}


def _year_day(instant: datetime) -> int:
    return instant.timetuple().tm_yday


def _truncate(time: Time, step: int) -> Time:
    # Go counts from the year 1, and so do multiples of a day or a week.
    since_year_1 = nanoseconds(time) + 62_135_596_800 * _SECOND
    return time if step <= 0 else time_at(nanoseconds(time) - since_year_1 % step, _zone_of(time))


def _round(time: Time, step: int) -> Time:
    if step <= 0:
        return time
    rest = (nanoseconds(time) + 62_135_596_800 * _SECOND) % step
    change = -rest if rest + rest < step else step - rest
    return time_at(nanoseconds(time) + change, _zone_of(time))


def _add_date(time: Time, years: int, months: int, days: int) -> Time:
    if max(abs(years), abs(months), abs(days)) > 10_000_000:
        raise GoError("time: too far away")
    month = time.instant.month - 1 + months
    first, cycles = _placed(time.instant.replace(month=1, day=1, fold=0), year(time) + years + month // 12)
    moved = Time(first.replace(month=month % 12 + 1), time.nanoseconds, cycles)
    return _days_later(moved, time.instant.day - 1 + days)


def _days_later(time: Time, days: int) -> Time:
    """The same time of day so many days later, whatever the zone does in between."""
    cycles, days = divmod(days, _CYCLE)
    wall = time.instant.replace(tzinfo=UTC)
    wall, more = _placed(wall, year(time))
    moved = time_at(nanoseconds(Time(wall, 0, more + cycles)) + days * 86_400 * _SECOND)
    return Time(moved.instant.replace(tzinfo=_zone_of(time)), time.nanoseconds, moved.cycles)


def _compare(time: Time, other: Time) -> int:
    left, right = nanoseconds(time), nanoseconds(other)
    return (left > right) - (left < right)


def _is_zero(time: Time) -> bool:
    return nanoseconds(time) == -62_135_596_800 * _SECOND


def _sub(time: Time, other: Time) -> Duration:
    return Duration(max(Duration.low, min(Duration.high, nanoseconds(time) - nanoseconds(other))))


def _method(name: str, call: Callable[..., object], *parameters: str, result: str) -> Function:
    return Function(name, parameters, call, result)


METHODS: Final[Mapping[str, Function]] = {
    method.name: method
    for method in (
        _method("String", string, result="string"),
        _method("Format", format, "string", result="string"),
        _method("Year", year, result="int"),
        _method("Month", lambda time: Month(time.instant.month), result="time.Month"),
        _method("Day", lambda time: time.instant.day, result="int"),
        _method("Hour", lambda time: time.instant.hour, result="int"),
        _method("Minute", lambda time: time.instant.minute, result="int"),
        _method("Second", lambda time: time.instant.second, result="int"),
        _method("Nanosecond", lambda time: time.instant.microsecond * 1_000 + time.nanoseconds, result="int"),
        _method("Weekday", lambda time: Weekday(time.instant.isoweekday() % 7), result="time.Weekday"),
        _method("YearDay", lambda time: _year_day(time.instant), result="int"),
        _method("Unix", lambda time: Int64(nanoseconds(time) // _SECOND), result="int64"),
        _method("UnixMilli", lambda time: Int64(nanoseconds(time) // 1_000_000), result="int64"),
        _method("UnixMicro", lambda time: Int64(nanoseconds(time) // 1_000), result="int64"),
        _method("UnixNano", lambda time: Int64(nanoseconds(time)), result="int64"),
        _method("IsZero", _is_zero, result="bool"),
        _method("IsDST", lambda time: bool(time.instant.dst()), result="bool"),
        _method("Add", lambda time, by: time_at(nanoseconds(time) + by, _zone_of(time)), "time.Duration", result="time.Time"),
        _method("AddDate", _add_date, "int", "int", "int", result="time.Time"),
        _method("Sub", _sub, "time.Time", result="time.Duration"),
        _method("After", lambda time, other: _compare(time, other) > 0, "time.Time", result="bool"),
        _method("Before", lambda time, other: _compare(time, other) < 0, "time.Time", result="bool"),
        _method("Equal", lambda time, other: _compare(time, other) == 0, "time.Time", result="bool"),
        _method("Compare", _compare, "time.Time", result="int"),
        _method("UTC", lambda time: in_zone(time, UTC), result="time.Time"),
        _method("Local", lambda time: in_zone(time, UTC), result="time.Time"),
        _method("Truncate", _truncate, "time.Duration", result="time.Time"),
        _method("Round", _round, "time.Duration", result="time.Time"),
    )
}
"""Methods of `time.Time` with one result; `call` takes the time first."""


def _duration_round(value: Duration, step: Duration) -> Duration:
    if step <= 0:
        return value
    rest = abs(value) % step
    size = abs(value) - rest + (step if rest + rest >= step else 0)
    return Duration(max(Duration.low, min(Duration.high, size if value >= 0 else -size)))


DURATION_METHODS: Final[Mapping[str, Function]] = {
    method.name: method
    for method in (
        _method("String", duration.format, result="string"),
        _method("Nanoseconds", Int64, result="int64"),
        _method("Microseconds", lambda value: Int64(_quotient(value, 1_000)), result="int64"),
        _method("Milliseconds", lambda value: Int64(_quotient(value, 1_000_000)), result="int64"),
        _method("Seconds", lambda value: _parts(value, _SECOND), result="float64"),
        _method("Minutes", lambda value: _parts(value, 60 * _SECOND), result="float64"),
        _method("Hours", lambda value: _parts(value, 3_600 * _SECOND), result="float64"),
        _method("Abs", lambda value: Duration(min(abs(value), Duration.high)), result="time.Duration"),
        _method(
            "Truncate",
            lambda value, step: Duration(value - _remainder(value, step)) if step > 0 else value,
            "time.Duration",
            result="time.Duration",
        ),
        _method("Round", _duration_round, "time.Duration", result="time.Duration"),
    )
}
"""Methods of `time.Duration`; `call` takes the duration first."""


def _quotient(value: int, by: int) -> int:
    return value // by if value >= 0 else -(-value // by)


def _remainder(value: int, by: int) -> int:
    return value - _quotient(value, by) * by


def _parts(value: int, unit: int) -> float:
    whole = _quotient(value, unit)
    return float(whole) + (value - whole * unit) / unit
