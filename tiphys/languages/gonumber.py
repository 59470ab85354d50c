"""Go's `strconv`: how texts become numbers and booleans in filters."""

from __future__ import annotations

import math
import re
from typing import Final

__all__ = ["parse_bool", "parse_float"]

_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))
# possessive: digits before a letter would be divided in every way
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_HEXADECIMAL: Final = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]++\.?[0-9a-fA-F]*+|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++")
_UNDERSCORE: Final = re.compile(r"(?<=[0-9])_(?=[0-9])")
_UNDERSCORE_HEXADECIMAL: Final = re.compile(r"(?<=[0-9a-fA-FxX])_(?=[0-9a-fA-F])")
_INFINITE: Final = re.compile(r"([+-]?)inf(?:inity)?", re.IGNORECASE)


def parse_bool(text: str) -> bool:
    """`strconv.ParseBool`. Raises `ValueError` for anything but its twelve spellings."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{text!r} is no boolean")


def parse_float(text: str) -> float:
    """`strconv.ParseFloat` with 64 bits: decimal, hexadecimal with an exponent, `inf`, `nan`. Raises `ValueError`, also out of range."""
    if "_" in text:  # as in Go's literals: between two digits, or after the base prefix
        joint = _UNDERSCORE_HEXADECIMAL if text.lstrip("+-")[:2] in ("0x", "0X") else _UNDERSCORE
        text = joint.sub("", text)
    if _DECIMAL.fullmatch(text):
        value = float(text)
    elif _HEXADECIMAL.fullmatch(text):
        try:
            value = float.fromhex(text)
        except OverflowError as error:
            raise ValueError(f"{text!r} is out of range") from error
    elif match := _INFINITE.fullmatch(text):
        return -math.inf if match.group(1) == "-" else math.inf
    elif text.lower() == "nan":
        return math.nan
    else:
        raise ValueError(f"{text!r} is no number")
    if math.isinf(value):
        raise ValueError(f"{text!r} is out of range")
    return value
