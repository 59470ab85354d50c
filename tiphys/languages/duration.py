"""Go's durations: `1h30m`, `1.5s`, `-10us` (https://pkg.go.dev/time#ParseDuration). A duration is a whole number of nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tiphys.errors import DurationError

__all__ = ["HOUR", "MICROSECOND", "MILLISECOND", "MINUTE", "NANOSECOND", "SECOND", "format", "parse", "seconds"]

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

_UNITS: Final[Mapping[str, int]] = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_LONGEST: Final = 200
_LARGEST: Final = 1 << 63
_HINT: Final = "write it as 1h30m, 10s or 500ms"


def parse(text: str) -> int:
    """Nanoseconds. Raises `DurationError` for what Go refuses: no unit, an unknown one, more than about 292 years."""
    if len(text) > _LONGEST:
        raise DurationError(text, "is too long", _HINT)
    bare = text[1:] if text[:1] in ("+", "-") else text
    if bare == "0":
        return 0
    if not bare:
        raise DurationError(text, "is empty", _HINT)
    total, at = 0, 0
    while at < len(bare):
        match = _PART.match(bare, at)
        whole, fraction, unit = match.groups() if match else ("", None, "")
        offset = len(text) - len(bare) + at
        if not (whole or fraction):
            raise DurationError(text, "has a unit without a number" if unit else "has a point without a digit", _HINT, offset)
        if not unit:
            raise DurationError(text, "has a number without a unit", f"add one of {', '.join(_UNITS)}", offset)
        if unit not in _UNITS:
            remedy = "write days as hours: 24h" if unit == "d" else f"use one of {', '.join(_UNITS)}"
            raise DurationError(text, f"has the unknown unit {unit!r}", remedy, offset)
        total += int(whole or "0") * _UNITS[unit] + _fraction(fraction or "", _UNITS[unit])
        at = match.end() if match else len(bare)
    if text[0] == "-":
        total = -total
    if not -_LARGEST <= total < _LARGEST:
        raise DurationError(text, "is longer than Go's durations go (292 years)", "make it shorter")
    return total


def format(nanoseconds: int) -> str:  # noqa: A001  the opposite of `duration.parse`
    """As Go prints it: `1h30m0s`, `1.5s`, `0s`."""
    if not nanoseconds:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < SECOND:
        unit, size = next(
            (unit, size) for unit, size in (("ms", MILLISECOND), ("µs", MICROSECOND), ("ns", NANOSECOND)) if rest >= size
        )
        return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, rest = divmod(rest, MINUTE)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, SECOND)}s"


def seconds(text: str) -> float:
    """A duration in seconds, for a timer. Raises `DurationError`."""
    return parse(text) / SECOND


def _fraction(digits: str, unit: int) -> int:
    """A fraction of a unit, as Go has it: digits that do not fit into 63 bits are dropped, the result is cut to nanoseconds."""
    value, scale = 0, 1.0
    for digit in digits:
        grown = value * 10 + int(digit)
        if grown >= _LARGEST:
            break
        value, scale = grown, scale * 10
    return int(float(value) * (float(unit) / scale)) if value else 0


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
