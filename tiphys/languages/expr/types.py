"""Static types: what expr knows of a value before it is there.

Nothing is known of an event. But literals, operators and functions have types, and expr refuses what cannot fit (`"1" == 1`, `not nil`)
when it compiles. The names are those of Go's `reflect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tiphys.languages.golang import times
from tiphys.languages.golang.values import Function

__all__ = [
    "ANY",
    "ARRAY",
    "BOOL",
    "DURATION",
    "FLOAT",
    "FUNCTION",
    "GROUPS",
    "INT",
    "INTS",
    "MAP",
    "METHODS",
    "NIL",
    "PAIRS",
    "STRING",
    "STRINGS",
    "TIME",
    "Type",
    "comparable",
    "named",
]

_INTEGERS: Final = frozenset(("int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64"))


METHODS: Final[Mapping[str, Mapping[str, Function]]] = {
    "time.Time": times.METHODS,
    "time.Duration": times.DURATION_METHODS,
    "time.Month": {"String": Function("String", (), times.Month.text, "string")},
    "time.Weekday": {"String": Function("String", (), times.Weekday.text, "string")},
}
"""What can be called on values of a named type; `call` takes the value first."""


@dataclass(frozen=True, slots=True)
class Type:
    """A Go type: its `kind`, its `name` if it is a named one, and what it is made of."""

    kind: str
    name: str = ""
    key: Type | None = None
    element: Type | None = None

    @property
    def any(self) -> bool:
        """Whether nothing is known."""
        return self.kind == "interface"

    @property
    def integer(self) -> bool:
        """Whether it is an integer, a duration included."""
        return self.kind in _INTEGERS

    @property
    def number(self) -> bool:
        """Whether it is a number."""
        return self.kind == "float64" or self.kind in _INTEGERS

    @property
    def string(self) -> bool:
        """Whether it is a text."""
        return self.kind == "string"

    @property
    def boolean(self) -> bool:
        """Whether it is a boolean."""
        return self.kind == "bool"

    @property
    def nil(self) -> bool:
        """Whether it is the type of `nil`."""
        return self.kind == "nil"

    @property
    def array(self) -> bool:
        """Whether it is a list."""
        return self.kind == "slice"

    @property
    def map(self) -> bool:
        """Whether it is a map."""
        return self.kind == "map"

    @property
    def methods(self) -> Mapping[str, Function]:
        """What can be called on it."""
        return METHODS.get(self.name, {})

    def fits(self, other: Type) -> bool:
        """Whether a value of this type can be given where `other` is asked for."""
        return other.any or self == other

    def __str__(self) -> str:
        if self.name:
            return self.name
        if self.any:
            return "any"
        if self.map:
            return f"map[{self.key}]{self.element}"
        return f"[]{self.element}" if self.array else {"float64": "float", "func": "function"}.get(self.kind, self.kind)


NIL: Final = Type("nil")
ANY: Final = Type("interface")
BOOL: Final = Type("bool")
INT: Final = Type("int")
FLOAT: Final = Type("float64")
STRING: Final = Type("string")
FUNCTION: Final = Type("func")
TIME: Final = Type("struct", "time.Time")
DURATION: Final = Type("int64", "time.Duration")
ARRAY: Final = Type("slice", element=ANY)
STRINGS: Final = Type("slice", element=STRING)
INTS: Final = Type("slice", element=INT)
MAP: Final = Type("map", key=STRING, element=ANY)
PAIRS: Final = Type("map", key=ANY, element=ANY)
GROUPS: Final = Type("map", key=ANY, element=ARRAY)

_NAMED: Final = {
    "bool": BOOL,
    "int": INT,
    "int64": Type("int64"),
    "float64": FLOAT,
    "string": STRING,
    "time.Time": TIME,
    "time.Duration": DURATION,
    "time.Month": Type("int", "time.Month"),
    "time.Weekday": Type("int", "time.Weekday"),
}


def named(name: str) -> Type:
    """The type that a function's parameter or result names."""
    return _NAMED.get(name, ANY)


def comparable(one: Type, other: Type) -> bool:
    """Whether `==` makes sense."""
    return one.nil or other.nil or one.kind == other.kind or (one.number and other.number) or one.any or other.any
