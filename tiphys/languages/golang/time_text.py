"""Go's `time.ParseInLocation`: a time out of a text and a layout (`2006-01-02 15:04`), as https://pkg.go.dev/time#Parse says.

Bytes are counted where Go counts bytes; that makes no difference, for everything but the literal parts is ASCII.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from tiphys.languages.golang import times
from tiphys.languages.golang.values import GoError, Time

__all__ = ["ZERO", "parse"]

ZERO: Final = Time(datetime(1, 1, 1, tzinfo=UTC))
"""The zero `time.Time`."""

_CHUNK: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|__2|_2(?!006)|[2345]|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_DAY: Final = timedelta(days=1)
_SIGNED: Final = r"([+-])([0-9]{2})"
_OFFSETS: Final[Mapping[str, re.Pattern[str]]] = {
    "07": re.compile(_SIGNED),
    "0700": re.compile(_SIGNED + "([0-9]{2})"),
    "07:00": re.compile(_SIGNED + ":([0-9]{2})"),
    "070000": re.compile(_SIGNED + "([0-9]{2})([0-9]{2})"),
    "07:00:00": re.compile(_SIGNED + ":([0-9]{2}):([0-9]{2})"),
}
_FRACTION: Final = re.compile(r"[.,]([0-9]+)")
_ODD_ZONES: Final = ("ChST", "MeST", "WITA")
_ZONE: Final = re.compile(r"ChST|MeST|GMT(?:[+-][0-9]+)?|[+-][0-9]+|[A-Z]{3,6}")


class _Bad(Exception):  # noqa: N818  what it is; it becomes a GoError
    """The text does not fit the layout here; the argument is what Go adds to its message."""


@dataclass(slots=True)
class _Fields:
    """What has been read so far."""

    year: int = 0
    month: int = -1
    day: int = -1
    year_day: int = -1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    half: str = ""
    utc: bool = False
    offset: int | None = None
    zone: str = ""


def parse(layout: str, text: str) -> Time:
    """The time; in UTC where the text says nothing of a zone. Raises `GoError` with Go's words."""
    if max(len(layout), len(text)) > times.MAX_LAYOUT:
        raise GoError(f"a layout or time of {max(len(layout), len(text)):,} characters; at most {times.MAX_LAYOUT:,} are read")
    fields, rest, at = _Fields(), text, 0
    chunk = ""
    try:
        while True:
            match = _CHUNK.search(layout, at)
            chunk = layout[at : match.start() if match else len(layout)]
            rest = _skip(rest, chunk)
            if match is None:
                break
            chunk, at = match.group(), match.end()
            rest = _read(fields, chunk, rest, layout[at:])
        return _time(fields, rest)
    except _Bad as error:
        reason = str(error) or f": cannot parse {_quoted(rest)} as {_quoted(chunk)}"
        raise GoError(f"parsing time {_quoted(text)}{'' if str(error) else f' as {_quoted(layout)}'}{reason}") from error


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _skip(text: str, literal: str) -> str:
    """What is left of the text after a literal part of the layout; a run of spaces stands for any run of spaces."""
    while literal:
        if literal[0] == " ":
            if text and text[0] != " ":
                raise _Bad
            literal, text = literal.lstrip(" "), text.lstrip(" ")
            continue
        if not text or text[0] != literal[0]:
            raise _Bad
        literal, text = literal[1:], text[1:]
    return text


def _digits(text: str, least: int, most: int) -> tuple[int, str]:
    count = 0
    while count < most and count < len(text) and "0" <= text[count] <= "9":
        count += 1
    if count < least:
        raise _Bad
    return int(text[:count]), text[count:]


def _within(value: int, low: int, high: int, what: str) -> int:
    if not low <= value <= high:
        raise _Bad(f": {what} out of range")
    return value


def _name(names: tuple[str, ...], text: str, length: int | None = None) -> tuple[int, str]:
    for index, name in enumerate(names):
        short = name[:length]
        if text[: len(short)].lower() == short.lower():
            return index, text[len(short) :]
    raise _Bad


def _nanoseconds(digits: str) -> int:
    return int(digits[:9].ljust(9, "0"))


