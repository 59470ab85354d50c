"""The values of expressions: what Go type a value has, and when two are equal.

Numbers of decoded JSON are float64 in Go, however they are written, and here `int` or `float`: both count as float64. An `int` of
Go's is an `Int`. So a payload is evaluated as it was decoded, without a copy, and 1 (of an event) and 1 (of the text) stay apart
where Go keeps them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.golang.fmt import sprint
from tiphys.languages.golang.numbers import decimal_text
from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import (
    Duration,
    Function,
    GoError,
    Int32,
    Int64,
    Ints,
    Lists,
    NilList,
    NilStrings,
    Sized,
    StringMap,
    Strings,
    Struct,
    Time,
    Uint8,
    Uint64,
)

__all__ = [
    "FLOATS",
    "INTEGERS",
    "Int",
    "Pairs",
    "deep_equal",
    "go_type",
    "inward",
    "outward",
    "size",
    "text_of",
    "to_float",
]


class Int(int):
    """Go's `int`, made by an expression."""

    __slots__ = ()


class Pairs(dict[Any, Any]):
    """`map[interface {}]interface {}` and its like. A key is kept with its Go type, since 1 and 1.0 and true are three keys there:
    `(type, key) → value`. `missing` is what a key that is not there gives."""

    missing: Any = None


class AnyMap(Struct):
    """A `Pairs` on its way to a function: it can be printed, and is no JSON."""

    go = "map[interface {}]interface {}"
    kind = "map"

    def __init__(self, items: dict[Any, Any]) -> None:
        self.items = items

    def __str__(self) -> str:
        return sprint(self.items)

    @property
    def fields(self) -> Mapping[str, Any]:
        """None: this is what JSON asks for."""
        raise GoError(f"json: unsupported type: {self.go}")


FLOATS: Final = frozenset((int, float))
INTEGERS: Final = frozenset((Int, Int64, Int32, Uint8, Uint64, Sized))

_TYPES: Final[dict[type, str]] = {
    type(None): "nil",
    bool: "bool",
    int: "float64",
    float: "float64",
    Int: "int",
    Sized: "int",
    Int64: "int64",
    Int32: "int32",
    Uint8: "uint8",
    Uint64: "uint64",
    Duration: "time.Duration",
    Time: "time.Time",
    str: "string",
    bytes: "[]uint8",
    list: "[]interface {}",
    Strings: "[]string",
    NilList: "[]interface {}",
    NilStrings: "[]string",
    Lists: "[][]interface {}",
    Ints: "[]int",
    range: "[]int",
    dict: "map[string]interface {}",
    StringMap: "map[string]string",
    Pairs: "map[interface {}]interface {}",
    Function: "func",
}


_LISTS: Final = frozenset((list, Lists, Ints))


def go_type(value: Any) -> str:
    """The name of a value's type in Go, as its messages write it."""
    kind = type(value)
    return _TYPES.get(kind) or str(getattr(kind, "go", kind.__name__))


def to_float(value: float) -> float:
    """A number as a float64; integers beyond its range become infinite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def deep_equal(frame: Frame, one: Any, other: Any) -> bool:
    """Go's `reflect.DeepEqual`: the same type, and the same throughout."""
    if go_type(one) != go_type(other):
        return False
    if isinstance(one, list | range):
        frame.spend(1 + min(len(one), len(other)))
        return len(one) == len(other) and all(deep_equal(frame, a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        frame.spend(1 + min(len(one), len(other)))
        return one.keys() == other.keys() and all(deep_equal(frame, value, other[key]) for key, value in one.items())
    if type(one) in FLOATS:
        return to_float(one) == to_float(other)
    return bool(one == other)


def size(frame: Frame, value: str) -> int:
    """Go's `len` of a text: its bytes in UTF-8."""
    if value.isascii():
        return len(value)
    frame.spend(len(value) >> 8)
    return len(to_bytes(value))


def outward(frame: Frame, value: Any) -> Any:
    """A value as Go's functions here take it (`tiphys.languages.golang.values`): float64 as `float`, `int` as `int`, throughout. Maps and
    lists are copies, so that a function may change what it is given."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int or kind is float:
        return to_float(value)
    if kind is Int:
        return int(value)
    if kind is dict or kind is list or kind is Pairs:
        frame.spend(len(value))
    if kind is dict:
        return {key: outward(frame, item) for key, item in value.items()}
    if kind is list:
        return [outward(frame, item) for item in value]
    if kind is Pairs:
        return AnyMap({outward(frame, key): outward(frame, item) for (_, key), item in value.items()})
    if kind is range:
        frame.spend(len(value) >> 2)
        return Ints(value)
    return value


def inward(frame: Frame, value: Any) -> Any:
    """What a function of Go's gave, as expressions hold it: an `int` as `Int`, throughout."""
    kind = type(value)
    if kind is int:
        return Int(value)
    if kind is dict:
        frame.spend(len(value))
        return {key: inward(frame, item) for key, item in value.items()}
    if kind in _LISTS:
        frame.spend(len(value))
        return kind([inward(frame, item) for item in value])
    return value


def text_of(frame: Frame, value: Any) -> str:
    """A value as Go's `%v` prints it. Raises `Fault` when it is too much to print."""
    if type(value) is str:
        return value
    if type(value) in FLOATS:
        return decimal_text(to_float(value))
    given = outward(frame, value)
    if isinstance(given, list | dict):
        frame.weigh(given, 5)
    try:
        return frame.text(sprint(given))
    except GoError as error:
        raise Fault(str(error), "print less") from error
