"""Go's values as Python's.

| Go | here |
|---|---|
| `nil` | `None` |
| `bool`, `string` | `bool`, `str` (bytes that are not UTF-8 as lone surrogates, `surrogateescape`) |
| `int` | `int` within 64 bits |
| `float64` | `float`; every number of decoded JSON is one |
| `int64`, `int32`, `uint8`, … | `Int64`, `Int32`, `Uint8`, …: subclasses of `int` that know their name |
| `[]interface{}`, `map[string]interface{}` | `list`, `dict` |
| `[]string`, `map[string]string`, `[]int` | `Strings`, `StringMap`, `Ints`: subclasses of `list` and `dict` |
| `[][]interface{}` | `Lists` |
| `[]interface{}(nil)`, `[]string(nil)` | `NilList`, `NilStrings`: empty, and `null` in JSON |
| a nil map | `None`, where a function takes a map |
| `[]byte` | `bytes` |
| `time.Time`, `time.Duration` | `Time`, `Duration` |
| any other struct, or a pointer to one | `Struct`: subclasses that know their fields and methods |

A function may change the maps that it is given (`set`, `unset`, `merge`): whoever calls it hands out maps that may be changed, never the
event's own data.

A function of a template or an expression is a `Function`: what Go's reflection knows of it, and what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

__all__ = [
    "INVALID",
    "Duration",
    "Function",
    "GoError",
    "Int32",
    "Int64",
    "Ints",
    "Invalid",
    "LimitError",
    "Lists",
    "NilList",
    "NilStrings",
    "Sized",
    "StringMap",
    "Strings",
    "Struct",
    "Time",
    "Uint8",
    "Uint64",
]


class GoError(Exception):
    """The error that a function returns. Never leaves `tiphys.languages`: it becomes a `TemplateError` or an `ExpressionError`."""


class LimitError(GoError):
    """A function was asked for more than one template or expression may have."""


class Invalid:
    """The zero `reflect.Value`: what `text/template` has in its hands for a key that a map lacks. There is one, `INVALID`, and it is false.

    Functions never see it: a parameter that can be nil gets nil, another one refuses it.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<no value>"


INVALID: Final = Invalid()


class Sized(int):
    """An integer of a Go type other than `int`; `go` is the type's name, `low` and `high` its bounds."""

    go: ClassVar[str] = "int"
    low: ClassVar[int] = -(1 << 63)
    high: ClassVar[int] = (1 << 63) - 1


class Int64(Sized):
    """`int64`."""

    go = "int64"


class Int32(Sized):
    """`int32`, which a `rune` is."""

    go = "int32"
    low = -(1 << 31)
    high = (1 << 31) - 1


class Uint8(Sized):
    """`uint8`, which a `byte` is."""

    go = "uint8"
    low = 0
    high = 255


class Uint64(Sized):
    """`uint64`."""

    go = "uint64"
    low = 0
    high = (1 << 64) - 1


class Duration(Sized):
    """`time.Duration`: nanoseconds."""

    go = "time.Duration"


class Strings(list[str]):
    """`[]string`."""


class Ints(list[int]):
    """`[]int`."""


class Lists(list[list[Any]]):
    """`[][]interface{}`."""


class NilList(list[Any]):
    """`[]interface{}(nil)`: prints as `[]`, is `null` in JSON."""


class NilStrings(Strings):
    """`[]string(nil)`: prints as `[]`, is `null` in JSON."""


class StringMap(dict[str, str]):
    """`map[string]string`."""


@dataclass(frozen=True, slots=True)
class Time:
    """`time.Time`: an aware instant in its own zone, and the nanoseconds below its microsecond.

    Python's calendar has the years 1 to 9999, Go's has all. The calendar repeats every 400 years: a time beyond is the instant moved by
    `cycles` times 400 years. `toDate "15:04" "13:45"` is in the year 0.
    """

    instant: datetime
    nanoseconds: int = 0
    cycles: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """A function that templates and expressions may call.

    `parameters` are Go's type names in order (`string`, `int`, `int64`, `float64`, `bool`, `interface{}`, `[]string`,
    `[]interface{}`, `map[string]interface{}`, `error`, `time.Time`, `reflect.Value`); one that begins with `...` is the last and takes
    any number. The caller converts and checks arguments as `text/template` does before `call` sees them. `call` returns the Go value,
    or raises `GoError` for the error that the Go function would return; a Go panic is a `GoError` too.
    """

    name: str
    parameters: tuple[str, ...]
    call: Callable[..., Any]
    result: str = "interface{}"


class Struct:
    """A value of a Go struct other than `time.Time`, or a pointer to one. `str` of it is what `%v` prints.

    `go` is the type as `%T` prints it (`*semver.Version`), `kind` is `struct` or `ptr`. `fields` are what a template may read of it,
    `methods` what it may call; a method's `Function.call` takes the value first, which `parameters` leave out.
    """

    go: ClassVar[str]
    kind: ClassVar[str] = "struct"
    methods: ClassVar[Mapping[str, Function]] = {}

    @property
    def fields(self) -> Mapping[str, Any]:
        """The exported fields."""
        return {}
