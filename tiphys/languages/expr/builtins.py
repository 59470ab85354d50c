"""The functions of expr (antonmedv/expr 1.15.5, `builtin`), but for the loops."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from tiphys.languages.expr.fetching import fetch, length
from tiphys.languages.expr.operators import less, more, pair_key, to_int
from tiphys.languages.expr.times import now, parse_date, parse_duration, string_of
from tiphys.languages.expression.arithmetic import to_int64, wrap
from tiphys.languages.expression.frame import MAX_ITEMS, MAX_TEXT, Fault, Frame
from tiphys.languages.expression.values import FLOATS, INTEGERS, Int, Pairs, go_type, outward, text_of, to_float
from tiphys.languages.golang import json_text
from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import GoError, Ints, Sized, Strings, Struct
from tiphys.languages.gonumber import parse_float
from tiphys.languages.sprig import cases

__all__ = ["FUNCTIONS", "INDIRECT", "to_float64", "to_integer"]

_NUMBERS: Final = FLOATS | INTEGERS


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | range | bytes):
        raise Fault(f"{go_type(value)} is no list")
    return value


def _map(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise Fault(f"{go_type(value)} is no map")
    return value


def _number(name: str, value: Any) -> Any:
    if type(value) not in _NUMBERS:
        raise Fault(f"{name} takes a number, and not {go_type(value)}", "use float(…) or int(…)")
    return value


def _walk(frame: Frame, value: Any) -> Sequence[Any]:
    """The elements of a list, paid for; those of `[]int` and `[]byte` as Go's integers."""
    items = _list(value)
    frame.spend(len(items))
    return [Int(item) for item in items] if isinstance(items, range | Ints) else items


# -- numbers and types


def _type(_frame: Frame, value: Any) -> str:
    if isinstance(value, Struct):
        return value.go.lstrip("*")
    name = go_type(value)
    if "." in name or name in ("nil", "bool", "string", "func"):
        return name
    if name.startswith("["):
        return "array"
    return next((kind for kind in ("uint", "int", "float", "map") if name.startswith(kind)), "unknown")


def _abs(_frame: Frame, value: Any) -> Any:
    found = _number("abs", value)
    if type(found) in FLOATS:
        return abs(to_float(found))
    return type(found)(wrap(abs(int(found))))


def _rounding(name: str, operation: Callable[[float], float]) -> Callable[[Frame, Any], float]:
    def apply(_frame: Frame, value: Any) -> float:
        found = to_float(_number(name, value))
        return operation(found) if math.isfinite(found) and abs(found) < 1 << 53 else found

    return apply


