"""`type` of a parameter: from what was found, which is text or JSON, to the JSON value that is set. Exact, or not at all.

Digits are worked on as text: a number keeps all of them, and one with millions of digits costs what its length says.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from tiphys.languages import gjson

__all__ = ["WANTED", "ValueType", "convert"]

ValueType = Literal["string", "int", "float", "bool", "json"]

WANTED: Final = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "json": "JSON",
}
"""What each type asks for, in words."""

_ZEROS: Final = (
    rb"(?:0(?=[0-9]))*+"  # possessive, as all that follows: a thousand zeros before a letter were tried in every division
)
_INTEGER: Final = re.compile(rb"(-?)%b([0-9]++)" % _ZEROS)
_NUMBER: Final = re.compile(rb"(-?)%b([0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+)" % _ZEROS)
_BOOLS: Final = {word: word.lower() for word in (b"true", b"True", b"TRUE", b"false", b"False", b"FALSE")}
_MOST_DIGITS: Final = 4096


def convert(kind: gjson.Type, value: bytes, wanted: ValueType) -> tuple[gjson.Type, bytes] | None:
    """The value as `wanted`, its type first; `None` where it is none. `kind` and `value` are those of a `Resolved`.

    `string` takes all. `int` takes whole numbers and texts of them, `3.0` and `1e3` among them, and writes plain digits. `float` takes
    numbers and texts of them, within what a float64 holds, and keeps the digits. `bool` takes `true`, `True`, `TRUE` and so for false.
    `json` takes what is JSON already, and of a text what it says as JSON. A number has at most 4096 characters, and no blanks around it.
    """
    if wanted == "string":
        return gjson.Type.STRING, value
    if wanted == "json":
        return (gjson.Type.JSON, value) if gjson.valid(value) else None
    if kind in (gjson.Type.JSON, gjson.Type.NULL):
        return None
    if wanted == "bool":
        word = _BOOLS.get(value)
        return None if word is None else (gjson.Type.TRUE if word == b"true" else gjson.Type.FALSE, word)
    digits = _whole(value) if wanted == "int" else _number(value)
    return None if digits is None else (gjson.Type.NUMBER, digits)


def _whole(value: bytes) -> bytes | None:
    if len(value) > _MOST_DIGITS:
        return None
    if plain := _INTEGER.fullmatch(value):
        return plain[2] if plain[2] == b"0" else plain[1] + plain[2]
    number = _number(value)
    if number is None:
        return None
    try:
        exact = Decimal(number.decode())
    except InvalidOperation:  # an exponent beyond what decimals have, of a number that is zero
        return None
    sign, places, exponent = exact.as_tuple()
    if not isinstance(exponent, int):
        return None
    text = "".join(map(str, places))
    if exponent < 0:
        # digits behind the point: whole only if there is nothing but zeros
        text, rest = text[:exponent], text[exponent:]
        if rest.strip("0"):
            return None
    elif any(places):
        text += "0" * exponent  # a float64 holds it, so there are at most 308
    text = text.lstrip("0") or "0"
    return f"{'-' if sign and text != '0' else ''}{text}".encode()


def _number(value: bytes) -> bytes | None:
    found = _NUMBER.fullmatch(value) if len(value) <= _MOST_DIGITS else None
    if found is None or not math.isfinite(float(found[2])):
        return None
    return found[1] + found[2]
