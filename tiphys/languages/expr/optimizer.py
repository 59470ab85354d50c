"""expr's optimiser (antonmedv/expr 1.15.5, `optimizer`): what it does is part of the language, since it changes results.

`x and false` is false though `x` would fail. `filter(…)[0]` stops at the first find. `x in ["a", "b"]` asks a map whose keys are
strings, so that any other `x` is an error.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from tiphys.languages.expr.types import BOOL, FLOAT, INT, STRING, Type
from tiphys.languages.expression.arithmetic import divide, wrap
from tiphys.languages.expression.frame import MAX_ITEMS, MAX_TEXT, Fault
from tiphys.languages.expression.nodes import Array, Binary, Block, Builtin, Literal, Logical, Member, Node, Unary
from tiphys.languages.expression.values import Int
from tiphys.languages.golang.powers import power

__all__ = ["Keys", "optimized"]

_INTEGERS: Final[dict[str, Callable[[int, int], int]]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_FLOATS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "**": power,
    "^": power,
}
_FOLDS: Final = 1000


class Keys(frozenset[Any]):
    """What `in` looks into where all elements of a list are written out: strings, or integers for a left side that is one."""


def optimized(node: Node) -> Node:
    """The tree as it is evaluated. Nodes are changed in place. Raises `Fault` for a modulo of zero."""
    node = _walked(node, _in_array)
    for _ in range(_FOLDS):
        folding = _Folding()
        node = _walked(node, folding.visit)
        if not folding.applied:
            break
    for visit in (_in_range, _constant_range, _filter_map, _filter_length, _filter_last, _filter_first):
        node = _walked(node, visit)
    return node


def _walked(node: Node, visit: Callable[[Node], Node]) -> Node:
    """Each node replaced by what `visit` gives for it, from below. What a `filter` maps to is not walked again."""
    for name in node.children:
        if name == "mapping":
            continue
        part = getattr(node, name)
        if isinstance(part, list):
            part[:] = [_walked(child, visit) for child in part]
        elif part is not None:
            setattr(node, name, _walked(part, visit))
    return visit(node)


def _typed(node: Node, kind: Type | None) -> Node:
    node.type = kind
    return node


def _is(node: Node, kind: type) -> bool:
    return isinstance(node, Literal) and type(node.value) is kind


def _in_array(node: Node) -> Node:
    if not (isinstance(node, Binary) and node.operator == "in" and isinstance(node.right, Array) and node.right.items):
        return node
    items, left = node.right.items, node.left.type
    if left is not None and left.kind == "int" and all(_is(item, Int) for item in items):
        pass
    elif not all(_is(item, str) for item in items):
        return node
    keys = Keys(item.value for item in items if isinstance(item, Literal))
    return _typed(Binary(node.offset, "in", node.left, Literal(node.right.offset, keys)), node.type)


class _Folding:
    """One pass that computes what is written out."""

    def __init__(self) -> None:
        self.applied = False

    def visit(self, node: Node) -> Node:
        found = self._folded(node)
        if found is None:
            return node
        self.applied = True
        return found

    def _folded(self, node: Node) -> Node | None:
        if isinstance(node, Unary):
            return _unary(node)
        if isinstance(node, Binary):
            return _binary(node)
        if isinstance(node, Logical):
            return _logical(node)
        if isinstance(node, Array):
            return _array(node)
        if isinstance(node, Builtin) and node.name == "filter" and len(node.arguments) == 2:
            return _filter_filter(node)
        return None


def _unary(node: Unary) -> Node | None:
    operand = node.operand
    if not isinstance(operand, Literal):
        return None
    kind, value = type(operand.value), operand.value
    if node.operator in ("!", "not"):
        return _typed(Literal(node.offset, not value), node.type) if kind is bool else None
    if kind is Int:
        return _typed(Literal(node.offset, Int(wrap(-value)) if node.operator == "-" else value), INT)
    if kind is float:
        return _typed(Literal(node.offset, -value if node.operator == "-" else value), FLOAT)
    return None


def _binary(node: Binary) -> Node | None:
    left, right = node.left, node.right
    if not (isinstance(left, Literal) and isinstance(right, Literal)):
        return None
    kinds = {type(left.value), type(right.value)}
    if node.operator == "==":
        return _typed(Literal(node.offset, left.value == right.value), node.type) if len(kinds) == 1 and kinds < _EQUAL else None
    if kinds == {Int}:
        return _integers(node, left.value, right.value)
    if kinds <= {Int, float} and node.operator in _FLOATS:
        return _typed(Literal(node.offset, _FLOATS[node.operator](float(left.value), float(right.value))), FLOAT)
    if kinds == {str} and node.operator == "+":
        if len(left.value) + len(right.value) > MAX_TEXT:
            raise Fault("makes too long a text", "make a shorter one", node.offset)
        return _typed(Literal(node.offset, left.value + right.value), STRING)
    return None


_EQUAL: Final = {Int, str, bool, None}


def _integers(node: Binary, left: int, right: int) -> Node | None:
    if node.operator in _INTEGERS:
        return _typed(Literal(node.offset, Int(wrap(_INTEGERS[node.operator](int(left), int(right))))), INT)
    if node.operator in _FLOATS:
        return _typed(Literal(node.offset, _FLOATS[node.operator](float(left), float(right))), FLOAT)
    if node.operator == "%":
        if not right:
            raise Fault("divides by zero", "divide by another number", node.offset)
        return _typed(
            Literal(node.offset, Int(int(math.fmod(left, right)) if abs(left) < 1 << 53 else _remainder(left, right))), INT
        )
    return None


def _remainder(left: int, right: int) -> int:
    rest = abs(int(left)) % abs(int(right))
    return -rest if left < 0 else rest


def _logical(node: Logical) -> Node | None:
    settled = node.operator == "or"
    literals = [operand.value for operand in node.operands if isinstance(operand, Literal) and type(operand.value) is bool]
    if settled in literals:
        return _typed(Literal(node.offset, settled), BOOL)
    if not literals:
        return None
    rest = [operand for operand in node.operands if not _is(operand, bool)]
    if not rest:
        return _typed(Literal(node.offset, not settled), BOOL)
    if len(rest) == 1:
        return _typed(rest[0], node.type)
    return _typed(Logical(node.offset, node.operator, rest), node.type)


def _array(node: Array) -> Node | None:
    if not node.items or not all(_is(item, Int) or _is(item, float) or _is(item, str) or _is(item, bool) for item in node.items):
        return None
    return _typed(Literal(node.offset, [item.value for item in node.items if isinstance(item, Literal)]), node.type)


def _filter_filter(node: Builtin) -> Node | None:
    base, predicate = node.arguments
    if not (isinstance(base, Builtin) and base.name == "filter"):
        return None
    both = Logical(node.offset, "and", [_body(base.arguments[1]), _body(predicate)])
    return _typed(Builtin(node.offset, "filter", [base.arguments[0], Block(predicate.offset, both)]), node.type)


def _body(node: Node) -> Node:
    return node.body if isinstance(node, Block) else node


def _in_range(node: Node) -> Node:
    if not (isinstance(node, Binary) and node.operator == "in" and node.left.type is not None and node.left.type.kind == "int"):
        return node
    bounds = node.right
    if not (isinstance(bounds, Binary) and bounds.operator == ".." and _is(bounds.left, Int) and _is(bounds.right, Int)):
        return node
    low = Binary(node.offset, ">=", node.left, bounds.left)
    high = Binary(node.offset, "<=", node.left, bounds.right)
    return _typed(Logical(node.offset, "and", [low, high]), node.type)


def _constant_range(node: Node) -> Node:
    if not (
        isinstance(node, Binary) and node.operator == ".." and isinstance(node.left, Literal) and isinstance(node.right, Literal)
    ):
        return node
    if not (_is(node.left, Int) and _is(node.right, Int)):
        return node
    low, high = int(node.left.value), int(node.right.value)
    if high - low + 1 > MAX_ITEMS:
        return node
    return _typed(Literal(node.offset, range(low, max(low, high + 1))), node.type)


def _filter_of(node: Node) -> Builtin | None:
    return node if isinstance(node, Builtin) and node.name == "filter" and len(node.arguments) == 2 else None


def _filter_map(node: Node) -> Node:
    if not (isinstance(node, Builtin) and node.name == "map" and len(node.arguments) == 2):
        return node
    base, block = node.arguments
    if isinstance(block, Block) and isinstance(base, Builtin) and base.name == "filter" and base.mapping is None:
        return _typed(Builtin(node.offset, "filter", base.arguments, block.body), node.type)
    return node


def _filter_length(node: Node) -> Node:
    if isinstance(node, Builtin) and node.name == "len" and len(node.arguments) == 1 and (base := _filter_of(node.arguments[0])):
        return _typed(Builtin(node.offset, "count", base.arguments), node.type)
    return node


def _filter_end(node: Node, index: int, end: str, found: str) -> Node:
    if isinstance(node, Member) and not node.optional and _is(node.key, Int) and isinstance(node.key, Literal):
        if int(node.key.value) == index and (base := _filter_of(node.base)):
            return _typed(Builtin(node.offset, found, base.arguments, base.mapping, throws=True), node.type)
    elif isinstance(node, Builtin) and node.name == end and len(node.arguments) == 1 and (base := _filter_of(node.arguments[0])):
        return _typed(Builtin(node.offset, found, base.arguments, base.mapping), node.type)
    return node


def _filter_last(node: Node) -> Node:
    return _filter_end(node, -1, "last", "findLast")


def _filter_first(node: Node) -> Node:
    return _filter_end(node, 0, "first", "find")