def _read(fields: _Fields, chunk: str, text: str, layout: str) -> str:
    """One part of the layout that is not literal; what is left of the text. `layout` is what is left of that."""
    reader = _READERS.get(chunk)
    if reader is not None:
        return reader(fields, text, layout)
    if chunk[0] in "-Z":
        return _read_offset(fields, chunk, text)
    match = _FRACTION.match(text)
    if chunk[1] == "9":
        if match is None:
            return text
        fields.nanosecond = _nanoseconds(match[1])
        return text[match.end() :]
    length = len(chunk)
    if match is None or len(match[0]) < length:
        raise _Bad
    fields.nanosecond = _nanoseconds(match[1][: length - 1])
    return text[length:]


def _read_offset(fields: _Fields, chunk: str, text: str) -> str:
    if chunk[0] == "Z" and text[:1] == "Z":
        fields.utc = True
        return text[1:]
    match = _OFFSETS[chunk[1:]].match(text)
    if match is None:
        raise _Bad
    hours, minutes, seconds = (int(group) for group in [*match.groups()[1:], 0, 0][:3])
    _within(hours, 0, 24, "time zone offset hour")
    _within(minutes, 0, 60, "time zone offset minute")
    _within(seconds, 0, 60, "time zone offset second")
    fields.offset = ((hours * 60 + minutes) * 60 + seconds) * (-1 if match[1] == "-" else 1)
    return text[match.end() :]


def _read_year(fields: _Fields, text: str, _layout: str) -> str:
    fields.year, rest = _digits(text, 4, 4)
    return rest


def _read_short_year(fields: _Fields, text: str, _layout: str) -> str:
    year, rest = _digits(text, 2, 2)
    fields.year = year + (1900 if year >= 69 else 2000)
    return rest


def _read_month(fields: _Fields, text: str, _layout: str) -> str:
    index, rest = _name(_MONTHS, text)
    fields.month = index + 1
    return rest


def _read_short_month(fields: _Fields, text: str, _layout: str) -> str:
    index, rest = _name(_MONTHS, text, 3)
    fields.month = index + 1
    return rest


def _read_weekday(_fields: _Fields, text: str, _layout: str) -> str:
    return _name(_WEEKDAYS, text)[1]


def _read_short_weekday(_fields: _Fields, text: str, _layout: str) -> str:
    return _name(_WEEKDAYS, text, 3)[1]


def _read_day(fields: _Fields, text: str, _layout: str) -> str:
    fields.day, rest = _digits(text, 1, 2)
    return rest


def _read_zero_day(fields: _Fields, text: str, _layout: str) -> str:
    fields.day, rest = _digits(text, 2, 2)
    return rest


def _read_under_day(fields: _Fields, text: str, _layout: str) -> str:
    return _read_day(fields, text.removeprefix(" "), "")


def _read_year_day(fields: _Fields, text: str, _layout: str) -> str:
    fields.year_day, rest = _digits(text, 3, 3)
    return rest


def _read_under_year_day(fields: _Fields, text: str, _layout: str) -> str:
    fields.year_day, rest = _digits(text.removeprefix(" ").removeprefix(" "), 1, 3)
    return rest


def _number(field: str, least: int, high: int, low: int = 0) -> Callable[[_Fields, str, str], str]:
    def read(fields: _Fields, text: str, _layout: str) -> str:
        value, rest = _digits(text, least, 2)
        setattr(fields, field, _within(value, low, high, field))
        return rest

    return read


def _second(least: int) -> Callable[[_Fields, str, str], str]:
    """Seconds; a fraction after them is read even where the layout has none."""

    def read(fields: _Fields, text: str, layout: str) -> str:
        value, rest = _digits(text, least, 2)
        fields.second = _within(value, 0, 59, "second")
        match = _FRACTION.match(rest)
        following = _CHUNK.search(layout)
        if match is None or (following is not None and following[0][0] in ".,"):
            return rest
        fields.nanosecond = _nanoseconds(match[1])
        return rest[match.end() :]

    return read


def _half(*names: str) -> Callable[[_Fields, str, str], str]:
    def read(fields: _Fields, text: str, _layout: str) -> str:
        if text[:2] not in names:
            raise _Bad
        fields.half = text[:2].upper()
        return text[2:]

    return read


