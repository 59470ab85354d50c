"""Arithmetic as Go does it, which neither raises nor rounds as Python does."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["divide", "power", "to_int64", "to_uint64", "wrap"]

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


def power(x: float, y: float) -> float:
    """Go's `math.Pow`, to the last bit: it multiplies by squaring, which C's `pow` does not."""
    if y == 0.0 or x == 1.0:
        return 1.0
    if y == 1.0:
        return x
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if x == 0.0 or math.isinf(x) or math.isinf(y):
        return _extreme(x, y)
    if abs(y) == 0.5:
        root = math.sqrt(x) if x > 0.0 else math.nan
        return root if y > 0.0 else 1.0 / root
    fraction, whole = math.modf(abs(y))
    if fraction and x < 0.0:
        return math.nan
    if whole >= _TWO_63:
        return 1.0 if x == -1.0 else 0.0 if (abs(x) < 1.0) == (y > 0.0) else math.inf
    return _finite(x, y, fraction, int(whole))


def _extreme(x: float, y: float) -> float:
    if math.isinf(y) and x != 0.0:
        return 1.0 if x == -1.0 else 0.0 if (abs(x) < 1.0) == (y > 0.0) else math.inf
    odd = not math.isinf(y) and math.fmod(abs(y), 2.0) == 1.0
    size = 0.0 if (x == 0.0) == (y > 0.0) else math.inf
    return math.copysign(size, x) if odd else size


def _finite(x: float, y: float, fraction: float, whole: int) -> float:
    found, exponent = 1.0, 0
    if fraction:
        if fraction > 0.5:
            fraction, whole = fraction - 1.0, whole + 1
        found = math.exp(fraction * math.log(x))
    square, shift = math.frexp(x)
    while whole:
        if abs(shift) > 1 << 12:
            exponent += shift
            break
        if whole & 1:
            found *= square
            exponent += shift
        square *= square
        shift <<= 1
        if square < 0.5:
            square += square
            shift -= 1
        whole >>= 1
    if y < 0.0:
        found, exponent = 1.0 / found, -exponent
    try:
        return math.ldexp(found, exponent)
    except OverflowError:
        return math.copysign(math.inf, found)
