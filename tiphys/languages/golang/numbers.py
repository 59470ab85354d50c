"""Go's `strconv` for numbers: how a float64 is written, and how the integers of a source text are read."""

from __future__ import annotations

import math
import re
from typing import Final

__all__ = ["decimal_text", "format_float", "parse_int", "parse_uint"]

_INTEGER: Final = re.compile(r"([+-]?)(0[xX]_?[0-9a-fA-F]|0[oO]_?[0-7]|0[bB]_?[01]|[0-9])([0-9a-fA-F_]*)")
_BASES: Final = {"x": 16, "o": 8, "b": 2}
_LARGEST_PLAIN: Final = 6
"""The shortest `%g` writes an exponent from 1e+06 on: at most six digits before the point, whatever stands behind it."""


def decimal_text(value: float) -> str:
    """`strconv.FormatFloat(value, 'g', -1, 64)`, which `%v` prints: `10`, `1.5`, `1.2345678e+07`, `1e-05`, `+Inf`, `NaN`."""
    text = repr(value)
    if "e" in text or "n" in text or not 0.0001 <= abs(value) < 1_000_000:
        return format_float(value, "g", -1)
    return text.removesuffix(".0")


def format_float(value: float, verb: str, precision: int) -> str:
    """`strconv.FormatFloat` with 64 bits. `verb` is one of `e E f g G b x X`; a precision of -1 is the shortest that reads back."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if verb == "b":
        return _binary(value)
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return text.upper() if verb == "X" else text
    places = max(precision, 1) if verb in "gG" else precision
    text = format(value, f".{places}{verb}") if precision >= 0 else _shortest(value, verb.lower())
    return text.upper() if verb in "EG" else text


def _shortest(value: float, verb: str) -> str:
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    digits, point = _digits(abs(value))
    if verb == "f":
        return sign + _plain(digits, point)
    exponent = point - 1
    if verb == "g" and -4 <= exponent < _LARGEST_PLAIN:
        return sign + _plain(digits, point)
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _digits(value: float) -> tuple[str, int]:
    """The shortest digits of a positive number, and where the point stands: 0.digits × 10 ** point."""
    if not value:
        return "0", 1
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits, point = whole + fraction, len(whole) + int(exponent or 0)
    bare = digits.lstrip("0")
    return bare.rstrip("0"), point - (len(digits) - len(bare))


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits if digits != "0" else "0"
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def _binary(value: float) -> str:
    mantissa, exponent = math.frexp(abs(value))
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not value:
        return f"{sign}0p-1074"
    scaled, exponent = int(math.ldexp(mantissa, 53)), exponent - 53
    if exponent < -1074:  # a denormal keeps its exponent
        scaled, exponent = scaled >> (-1074 - exponent), -1074
    return f"{sign}{scaled}p{exponent:+d}"


def _hexadecimal(value: float, precision: int) -> str:
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if not value:
        return f"{sign}0x0{'.' + '0' * precision if precision > 0 else ''}p+00"
    mantissa, exponent = math.frexp(abs(value))
    bits, exponent = int(math.ldexp(mantissa, 53)), exponent - 1  # 1.52 bits
    if 0 <= precision < 13:
        drop = 4 * (13 - precision)
        kept, rest = bits >> drop, bits & ((1 << drop) - 1)
        half = 1 << (drop - 1)
        bits = (kept + (rest > half or (rest == half and kept & 1))) << drop
        if bits >> 53:
            bits, exponent = bits >> 1, exponent + 1
    fraction = f"{bits & ((1 << 52) - 1):013x}"
    fraction = fraction.rstrip("0") if precision < 0 else fraction[:precision].ljust(precision, "0")
    return f"{sign}0x1{'.' + fraction if fraction else ''}p{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def parse_int(text: str) -> int:
    """`strconv.ParseInt(text, 0, 64)`: the base by its prefix (`0x`, `0o`, `0`, `0b`), `_` between digits. Raises `ValueError`."""
    value = _integer(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{text!r} is out of range")
    return value


def parse_uint(text: str) -> int:
    """`strconv.ParseUint(text, 0, 64)`. Raises `ValueError`."""
    value = _integer(text)
    if text[:1] in ("+", "-") or value >= 1 << 64:
        raise ValueError(f"{text!r} is out of range")
    return value


def _integer(text: str) -> int:
    match = _INTEGER.fullmatch(text)
    if match is None or "__" in text or text.endswith("_"):
        raise ValueError(f"{text!r} is no integer")
    sign, head, tail = match.groups()
    base = _BASES.get(head[1:2].lower(), 8 if head == "0" and tail else 10)
    digits = head[2:] + tail if base != 10 and head[1:2] else head + tail
    if len(digits) > 100:
        raise ValueError(f"{text[:20]!r}… is out of range")
    value = int(digits.replace("_", ""), base)
    return -value if sign == "-" else value
