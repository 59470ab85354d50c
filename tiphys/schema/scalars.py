"""What a plain YAML scalar means, as kubectl reads it (sigs.k8s.io/yaml 1.6, on go-yaml v2).

Neither YAML 1.1 nor 1.2: `on` and `y` are booleans, `017` is 15 and so is `0o17`, `1_000` is 1000, but `12:30`, `2024-01-01` and `=` are
strings. kubectl goes through JSON, so a whole number in any notation (`1.0`, `1e3`) is an integer; infinity and NaN are refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Mapping
from typing import Final

__all__ = ["TAG_PREFIX", "ScalarError", "key_text", "resolve"]

TAG_PREFIX: Final = "tag:yaml.org,2002:"

_WORDS: Final[Mapping[str, bool | float | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|(0[0-7]*)|([1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_DAY: Final = r"[0-9]{4}-(?:1[0-2]|0?[1-9])-(?:3[01]|[12][0-9]|0?[1-9])"
_TIME: Final = r"[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})?"
_DATE: Final = re.compile(f"{_DAY}(?:{_TIME})?")
_KINDS: Final = {"str": str, "bool": bool, "int": int, "float": float, "null": type(None)}


class ScalarError(ValueError):
    """A scalar that cannot be read: `problem` and `remedy`."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


def resolve(text: str, *, tag: str | None, plain: bool) -> str | bool | int | float | None:
    """The value of a scalar. `plain`: it has no quotes. Raises `ScalarError` for an infinity and where the
    tag does not fit."""
    if tag is None:
        return _json(_plain(text), text) if plain else text
    name = tag.removeprefix(TAG_PREFIX) if tag.startswith(TAG_PREFIX) else ""
    if name == "binary":
        return _binary(text)
    if name not in _KINDS or name == "str":
        return text
    value = _plain(text)
    if name == "float" and type(value) is int:
        value = float(value)
    if type(value) is not _KINDS[name]:
        raise ScalarError(f"{text!r} is no !!{name}", "take the tag away or correct the value")
    return _json(value, text)


def key_text(text: str, *, tag: str | None, plain: bool) -> str:
    """The text that a scalar has as a map's key in JSON. Raises `ScalarError` for a null key."""
    value = _plain(text) if tag is None and plain else resolve(text, tag=tag, plain=plain)
    if isinstance(value, str):
        return value
    if value is None:
        raise ScalarError("a key is missing before ':'", "write the key, or put it in quotes if ~ or null is its name")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _short(value)


def _plain(text: str) -> str | bool | int | float | None:
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == ".":
        return float(text.replace("_", "")) if _POINT.fullmatch(text) else text
    if first not in "+-0123456789" or _DATE.fullmatch(text):
        return text
    bare = text.replace("_", "")
    whole = _integer(bare)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(bare):
        value = float(bare)
        return text if value in (float("inf"), float("-inf")) else value
    return text


def _integer(text: str) -> int | None:
    """An integer of 64 bits, signed or unsigned (then without a sign), in any of Go's notations."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    sign, *digits = match.groups()
    base, found = next((base, part) for base, part in zip((16, 8, 2, 8, 10), digits, strict=True) if part is not None)
    if len(found) > 64:
        return None
    value = int(found, base) * (-1 if sign == "-" else 1)
    highest = (1 << 63) - 1 if sign else (1 << 64) - 1
    return value if -(1 << 63) <= value <= highest else None


def _json(value: str | bool | int | float | None, text: str) -> str | bool | int | float | None:
    """Through JSON, as kubectl sends it: whole floats of 64 bits come out as integers."""
    if not isinstance(value, float):
        return value
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  NaN is what differs from itself
        raise ScalarError(f"{text} cannot be sent to a cluster", "write a finite number, or put it in quotes if it is a text")
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ScalarError("a !!binary value must be base64 of UTF-8 text", "check the base64, or take the tag away") from error


def _short(value: float) -> str:
    """A float as go-yaml writes a key: the shortest text that gives the same 32 bits, with an exponent below -4 and from 6 on."""
    if value != value:  # noqa: PLR0124  NaN is what differs from itself
        return ".nan"
    bits = _bits(value)
    narrow = struct.unpack("f", bits)[0]
    if narrow in (float("inf"), float("-inf")):
        return ".inf" if narrow > 0 else "-.inf"
    text = next(text for digits in range(18) if _bits(float(text := f"{narrow:.{digits}e}")) == bits)
    mantissa, _, exponent = text.partition("e")
    if not -4 <= int(exponent) < 6:
        return text
    return f"{float(text):.{max(0, len(mantissa.partition('.')[2]) - int(exponent))}f}"


def _bits(value: float) -> bytes:
    try:
        return struct.pack("f", value)
    except OverflowError:
        return struct.pack("f", float("inf") if value > 0 else float("-inf"))
