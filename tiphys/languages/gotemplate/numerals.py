"""Number literals of templates: integers of any base, floats, characters and imaginary numbers, under every type that can hold them."""

from __future__ import annotations

import re
from typing import Final

from tiphys.languages import gonumber
from tiphys.languages.golang.numbers import parse_int, parse_uint
from tiphys.languages.golang.quoting import unquote_char
from tiphys.languages.gotemplate.nodes import Number

__all__ = ["character", "complex_number", "ideal", "number"]

_PAIR: Final = re.compile(r"(.*[^eEpP])([+-].*)i")
_HEXADECIMAL: Final = re.compile(r"0[xX][^pP]+")


def character(text: str, offset: int) -> Number:
    """`'a'`: the number of its code. Raises `ValueError`."""
    code, _, end = unquote_char(text, 1, "'")
    if text[end:] != "'":
        raise ValueError(f"malformed character constant: {text}")
    return Number(offset, text, code, code, float(code))


def complex_number(text: str, offset: int) -> Number:
    """`1+2i`. Raises `ValueError`."""
    match = _PAIR.fullmatch(text)
    if match is None:
        raise ValueError(f"illegal number syntax: {text!r}")
    return _imaginary(text, offset, complex(gonumber.parse_float(match.group(1)), gonumber.parse_float(match.group(2))))


def number(text: str, offset: int) -> Number:
    """An integer, a float or a purely imaginary number. Raises `ValueError`."""
    if text.endswith("i"):
        return _imaginary(text, offset, complex(0, gonumber.parse_float(text[:-1])))
    found = Number(offset, text)
    try:
        found.unsigned = parse_uint(text)
    except ValueError:
        found.unsigned = None
    try:
        found.integer = parse_int(text)
    except ValueError:
        found.integer = None
    if found.integer == 0:
        found.unsigned = 0  # of -0
    whole = found.integer if found.integer is not None else found.unsigned
    if whole is not None:
        found.real = float(whole)
        return found
    real = gonumber.parse_float(text)
    if not any(mark in text for mark in ".eEpP"):
        raise ValueError(f"integer overflow: {text!r}")
    _with_real(found, real)
    return found


def _imaginary(text: str, offset: int, value: complex) -> Number:
    found = Number(offset, text, imaginary=value)
    if value.imag == 0:
        _with_real(found, value.real)
    return found


def _with_real(found: Number, real: float) -> None:
    found.real = real
    if real.is_integer():
        whole = int(real)
        found.integer = whole if -(1 << 63) <= whole < 1 << 63 else None
        found.unsigned = whole if 0 <= whole < 1 << 64 else None


def ideal(literal: Number) -> int | float | complex:
    """The value where nothing asks for a type: the way it is written decides. Raises `ValueError` for what fits no `int`."""
    if literal.imaginary is not None:
        return literal.imaginary
    plain = literal.text.startswith("'") or _HEXADECIMAL.fullmatch(literal.text)
    if literal.real is not None and not plain and any(mark in literal.text for mark in ".eEpP"):
        return literal.real
    if literal.integer is None:
        raise ValueError(f"{literal.text} overflows int")
    return literal.integer
