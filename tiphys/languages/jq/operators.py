"""Arithmetic and comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.languages.jq.numbers import float_of, integer_of
from tiphys.languages.jq.values import JqError, compare, is_number, preview, shown

__all__ = ["OPERATORS", "add", "negate", "total"]

_LONGEST: Final = (1 << 31) - 1


def add(left: Any, right: Any) -> Any:
    """`+`. Raises `JqError`."""
    kind = type(left)
    if kind is type(right):
        if kind is int or kind is str:
            return left + right
        if kind is float:
            return left + right
        if kind is list:
            return right if not left else left if not right else left + right
        if kind is dict:
            return right if not left else left if not right else {**left, **right}
    if left is None:
        return right
    if right is None:
        return left
    if is_number(left) and is_number(right):
        return float_of(left) + float_of(right)
    raise JqError(f"cannot add: {shown(left)} and {shown(right)}")


def total(values: Any) -> Any:
    """`add` of many, without a copy for each."""
    found: Any = None
    texts: list[str] = []
    owned = False
    for value in values:
        kind = type(value)
        if texts and kind is not str and value is not None:
            found, texts = "".join(texts), []
        if kind is str and (found is None or texts):
            texts.append(value)
        elif kind is list and type(found) is list and owned:
            found += value
        elif kind is dict and type(found) is dict and owned:
            found.update(value)
        elif found is None and kind in (list, dict):
            found, owned = kind(value), True
        else:
            found, owned = add(found, value), False
    return "".join(texts) if texts else found


def _subtract(left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        return left - right if type(left) is type(right) else float_of(left) - float_of(right)
    if type(left) is list and type(right) is list:
        return [item for item in left if all(compare(item, other) for other in right)]
    raise JqError(f"cannot subtract: {shown(left)} and {shown(right)}")


def _multiply(left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        return left * right if type(left) is type(right) else float_of(left) * float_of(right)
    if type(left) is dict and type(right) is dict:
        return _merged(left, right)
    if type(left) is str and is_number(right):
        return _repeated(left, float_of(right))
    if type(right) is str and is_number(left):
        return _repeated(right, float_of(left))
    raise JqError(f"cannot multiply: {shown(left)} and {shown(right)}")


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    found = dict(left)
    for key, value in right.items():
        before = found.get(key)
        found[key] = _merged(before, value) if type(before) is dict and type(value) is dict else value
    return found


def _repeated(text: str, times: float) -> str | None:
    if times < 0 or math.isnan(times):
        return None
    count = int(min(times, _LONGEST))
    if len(text.encode("utf-8", "replace")) * count >= _LONGEST:
        raise JqError(f"repeat string result too large: {preview(text)} * {preview(times)}")
    return text * count


def _divide(left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        if right == 0:
            raise JqError(f"cannot divide {shown(left)} by: {shown(right)}")
        if type(left) is int and type(right) is int:
            whole, rest = divmod(left, right)
            return whole if rest == 0 else float_of(left) / float_of(right)
        return float_of(left) / float_of(right)
    if type(left) is str and type(right) is str:
        if not left:
            return []
        return left.split(right) if right else list(left)
    raise JqError(f"cannot divide: {shown(left)} and {shown(right)}")


def _modulo(left: Any, right: Any) -> Any:
    if not (is_number(left) and is_number(right)):
        raise JqError(f"cannot modulo: {shown(left)} and {shown(right)}")
    if type(left) is float or type(right) is float:
        if math.isnan(float_of(left)) or math.isnan(float_of(right)):
            return math.nan
        one, other = integer_of(left), integer_of(right)
    else:
        one, other = left, right
    if other == 0:
        raise JqError(f"cannot modulo {shown(left)} by: {shown(right)}")
    rest = abs(one) % abs(other)
    return -rest if one < 0 else rest


def negate(value: Any) -> Any:
    """Unary `-`. Raises `JqError`."""
    if not is_number(value):
        raise JqError(f"cannot negate: {shown(value)}")
    return -value


OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "%": _modulo,
    "==": lambda left, right: compare(left, right) == 0,
    "!=": lambda left, right: compare(left, right) != 0,
    "<": lambda left, right: compare(left, right) < 0,
    "<=": lambda left, right: compare(left, right) <= 0,
    ">": lambda left, right: compare(left, right) > 0,
    ">=": lambda left, right: compare(left, right) >= 0,
    "//": lambda left, right: right if left is None or left is False else left,
}
"""By their signs; `//` is the one of values, that `//=` uses."""
