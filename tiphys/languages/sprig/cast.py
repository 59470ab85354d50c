"""Numbers out of any value, as `spf13/cast` makes them: what cannot be one is 0, without an error."""

from __future__ import annotations

import re
from typing import Any, Final

from tiphys.languages import gonumber
from tiphys.languages.golang.numbers import parse_int
from tiphys.languages.golang.values import Duration as GoDuration
from tiphys.languages.golang.values import Int64

__all__ = ["MAX_INT64", "MIN_INT64", "to_float64", "to_int", "to_int64", "wrap"]

MIN_INT64: Final = -(1 << 63)
MAX_INT64: Final = (1 << 63) - 1

_TRAILING_ZEROS: Final = re.compile(r"\.0+\.*\Z")


def wrap(number: int) -> int:
    """A whole number as 64 bits hold it."""
    return number if MIN_INT64 <= number <= MAX_INT64 else (number - MIN_INT64) % (1 << 64) + MIN_INT64


def _whole(value: float) -> int:
    """`int64(value)` on amd64: what does not fit is the least number."""
    return int(value) if -9.223372036854775808e18 <= value < 9.223372036854775808e18 else MIN_INT64


def to_int(value: Any) -> int:
    """`cast.ToInt`."""
    if isinstance(value, float):
        return _whole(value)
    if isinstance(value, int):
        return 0 if isinstance(value, GoDuration) else wrap(int(value))
    if isinstance(value, str):
        try:
            return parse_int(_TRAILING_ZEROS.sub("", value))
        except ValueError:
            return 0
    return 0


def to_int64(value: Any) -> Int64:
    """`cast.ToInt64`."""
    return Int64(to_int(value))


def to_float64(value: Any) -> float:
    """`cast.ToFloat64`."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return 0.0 if isinstance(value, GoDuration) else float(value)
    if isinstance(value, str):
        try:
            return gonumber.parse_float(value)
        except ValueError:
            return 0.0
    return 0.0
