"""Dates: broken-down times, `strftime` and `strptime`.

A broken-down time is `[year, month from 0, day, hours, minutes, seconds, weekday from Sunday, day of the year from 0]`. Days are
counted in the proleptic Gregorian calendar without bounds, as Go's `time` does.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from tiphys.languages.jq.numbers import float_of, integer_of
from tiphys.languages.jq.values import JqError, is_number, preview, shown

__all__ = ["broken_down", "formatted", "parsed", "seconds_of"]

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_COMPOUND: Final = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "T": "%H:%M:%S",
    "v": "%e-%b-%Y",
    "X": "%H:%M:%S",
    "x": "%m/%d/%y",
    "+": "%a %b %e %H:%M:%S %Z %Y",
}
_DIRECTIVE: Final = re.compile(r"%([-_0^#]*)([1-9][0-9]*)?(:*)(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Moment:
    """Seconds since 1970 and the zone: seconds east, and its name."""

    seconds: int
    nanoseconds: int
    east: int = 0
    zone: str = "UTC"

    @property
    def date(self) -> tuple[int, int, int]:
        return _civil((self.seconds + self.east) // 86400)

    @property
    def clock(self) -> tuple[int, int, int]:
        rest = (self.seconds + self.east) % 86400
        return rest // 3600, rest // 60 % 60, rest % 60

    @property
    def weekday(self) -> int:
        return ((self.seconds + self.east) // 86400 + 4) % 7

    @property
    def yearday(self) -> int:
        days = (self.seconds + self.east) // 86400
        return days - _days(self.date[0], 1, 1)


def broken_down(name: str, value: Any, *, local: bool) -> list[Any]:
    """`gmtime` and `localtime`. Raises `JqError`."""
    if not is_number(value):
        raise JqError(f"{name} cannot be applied to: {shown(value)}")
    number = float_of(value)
    if not math.isfinite(number) or abs(number) > 1e17:
        raise JqError(f"{name} cannot be applied to: {shown(value)}")
    return _list(_at(int(number), int((number - math.floor(number)) * 1e9), local=local))


def seconds_of(name: str, value: Any) -> float:
    """`mktime`. Raises `JqError`."""
    if type(value) is not list:
        raise JqError(f"{name} cannot be applied to: {shown(value)}")
    moment = _moment(name, value, local=False)
    return moment.seconds + moment.nanoseconds / 1e9


def formatted(name: str, value: Any, template: Any, *, local: bool) -> str:
    """`strftime` and `strflocaltime`. Raises `JqError`."""
    if is_number(value):
        value = broken_down(name, value, local=local)
    if type(value) is not list or type(template) is not str:
        raise JqError(f"{name}({preview(template)}) cannot be applied to: {shown(value)}")
    return _format(_moment(name, value, local=local), template)


def parsed(value: Any, template: Any) -> list[Any]:
    """`strptime`. Raises `JqError`."""
    if type(value) is not str or type(template) is not str:
        raise JqError(f"strptime({preview(template)}) cannot be applied to: {shown(value)}")
    try:
        return _list(_parse(value, template))
    except ValueError as error:
        raise JqError(f"strptime({preview(template)}) cannot be applied to {preview(value)}: {error}") from error


def _at(seconds: int, nanoseconds: int, *, local: bool) -> _Moment:
    if not local:
        return _Moment(seconds, nanoseconds)
    try:
        there = time.localtime(seconds)
    except (OverflowError, ValueError, OSError):
        return _Moment(seconds, nanoseconds)
    return _Moment(seconds, nanoseconds, there.tm_gmtoff, there.tm_zone)


def _list(moment: _Moment) -> list[Any]:
    year, month, day = moment.date
    hour, minute, second = moment.clock
    exact = second + moment.nanoseconds / 1e9
    return [year, month - 1, day, hour, minute, exact, moment.weekday, moment.yearday]


def _moment(name: str, value: list[Any], *, local: bool) -> _Moment:
    parts: list[int] = [0] * 6
    nanoseconds = 0
    for place, item in enumerate(value[:8]):
        if not is_number(item):
            raise JqError(f"{name} cannot be applied to {preview(value)}: expected an array of 8 numbers")
        if place < 6:
            parts[place] = integer_of(item)
        if place == 5 and type(item) is float and math.isfinite(item):
            nanoseconds = int((item - math.floor(item)) * 1e9)
    year, month, day, hour, minute, second = parts
    if any(abs(part) > 10**12 for part in parts):
        raise JqError(f"{name} cannot be applied to: {shown(value)}")
    seconds = _days(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second
    if not local:
        return _Moment(seconds, nanoseconds)
    there = _at(seconds, 0, local=True)
    there = _at(seconds - there.east, nanoseconds, local=True)
    return _at(seconds - there.east, nanoseconds, local=True)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; months beyond 12 and days beyond the month run over."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    shifted = year - (month <= 2)
    era, rest = divmod(shifted, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + rest * 365 + rest // 4 - rest // 100 + of_year - 719468


def _civil(days: int) -> tuple[int, int, int]:
    era, of_era = divmod(days + 719468, 146097)
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def _iso_week(moment: _Moment) -> tuple[int, int]:
    days = (moment.seconds + moment.east) // 86400
    thursday = days - (moment.weekday + 6) % 7 + 3
    year = _civil(thursday)[0]
    return year, (thursday - _days(year, 1, 1)) // 7 + 1


def _offset(east: int, colons: int) -> str:
    sign, size = "-" if east < 0 else "+", abs(east)
    if colons == 0:
        return f"{sign}{size // 3600:02}{size // 60 % 60:02}"
    text = f"{sign}{size // 3600:02}:{size // 60 % 60:02}"
    return text if colons == 1 else f"{text}:{size % 60:02}"


def _format(moment: _Moment, template: str) -> str:
    (year, month, day), (hour, minute, second) = moment.date, moment.clock

    def one(match: re.Match[str]) -> str:
        flags, width, colons, letter = match.groups()
        half = hour % 12 or 12
        numbers: dict[str, tuple[int, int, str]] = {
            "Y": (year, 4, "0"),
            "C": (year // 100, 2, "0"),
            "y": (year % 100, 2, "0"),
            "m": (month, 2, "0"),
            "d": (day, 2, "0"),
            "e": (day, 2, " "),
            "j": (moment.yearday + 1, 3, "0"),
            "H": (hour, 2, "0"),
            "k": (hour, 2, " "),
            "I": (half, 2, "0"),
            "l": (half, 2, " "),
            "M": (minute, 2, "0"),
            "S": (second, 2, "0"),
            "s": (moment.seconds, 1, "0"),
            "f": (moment.nanoseconds // 1000, 6, "0"),
            "w": (moment.weekday, 1, "0"),
            "u": (moment.weekday or 7, 1, "0"),
            "V": (_iso_week(moment)[1], 2, "0"),
            "G": (_iso_week(moment)[0], 4, "0"),
            "g": (_iso_week(moment)[0] % 100, 2, "0"),
            "U": ((moment.yearday + 7 - moment.weekday) // 7, 2, "0"),
            "W": ((moment.yearday + 7 - (moment.weekday + 6) % 7) // 7, 2, "0"),
        }
        if letter in numbers:
            number, places, fill = numbers[letter]
            fill = "" if "-" in flags else " " if "_" in flags else "0" if "0" in flags else fill
            places = min(int(width), 1024) if width else places
            return str(number).rjust(places, fill) if fill else str(number)
        texts = {
            "B": _MONTHS[month - 1],
            "b": _MONTHS[month - 1][:3],
            "h": _MONTHS[month - 1][:3],
            "A": _DAYS[moment.weekday],
            "a": _DAYS[moment.weekday][:3],
            "p": "AM" if hour < 12 else "PM",
            "P": "am" if hour < 12 else "pm",
            "Z": moment.zone,
            "z": _offset(moment.east, len(colons)),
            "n": "\n",
            "t": "\t",
            "%": "%",
        }
        text = texts.get(letter)
        if text is None:
            if letter not in _COMPOUND:
                return match[0]
            text = _format(moment, _COMPOUND[letter])
        if "^" in flags:
            text = text.upper()
        elif "#" in flags:
            text = text.lower() if letter in "pZ" else text.upper()
        return text.rjust(min(int(width), 1024), "0" if "0" in flags else " ") if width else text

    return _DIRECTIVE.sub(one, template)


_READ: Final = {
    "Y": r"(?P<Y>[+-]?\d{1,4})",
    "y": r"(?P<y>\d{1,2})",
    "C": r"(?P<C>\d{1,2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "e": r"(?P<d> ?\d{1,2})",
    "j": r"(?P<j>\d{1,3})",
    "H": r"(?P<H>\d{1,2})",
    "k": r"(?P<H> ?\d{1,2})",
    "I": r"(?P<I>\d{1,2})",
    "l": r"(?P<I> ?\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "s": r"(?P<s>-?\d{1,15})",
    "w": r"(?P<w>\d)",
    "u": r"(?P<w>\d)",
    "p": r"(?P<p>[AaPp][Mm])",
    "P": r"(?P<p>[AaPp][Mm])",
    "z": r"(?P<z>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)",
    "Z": r"(?P<Z>[A-Za-z]+)",
    "B": "(?P<B>" + "|".join((*_MONTHS, *(name[:3] for name in _MONTHS))) + ")",
    "A": "(?P<A>" + "|".join((*_DAYS, *(name[:3] for name in _DAYS))) + ")",
    "n": r"\s*",
    "t": r"\s*",
    "%": "%",
}
_ALIASES: Final = {"b": "B", "h": "B", "a": "A"}


def _pattern(template: str, seen: set[str]) -> str:
    found: list[str] = []
    at = 0
    while at < len(template):
        match = _DIRECTIVE.match(template, at)
        if match is None:
            found.append(r"\s+" if template[at].isspace() else re.escape(template[at]))
            at += 1
            continue
        letter = _ALIASES.get(match[4], match[4])
        at = match.end()
        if letter in _COMPOUND:
            found.append(_pattern(_COMPOUND[letter], seen))
            continue
        part = _READ.get(letter)
        if part is None:
            raise ValueError(f"unexpected format: {match[0]!r}")
        name = re.match(r"\(\?P<(.)>", part)
        if name is not None and name[1] in seen:
            part = part.replace(f"?P<{name[1]}>", "?:", 1)
        elif name is not None:
            seen.add(name[1])
        found.append(part)
    return "".join(found)


def _parse(text: str, template: str) -> _Moment:
    match = re.fullmatch(_pattern(template, set()), text, re.IGNORECASE)
    if match is None:
        raise ValueError(f"it does not have the form {template!r}")
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    if "s" in found:
        return _Moment(int(found["s"]), 0)
    year = int(found.get("Y", "1900"))
    if "y" in found and "Y" not in found:
        short = int(found["y"])
        year = int(found["C"]) * 100 + short if "C" in found else short + (1900 if short >= 69 else 2000)
    month = int(found.get("m", "1"))
    if "B" in found:
        month = [name[:3].lower() for name in _MONTHS].index(found["B"][:3].lower()) + 1
    day = int(found.get("d", "1"))
    hour = int(found.get("H", "0"))
    if "I" in found:
        hour = int(found["I"])
        if not 1 <= hour <= 12:
            raise ValueError("the hour is out of range")
    if "p" in found:
        hour = hour % 12 + (12 if found["p"].lower() == "pm" else 0)
    minute, second = int(found.get("M", "0")), int(found.get("S", "0"))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 60):
        raise ValueError("a field is out of range")
    if "j" in found and "d" not in found and "m" not in found:
        month, day = 1, int(found["j"])
    days = _days(year, month, day)
    east = 0
    if (zone := found.get("z", "Z").upper()) != "Z":
        digits = zone[1:].replace(":", "").ljust(6, "0")
        east = (int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])) * (-1 if zone[0] == "-" else 1)
    nanoseconds = int(found.get("f", "0").ljust(9, "0"))
    return _Moment(days * 86400 + hour * 3600 + minute * 60 + second - east, nanoseconds)
