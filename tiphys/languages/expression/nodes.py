"""The tree of an expression, as the parser makes it; one set of nodes for both dialects.

`offset` is where the node stands in the text, in characters. `height` bounds recursion: whoever walks a tree needs no other guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tiphys.languages.expression.frame import MAX_HEIGHT, Fault

__all__ = [
    "Array",
    "Binary",
    "Block",
    "Builtin",
    "Call",
    "Chain",
    "Conditional",
    "Let",
    "Literal",
    "Logical",
    "MapLiteral",
    "Member",
    "Missing",
    "Name",
    "Node",
    "Pointer",
    "Slice",
    "Unary",
]


@dataclass(slots=True)
class Node:
    """What all nodes have. `height` is 1 for a leaf; `type` is the static type, in a dialect that has them."""

    offset: int
    height: int = field(init=False, default=1)
    type: Any = field(init=False, default=None, repr=False, compare=False)

    children: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        below = 0
        for name in self.children:
            part = getattr(self, name)
            for child in part if isinstance(part, list) else (part,):
                if child is not None and child.height > below:
                    below = child.height
        self.height = below + 1
        if self.height > MAX_HEIGHT:
            raise Fault("is nested too deeply", "split it into several expressions", self.offset)

    def parts(self) -> Iterable[Node]:
        """The nodes directly below, in the order of evaluation."""
        for name in self.children:
            part = getattr(self, name)
            yield from part if isinstance(part, list) else (part,) if part is not None else ()


@dataclass(slots=True)
class Missing(Node):
    """Nothing stands where an operand could: govaluate takes that for nil before a closing parenthesis."""


@dataclass(slots=True)
class Literal(Node):
    """A value that is written out or was folded."""

    value: Any


@dataclass(slots=True)
class Name(Node):
    """A variable, parameter or function by its name."""

    name: str


@dataclass(slots=True)
class Unary(Node):
    """A prefix operator."""

    operator: str
    operand: Node

    children: ClassVar[tuple[str, ...]] = ("operand",)


@dataclass(slots=True)
class Binary(Node):
    """An infix operator with two operands."""

    operator: str
    left: Node
    right: Node

    children: ClassVar[tuple[str, ...]] = ("left", "right")


@dataclass(slots=True)
class Logical(Node):
    """A chain of one of `and`, `or`: the operands from left to right until one decides."""

    operator: str
    operands: list[Node]

    children: ClassVar[tuple[str, ...]] = ("operands",)

    def append(self, operand: Node) -> None:
        """One operand more."""
        self.operands.append(operand)
        self.height = max(self.height, operand.height + 1)


@dataclass(slots=True)
class Conditional(Node):
    """`condition ? yes : no`."""

    condition: Node
    yes: Node
    no: Node

    children: ClassVar[tuple[str, ...]] = ("condition", "yes", "no")


@dataclass(slots=True)
class Member(Node):
    """`base.key`, `base[key]`, and with `optional` `base?.key`."""

    base: Node
    key: Node
    optional: bool = False

    children: ClassVar[tuple[str, ...]] = ("base", "key")


@dataclass(slots=True)
class Chain(Node):
    """As far as a `?.` reaches: where its base is nil all of it is nil."""

    inner: Node

    children: ClassVar[tuple[str, ...]] = ("inner",)


@dataclass(slots=True)
class Slice(Node):
    """`base[start:stop]`."""

    base: Node
    start: Node | None
    stop: Node | None

    children: ClassVar[tuple[str, ...]] = ("base", "stop", "start")


@dataclass(slots=True)
class Call(Node):
    """A function of the environment, or a method, with arguments. `function` is the language's own function that it turns out to be."""

    callee: Node
    arguments: list[Node]
    function: str = ""

    children: ClassVar[tuple[str, ...]] = ("arguments", "callee")


@dataclass(slots=True)
class Block(Node):
    """The predicate or mapping of a loop: evaluated for each element."""

    body: Node

    children: ClassVar[tuple[str, ...]] = ("body",)


@dataclass(slots=True)
class Builtin(Node):
    """A function of the language. A loop's second argument is a `Block`; `mapping` is what a `filter` gives for each element that
    passes, and `throws` says that a `find` without a find is an error: both are made by the optimiser alone."""

    name: str
    arguments: list[Node]
    mapping: Node | None = None
    throws: bool = False

    children: ClassVar[tuple[str, ...]] = ("arguments", "mapping")


@dataclass(slots=True)
class Pointer(Node):
    """`#` (the name is empty), `#index` or `#acc` within a loop."""

    name: str


@dataclass(slots=True)
class Let(Node):
    """`let name = value; body`."""

    name: str
    value: Node
    body: Node

    children: ClassVar[tuple[str, ...]] = ("value", "body")


@dataclass(slots=True)
class Array(Node):
    """`[a, b]`."""

    items: list[Node]

    children: ClassVar[tuple[str, ...]] = ("items",)


@dataclass(slots=True)
class MapLiteral(Node):
    """`{key: value}`: keys and values in turn."""

    pairs: list[Node]

    children: ClassVar[tuple[str, ...]] = ("pairs",)
