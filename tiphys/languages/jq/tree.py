"""What a program is, once read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "Access",
    "Array",
    "Binary",
    "Bind",
    "Break",
    "Call",
    "Constant",
    "Define",
    "Fold",
    "Identity",
    "If",
    "Iterate",
    "Label",
    "Node",
    "Object",
    "Pattern",
    "Slice",
    "Text",
    "Try",
    "Unary",
]


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a program."""


@dataclass(frozen=True, slots=True)
class Identity(Node):
    """`.`"""


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, a text without interpolations, `null`, `true`, `false`."""

    value: Any


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string with interpolations; `form` is the `@name` before it, or empty."""

    parts: tuple[str | Node, ...]
    form: str = ""


@dataclass(frozen=True, slots=True)
class Access(Node):
    """`base.name` and `base[key]`; the key is evaluated on the input of the whole."""

    base: Node
    key: Node


@dataclass(frozen=True, slots=True)
class Slice(Node):
    """`base[start:end]`."""

    base: Node
    start: Node | None
    end: Node | None


@dataclass(frozen=True, slots=True)
class Iterate(Node):
    """`base[]`."""

    base: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function by name, and `$name` without arguments."""

    name: str
    arguments: tuple[Node, ...] = ()
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`+` or `-` before a term."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`|`, `,`, arithmetic, comparison, `and`, `or`, `//`, and the assignments."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Array(Node):
    """`[query]`, or `[]`."""

    query: Node | None


@dataclass(frozen=True, slots=True)
class Object(Node):
    """Pairs of key and value, both queries; a value that is `None` is what the key names."""

    pairs: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if`; `otherwise` is the identity where there is no `else`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Try(Node):
    """`try body catch handler`, and `body?`."""

    body: Node
    handler: Node | None


@dataclass(frozen=True, slots=True)
class Fold(Node):
    """`reduce` (`each` is false) and `foreach`."""

    each: bool
    source: Node
    pattern: Pattern
    start: Node
    update: Node
    extract: Node | None


@dataclass(frozen=True, slots=True)
class Label(Node):
    """`label $name | body`."""

    name: str
    body: Node


@dataclass(frozen=True, slots=True)
class Break(Node):
    """`break $name`."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Bind(Node):
    """`source as pattern ?// pattern | body`."""

    source: Node
    patterns: tuple[Pattern, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Define(Node):
    """`def name(parameters): definition; body`."""

    name: str
    parameters: tuple[str, ...]
    definition: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Pattern:
    """What `as` binds: one `name`, places of a list, or keys of an object with what they hold.

    Of an object's entry, `name` is bound to the value too where the key is written as a variable.
    """

    name: str = ""
    places: tuple[Pattern, ...] = ()
    entries: tuple[tuple[Node, str, Pattern | None], ...] = ()

    def names(self) -> list[str]:
        """All the names, in the order in which they are bound."""
        found = [self.name] if self.name else []
        for place in self.places:
            found += place.names()
        for _, name, inner in self.entries:
            found += ([name] if name else []) + (inner.names() if inner else [])
        return found
