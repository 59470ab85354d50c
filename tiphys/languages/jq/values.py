"""Values of jq: what they are called, how they compare, how they are written.

`None`, `bool`, `int`, `float`, `str`, `list` and `dict`, none of them ever changed once a program can see it.
"""

from __future__ import annotations

import math
from functools import cmp_to_key
from json.encoder import encode_basestring
from typing import Any, Final

from tiphys.languages.jq.numbers import float_of, number_text

__all__ = ["BreakError", "Halt", "JqError", "compare", "dumps", "is_number", "kind_of", "order", "preview", "same", "shown"]

_KINDS: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_SHOWN: Final = 30
_DEEPEST: Final = 1000


class JqError(Exception):
    """What `try` catches. `value` is what its handler gets. Never leaves this package."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return str(self.value) if type(self.value) is str else dumps(self.value)


class BreakError(Exception):
    """`break`: goes up to the `label` whose activation it names."""

    def __init__(self, label: object) -> None:
        super().__init__()
        self.label = label


class Halt(Exception):  # noqa: N818  it ends a program and is no fault
    """`halt` and `halt_error`: ends the program, and `try` does not catch it."""


def is_number(value: Any) -> bool:
    """Whether it is a number: a boolean is none."""
    return type(value) is int or type(value) is float


def kind_of(value: Any) -> str:
    """What `type` says."""
    return _KINDS[type(value)]


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1 in jq's order: null, false, true, numbers, strings, arrays, objects. NaN is less than everything, itself too."""
    kind = type(left)
    if kind is type(right):
        if kind is str or kind is int:
            return -1 if left < right else int(left > right)
        if kind is float:
            return -1 if left < right or left != left else int(left != right)  # noqa: PLR0124  NaN
        if kind is list:
            for one, other in zip(left, right, strict=False):
                if found := compare(one, other):
                    return found
            return -1 if len(left) < len(right) else int(len(left) > len(right))
        if kind is dict:
            return _compare_objects(left, right)
        return int(left or 0) - int(right or 0)
    if is_number(left) and is_number(right):
        return compare(float_of(left), float_of(right))
    one, other = _rank(left), _rank(right)
    return -1 if one < other else int(one > other)


def _compare_objects(left: dict[str, Any], right: dict[str, Any]) -> int:
    keys = sorted(left)
    if found := compare(keys, sorted(right)):
        return found
    for key in keys:
        if found := compare(left[key], right[key]):
            return found
    return 0


def _rank(value: Any) -> int:
    if type(value) is bool:
        return 2 if value else 1
    return ("null", "", "", "number", "string", "array", "object").index(kind_of(value))


order = cmp_to_key(compare)
"""The key by which values are sorted."""


def same(left: Any, right: Any) -> bool:
    """Whether a path still holds after a step that is none: the very same list or object, or an equal scalar."""
    if type(left) is not type(right):
        return False
    if type(left) in (list, dict):
        return left is right or (not left and not right and type(left) is list)
    return bool(left == right or (left != left and right != right))  # noqa: PLR0124  NaN


def dumps(value: Any, *, strict: bool = False) -> str:
    """The text of a value, keys sorted. As `tojson` writes it: NaN is null, infinity the largest number. `strict` is Go's
    encoding/json: `<`, `>` and `&` escaped, and `ValueError` for what is no JSON, or nested too deeply for who reads it."""
    out: list[str] = []
    _write(value, out, strict, 0)
    return "".join(out)


def _write(value: Any, out: list[str], strict: bool, depth: int) -> None:
    if depth > _DEEPEST and strict:
        raise ValueError(f"its output is nested deeper than {_DEEPEST:,} levels")
    kind = type(value)
    if kind is str:
        out.append(_string(value, strict))
    elif kind is int:
        out.append(str(value))
    elif kind is float:
        out.append(_float(value, strict))
    elif kind is dict:
        separator = "{"
        for key in sorted(value):
            out.append(f"{separator}{_string(key, strict)}:")
            _write(value[key], out, strict, depth + 1)
            separator = ","
        out.append("}" if value else "{}")
    elif kind is list:
        separator = "["
        for item in value:
            out.append(separator)
            _write(item, out, strict, depth + 1)
            separator = ","
        out.append("]" if value else "[]")
    else:
        out.append("null" if value is None else "true" if value else "false")


def _string(text: str, strict: bool) -> str:
    found: str = encode_basestring(text)
    if not strict:
        return found.replace("\x7f", "\\u007f")
    if "<" in found or ">" in found or "&" in found:
        found = found.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    if "\u2028" in found or "\u2029" in found:
        found = found.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return found


def _float(value: float, strict: bool) -> str:
    if math.isfinite(value):
        return number_text(value)
    if strict:
        raise ValueError(f"{value} cannot be written as JSON")
    if math.isnan(value):
        return "null"
    return "1.7976931348623157e+308" if value > 0 else "-1.7976931348623157e+308"


def preview(value: Any) -> str:
    """The text of a value within 30 bytes, for messages."""
    text = dumps(value)
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _SHOWN:
        return text
    tail = {"string": ' ..."', "array": " ...]", "object": " ...}"}.get(kind_of(value), " ...")
    return encoded[: _SHOWN - len(tail)].decode("utf-8", "ignore") + tail


def shown(value: Any) -> str:
    """Kind and text of a value, for messages."""
    return "null" if value is None else f"{kind_of(value)} ({preview(value)})"