def _read_zone(fields: _Fields, text: str, _layout: str) -> str:
    if text.startswith("UTC"):
        fields.utc = True
        return text[3:]
    match = _ZONE.match(text)
    if match is None:
        raise _Bad
    name = match[0]
    if name[0] in "+-":
        if len(name) > 18 or int(name[1:]) > 23:
            raise _Bad
    elif name.startswith("GMT"):
        if len(name) > 18 or (len(name) > 3 and int(name[4:]) > 23):
            name = "GMT"
    elif len(name) > 3 and name not in _ODD_ZONES and (len(name) == 6 or name[-1] != "T"):
        raise _Bad
    fields.zone = name
    return text[len(name) :]


_READERS: Final[Mapping[str, Callable[[_Fields, str, str], str]]] = {
    "2006": _read_year,
    "06": _read_short_year,
    "January": _read_month,
    "Jan": _read_short_month,
    "1": _number("month", 1, 12, 1),
    "01": _number("month", 2, 12, 1),
    "Monday": _read_weekday,
    "Mon": _read_short_weekday,
    "2": _read_day,
    "_2": _read_under_day,
    "02": _read_zero_day,
    "__2": _read_under_year_day,
    "002": _read_year_day,
    "15": _number("hour", 1, 23),
    "3": _number("hour", 1, 12),
    "03": _number("hour", 2, 12),
    "4": _number("minute", 1, 59),
    "04": _number("minute", 2, 59),
    "5": _second(1),
    "05": _second(2),
    "PM": _half("PM", "AM"),
    "pm": _half("pm", "am"),
    "MST": _read_zone,
}


def _date(fields: _Fields) -> None:
    """Month and day out of the day of the year, or the first of what was not said."""
    if fields.year_day < 0:
        fields.month = 1 if fields.month < 0 else fields.month
        fields.day = 1 if fields.day < 0 else fields.day
    else:
        _within(fields.year_day, 1, 366 if calendar.isleap(fields.year) else 365, "day-of-year")
        found = datetime(2000 if calendar.isleap(fields.year) else 2001, 1, 1, tzinfo=UTC) + timedelta(days=fields.year_day - 1)
        if fields.month >= 0 and fields.month != found.month:
            raise _Bad(": day-of-year does not match month")
        if fields.day >= 0 and fields.day != found.day:
            raise _Bad(": day-of-year does not match day")
        fields.month, fields.day = found.month, found.day
    leap = fields.month == 2 and calendar.isleap(fields.year)
    _within(fields.day, 1, 29 if leap else _DAYS[fields.month - 1], "day")


def _time(fields: _Fields, rest: str) -> Time:
    if rest:
        raise _Bad(f": extra text: {_quoted(rest)}")
    if fields.half == "PM" and fields.hour < 12:
        fields.hour += 12
    elif fields.half == "AM" and fields.hour == 12:
        fields.hour = 0
    _date(fields)
    microsecond, nanoseconds = divmod(fields.nanosecond, 1000)
    zone = _zone(fields)
    # The year 0 is like the year 400.
    day = datetime(fields.year or 400, fields.month, fields.day, tzinfo=UTC if zone is None else zone)
    instant = day.replace(hour=fields.hour, minute=fields.minute, second=fields.second, microsecond=microsecond)
    time = Time(instant, nanoseconds, 0 if fields.year else -1)
    if zone is not None:
        return time
    # Go does not know the zone: it takes the clock for UTC's, and gives the time that name.
    hours = int(fields.zone[3:]) if fields.zone.startswith("GMT") and len(fields.zone) > 3 else 0
    return times.in_zone(time, timezone(timedelta(hours=hours), fields.zone))


def _zone(fields: _Fields) -> tzinfo | None:
    """The zone; none where the text has only a name."""
    if fields.utc or (not fields.offset and fields.zone in ("", "UTC")):
        return UTC
    if fields.offset is None:
        return None
    shift = timedelta(seconds=fields.offset)
    if not -_DAY < shift < _DAY:
        raise _Bad(": time zone offset out of range (24 hours are too many here)")
    return timezone(shift, fields.zone) if fields.zone else timezone(shift)