def _signed(operation: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: math.copysign(float(operation(value)), value)


def _half_away(value: float) -> int:
    whole = int(value)
    return whole + int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else whole


def to_integer(_frame: Frame, value: Any) -> Int:
    """`int(…)` and `asInt`: a number cut to an integer, or a text of decimal digits."""
    kind = type(value)
    if kind is str:
        digits = value[1:] if value[:1] in ("+", "-") else value
        if digits.isascii() and digits.isdecimal() and len(digits) < 100 and wrap(int(value)) == int(value):
            return Int(value)
        raise Fault(f"{value[:50]!r} is no integer")
    if kind in FLOATS:
        return Int(to_int64(value))
    if kind in INTEGERS:
        return Int(wrap(int(value)))
    raise Fault(f"{go_type(value)} is no number", "it may be missing" if value is None else "")


def to_float64(_frame: Frame, value: Any) -> float:
    """`float(…)` and `asFloat`."""
    if type(value) is str:
        try:
            return parse_float(value)
        except ValueError as error:
            raise Fault(f"{value[:50]!r} is no number") from error
    if type(value) in _NUMBERS:
        return to_float(value)
    raise Fault(f"{go_type(value)} is no number", "it may be missing" if value is None else "")


def _extreme(better: Callable[[Frame, Any, Any], bool]) -> Callable[..., Any]:
    def apply(frame: Frame, *values: Any) -> Any:
        found = None
        for value in values:
            if found is None or better(frame, found, value):
                found = value
        return found

    return apply


def _addends(frame: Frame, name: str, value: Any) -> Sequence[Any]:
    items = _walk(frame, value)
    for item in items:
        if type(item) not in FLOATS and (not isinstance(item, Int | Sized) or go_type(item).startswith("uint")):
            raise Fault(f"{name} takes numbers, and not {go_type(item)}")
    return items


def _sum(frame: Frame, value: Any) -> Any:
    total: Any = 0
    for item in _addends(frame, "sum", value):
        total = to_float(total) + to_float(item) if type(item) in FLOATS or isinstance(total, float) else wrap(total + int(item))
    return total if isinstance(total, float) else Int(total)


def _mean(frame: Frame, value: Any) -> float:
    items = [to_float(item) for item in _addends(frame, "mean", value)]
    total = 0.0
    for item in items:
        total += item
    return total / len(items) if items else 0.0


def _median(frame: Frame, value: Any) -> float:
    items = sorted(to_float(item) for item in _addends(frame, "median", value))
    if not items:
        return 0.0
    middle = len(items) // 2
    return items[middle] if len(items) % 2 else (items[middle - 1] + items[middle]) / 2


# -- texts


def _cased(change: Callable[[str], str]) -> Callable[[Frame, Any], str]:
    def apply(frame: Frame, value: Any) -> str:
        text = string_of(value)
        frame.spend(len(text) >> (8 if text.isascii() else 3))
        return (text.upper() if change is cases.upper else text.lower()) if text.isascii() else change(text)

    return apply


def _trim(frame: Frame, value: Any, cut: Any = cases.SPACES) -> str:
    text, characters = string_of(value), string_of(cut)
    frame.spend(len(text) >> 10)
    return text.strip(characters) if characters else text


def _split(keep: bool) -> Callable[..., Strings]:
    def apply(frame: Frame, value: Any, separator: Any, most: Any = None) -> Strings:
        text, mark = string_of(value), string_of(separator)
        count = -1 if most is None else to_int(most)
        frame.spend(len(text) >> 4)
        if not count:
            return Strings()
        if not mark:
            parts = list(text)
            if 0 < count < len(parts):
                parts = [*parts[: count - 1], "".join(parts[count - 1 :])]
        else:
            parts = text.split(mark, -1 if count < 0 else count - 1)
            if keep:
                parts = [part + mark for part in parts[:-1]] + parts[-1:]
        frame.spend(len(parts))
        return Strings(parts)

    return apply


def _replace(frame: Frame, value: Any, old: Any, new: Any, most: Any = None) -> str:
    text, before, after = string_of(value), string_of(old), string_of(new)
    count = -1 if most is None else to_int(most)
    grown = (len(text) // max(len(before), 1) + 1) * max(len(after) - len(before), 0)
    frame.spend((len(text) + min(grown, MAX_ITEMS * 64)) >> 8)
    return frame.text(text.replace(before, after, count))


def _repeat(frame: Frame, value: Any, times: Any) -> str:
    text, count = string_of(value), to_int(times)
    if count < 0 or count > MAX_ITEMS or count * len(text) > MAX_ITEMS * 4:
        raise Fault("repeat makes too long a text, or is told a negative number", "repeat it less often")
    return frame.text(text * count)


def _join(frame: Frame, value: Any, glue: Any = "") -> str:
    if not isinstance(value, list) or isinstance(value, Ints):
        raise Fault(f"join takes a list of strings, and not {go_type(value)}")
    frame.spend(len(value))
    parts = [string_of(item) for item in value]
    if sum(map(len, parts)) + len(string_of(glue)) * len(parts) > MAX_TEXT:
        raise Fault("join makes too long a text", "join less")
    return frame.text(string_of(glue).join(parts))


def _index(last: bool) -> Callable[[Frame, Any, Any], Int]:
    def apply(frame: Frame, value: Any, part: Any) -> Int:
        text, wanted = string_of(value), string_of(part)
        frame.spend(len(text) >> 6)
        at = text.rfind(wanted) if last else text.find(wanted)
        return Int(at if at < 0 or text.isascii() else len(to_bytes(text[:at])))

    return apply


def _to_json(frame: Frame, value: Any) -> str:
    given = outward(frame, value)
    frame.weigh(given, 5)
    try:
        return frame.text(json_text.marshal(given, indent="  "))
    except GoError as error:
        raise Fault(str(error)) from error


def _from_json(frame: Frame, value: Any) -> Any:
    frame.spend(len(string_of(value)) >> 3)
    try:
        return json_text.unmarshal(string_of(value))
    except GoError as error:
        raise Fault(str(error)) from error


def _to_base64(frame: Frame, value: Any) -> str:
    frame.spend(len(string_of(value)) >> 8)
    return frame.text(base64.b64encode(to_bytes(value)).decode())


def _from_base64(frame: Frame, value: Any) -> str:
    text = string_of(value).replace("\r", "").replace("\n", "")
    frame.spend(len(text) >> 8)
    try:
        return from_bytes(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Fault("the text is no base64") from error


# -- lists and maps


def _get(frame: Frame, value: Any, key: Any) -> Any:
    """As a member, but nil where there is none."""
    try:
        return fetch(frame, value, key)
    except Fault:
        if frame.left < 0:
            raise
        return None


def _take(frame: Frame, value: Any, count: Any) -> Any:
    items = _list(value)
    if type(count) not in INTEGERS or go_type(count).startswith("uint"):
        raise Fault(f"take takes an integer, and not {go_type(count)}", "numbers of an event are floats: write int(…)")
    if count > len(items):
        return value
    if count < 0:
        raise Fault("take takes a positive integer")
    frame.spend(int(count) >> 4)
    first = items[: int(count)]
    return Strings(first) if isinstance(items, Strings) else Ints(first) if isinstance(items, Ints) else first


def _keys(frame: Frame, value: Any) -> list[Any]:
    found = _map(value)
    frame.spend(len(found))
    return [key for _, key in found] if isinstance(found, Pairs) else list(found)


def _values(frame: Frame, value: Any) -> list[Any]:
    found = _map(value)
    frame.spend(len(found))
    return list(found.values())


def _to_pairs(frame: Frame, value: Any) -> list[Any]:
    return [[key, item] for key, item in zip(_keys(frame, value), _values(frame, value), strict=True)]


def _from_pairs(frame: Frame, value: Any) -> Pairs:
    found = Pairs()
    for pair in _walk(frame, value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Fault("fromPairs takes a list of pairs", "write [[key, value], …]")
        found[pair_key(pair[0])] = pair[1]
    return found


def _descending(order: Any) -> bool:
    if order not in ("asc", "desc"):
        raise Fault('the order is "asc" or "desc"')
    return bool(order == "desc")


def _sorted(frame: Frame, items: Sequence[Any], keys: Sequence[Any], order: Any) -> list[Any]:
    descending = _descending(order)
    kinds = {go_type(key) for key in keys}
    if len(kinds) > 1:
        raise Fault(f"a list of {' and '.join(sorted(kinds))} cannot be sorted")
    if len(keys) > 1 and not all(type(key) is str or type(key) in _NUMBERS for key in keys):
        raise Fault(f"{kinds.pop()} cannot be sorted", "sort strings or numbers")
    frame.spend(len(keys) * 4)
    ranked = sorted(range(len(keys)), key=lambda number: keys[number], reverse=descending)
    return [items[number] for number in ranked]


def _sort(frame: Frame, value: Any, order: Any = "asc") -> list[Any]:
    items = _walk(frame, value)
    return _sorted(frame, items, [_sort_key(item, "") for item in items], order)


def _sort_by(frame: Frame, value: Any, field: Any, order: Any = "asc") -> list[Any]:
    items = _walk(frame, value)
    name = string_of(field)
    return _sorted(frame, items, [_sort_key(item, name) for item in items], order)


def _sort_key(item: Any, name: str) -> Any:
    if not isinstance(item, dict):
        return item
    if name not in item:
        raise Fault(f"an element has no {name!r} to sort it by")
    return item[name]


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "len": lambda frame, value: Int(length(frame, value)),
    "type": _type,
    "abs": _abs,
    "ceil": _rounding("ceil", _signed(math.ceil)),
    "floor": _rounding("floor", _signed(math.floor)),
    "round": _rounding("round", _signed(_half_away)),
    "int": to_integer,
    "float": to_float64,
    "string": text_of,
    "trim": _trim,
    "trimPrefix": lambda _frame, value, part=" ": string_of(value).removeprefix(string_of(part)),
    "trimSuffix": lambda _frame, value, part=" ": string_of(value).removesuffix(string_of(part)),
    "upper": _cased(cases.upper),
    "lower": _cased(cases.lower),
    "split": _split(keep=False),
    "splitAfter": _split(keep=True),
    "replace": _replace,
    "repeat": _repeat,
    "join": _join,
    "indexOf": _index(last=False),
    "lastIndexOf": _index(last=True),
    "hasPrefix": lambda _frame, value, part: string_of(value).startswith(string_of(part)),
    "hasSuffix": lambda _frame, value, part: string_of(value).endswith(string_of(part)),
    "max": _extreme(less),
    "min": _extreme(more),
    "sum": _sum,
    "mean": _mean,
    "median": _median,
    "toJSON": _to_json,
    "fromJSON": _from_json,
    "toBase64": _to_base64,
    "fromBase64": _from_base64,
    "now": now,
    "duration": parse_duration,
    "date": parse_date,
    "first": lambda frame, value: _get(frame, value, Int(0)),
    "last": lambda frame, value: _get(frame, value, Int(-1)),
    "get": _get,
    "take": _take,
    "keys": _keys,
    "values": _values,
    "toPairs": _to_pairs,
    "fromPairs": _from_pairs,
    "sort": _sort,
    "sortBy": _sort_by,
}
"""What the functions do, given the frame and the arguments."""

INDIRECT: Final = frozenset(FUNCTIONS) - {
    "len",
    "type",
    "abs",
    "ceil",
    "floor",
    "round",
    "int",
    "float",
    "string",
    "upper",
    "lower",
}
"""Those that expr can call by another name (`let f = trim; f(" a ")`)."""
