"""Go's `math.Pow` (go/src/math/pow.go), to the last bit: it multiplies by squaring, which C's `pow` does not."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["power"]

_TWO_63: Final = 1 << 63


def power(x: float, y: float) -> float:
    """`math.Pow(x, y)`. Never raises: what overflows is infinite, what has no value is NaN."""
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
