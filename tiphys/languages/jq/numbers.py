"""Numbers: gojq keeps integers of any size and floats apart, and prints both as Go's encoding/json does."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ["float_of", "integer_of", "number_of", "number_text"]

_LARGEST: Final = (1 << 63) - 1
_DIGITS: Final = 4000


def number_of(text: str) -> int | float:
    """The value of a literal. An integer of more than 4,000 digits is infinite."""
    if any(mark in text for mark in ".eE"):
        return float(text)
    if len(text) > _DIGITS:
        return -math.inf if text.startswith("-") else math.inf
    return int(text)


def float_of(value: int | float) -> float:
    """As float64, infinite beyond its range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def integer_of(value: int | float) -> int:
    """Towards zero, within 64 bits, as an index is taken. NaN is the smallest."""
    if type(value) is float:
        if math.isnan(value):
            return -_LARGEST - 1
        if math.isinf(value):
            return _LARGEST if value > 0 else -_LARGEST - 1
    return max(-_LARGEST - 1, min(_LARGEST, int(value)))


def number_text(value: Any) -> str:
    """A finite number as Go's encoding/json writes it."""
    if type(value) is int:
        return str(value)
    size = abs(value)
    if size and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:  # repr writes down to 1e-4 and up to 1e16 in full
            mantissa, _, exponent = f"{value:.17e}".partition("e")
            for precision in range(18):
                text = f"{value:.{precision}e}"
                if float(text) == value:
                    mantissa, _, exponent = text.partition("e")
                    break
        power = int(exponent)
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power)}"
    if size >= 1e16:  # the shortest digits, then zeros
        mantissa, _, exponent = repr(value).partition("e")
        digits = mantissa.replace(".", "").replace("-", "")
        return ("-" if value < 0 else "") + digits.ljust(int(exponent) + 1, "0")
    text = repr(value)
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        digits = mantissa.replace(".", "").replace("-", "")
        return ("-" if value < 0 else "") + "0." + "0" * (-int(exponent) - 1) + digits
    return text.removesuffix(".0")
