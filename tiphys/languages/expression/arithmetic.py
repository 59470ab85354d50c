"""Arithmetic as Go does it, which neither raises nor rounds as Python does."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["divide", "to_int64", "to_uint64", "wrap"]

_TWO_63: Final = 1 << 63
_TWO_64: Final = 1 << 64


def wrap(value: int) -> int:
    """An integer within 64 bits, as overflow leaves it."""
    return value if -_TWO_63 <= value < _TWO_63 else (value + _TWO_63) % _TWO_64 - _TWO_63


def to_int64(value: float) -> int:
    """Go's conversion of a float64 on amd64: what does not fit is the smallest int64."""
    return int(value) if -_TWO_63 <= value < _TWO_63 else -_TWO_63


def to_uint64(value: float) -> int:
    """Go's conversion of a float64 to uint64 on amd64."""
    if value < _TWO_63:
        return to_int64(value) % _TWO_64
    return int(value) if value < _TWO_64 else _TWO_63


def divide(left: float, right: float) -> float:
    """IEEE 754's quotient: infinite or NaN for a divisor of zero."""
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, math.copysign(1.0, left) * math.copysign(1.0, right))
