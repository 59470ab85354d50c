"""The five fields of a cron schedule, as robfig/cron 3 reads them: which values match, and whether the field restricts at all.

    minute 0-59 | hour 0-23 | day of month 1-31 | month 1-12 or JAN-DEC | day of week 0-6 or SUN-SAT
    *  ?  5  1-5  MON-FRI  */15  10-50/20  5/15 (from 5 on)  1,2,5-7

7 is no Sunday, ranges do not wrap, and there are no `L`, `W`, `#`. `*` and `?` (also `*/1`) leave a day field unrestricted, `*/2` does
not: that decides whether day of month and day of week are joined by "and" (one of them unrestricted) or by "or".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tiphys.errors import CronError

__all__ = ["Field", "Fields", "parse_fields"]

_MONTHS: Final = dict(
    zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), range(1, 13), strict=True)
)
_DAYS: Final = dict(zip(("sun", "mon", "tue", "wed", "thu", "fri", "sat"), range(7), strict=True))
_NUMBER: Final = re.compile(r"\+?[0-9]{1,18}")
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Field:
    """The values that match, in order; `free`: nothing is restricted (`*`, `?`); `starred`: written with a star, maybe with a step."""

    values: tuple[int, ...]
    free: bool
    starred: bool


@dataclass(frozen=True, slots=True)
class Fields:
    """A schedule's five fields."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field


@dataclass(frozen=True, slots=True)
class _Bounds:
    name: str
    low: int
    high: int
    names: Mapping[str, int]


_BOUNDS: Final = (
    _Bounds("minute", 0, 59, {}),
    _Bounds("hour", 0, 23, {}),
    _Bounds("day of month", 1, 31, {}),
    _Bounds("month", 1, 12, _MONTHS),
    _Bounds("day of week", 0, 6, _DAYS),
)
_DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def parse_fields(text: str) -> Fields:
    """The fields of a schedule without a `TZ=` in front. Raises `CronError` that names the field."""
    if len(text) > _LONGEST:
        raise CronError(text, "is too long", "write ranges and steps instead of lists")
    if text.startswith("@"):
        raise CronError(text, "shorthands are not accepted", _instead_of(text))
    parts = text.split()
    if len(parts) != 5:
        remedy = "there is no field for seconds: leave the first one out" if len(parts) == 6 else "for example: 30 2 * * 1-5"
        problem = f"has {len(parts)} fields, not 5 (minute, hour, day of month, month, day of week)"
        raise CronError(text, problem if parts else "is empty", remedy)
    minute, hour, day, month, weekday = (_field(text, part, bounds) for part, bounds in zip(parts, _BOUNDS, strict=True))
    return Fields(minute, hour, day, month, weekday)


def _instead_of(text: str) -> str:
    if text.startswith("@every"):
        return f"use interval:{text.removeprefix('@every')} instead of schedule"
    plain = _DESCRIPTORS.get(text.strip().lower())
    return f"write {plain}" if plain else "write five fields, for example: 30 2 * * 1-5"


def _field(text: str, part: str, bounds: _Bounds) -> Field:
    values: set[int] = set()
    free = starred = False
    for item in filter(None, part.split(",")):
        low, high, step, star = _range(text, item, bounds)
        values.update(range(low, high + 1, step))
        starred = starred or star
        free = free or (star and step == 1)
    return Field(tuple(sorted(values)), free, starred)


def _range(text: str, item: str, bounds: _Bounds) -> tuple[int, int, int, bool]:
    """First, last, step, and whether it is a star."""
    span, *steps = item.split("/")
    first, *lasts = span.split("-")
    star = first in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = high = _value(text, first, bounds)
        if len(lasts) > 1:
            raise _wrong(text, bounds, f"has more than one hyphen in {item!r}", "write a range as 1-5 and several with commas")
        if lasts:
            high = _value(text, lasts[0], bounds)
    if len(steps) > 1:
        raise _wrong(text, bounds, f"has more than one slash in {item!r}", "write a step as */15")
    step = 1
    if steps:
        if not _NUMBER.fullmatch(steps[0]):
            raise _wrong(text, bounds, f"has the step {steps[0]!r}", "a step is a whole number, as in */15")
        step = int(steps[0])
        if not lasts:
            high = bounds.high
    if step < 1:
        raise _wrong(text, bounds, f"has the step 0 in {item!r}", "the smallest step is 1")
    _check(text, item, low, high, bounds)
    return low, high, step, star


def _check(text: str, item: str, low: int, high: int, bounds: _Bounds) -> None:
    if low < bounds.low or high > bounds.high:
        wrong = low if low < bounds.low else high
        hint = "; Sunday is 0" if bounds.names is _DAYS and wrong == 7 else ""
        raise _wrong(text, bounds, f"goes from {bounds.low} to {bounds.high}, {item!r} has {wrong}", f"choose a value within{hint}")
    if low > high:
        raise _wrong(text, bounds, f"has the range {item!r} backwards", f"write it as two: {low}-{bounds.high},{bounds.low}-{high}")


def _value(text: str, word: str, bounds: _Bounds) -> int:
    named = bounds.names.get(word.lower())
    if named is not None:
        return named
    if not _NUMBER.fullmatch(word):
        names = f" or {'-'.join(name.upper() for name in (*bounds.names,)[:: len(bounds.names) - 1])}" if bounds.names else ""
        raise _wrong(
            text, bounds, f"has {word!r}", f"write a number from {bounds.low} to {bounds.high}{names}; L, W and # do not exist"
        )
    return int(word)


def _wrong(text: str, bounds: _Bounds, problem: str, remedy: str) -> CronError:
    return CronError(text, f"the {bounds.name} {problem}", remedy)
