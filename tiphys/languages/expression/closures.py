"""From a tree to closures: each node becomes a function of the `Frame`, made once and called for each event.

What is common to both dialects is here: literals, prefix and infix operators from the dialect's tables, chains of `and` and `or`. A
dialect adds its own nodes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.nodes import Binary, Literal, Logical, Missing, Node, Unary

__all__ = ["Compiler", "Evaluate", "Infixes", "Prefixes", "located"]

Evaluate = Callable[[Frame], Any]
Prefixes = Mapping[str, Callable[[Frame, Any], Any]]
Infixes = Mapping[str, Callable[[Frame, Any, Any], Any]]


def located(fault: Fault, offset: int) -> Fault:
    """The fault with the place of the innermost node that knows its own."""
    if fault.offset is None:
        fault.offset = offset
    return fault


class Compiler(ABC):
    """Makes closures. `handlers` maps a node's class to the method for it; a dialect's own add to those here."""

    prefixes: Prefixes
    infixes: Infixes

    def __init__(self) -> None:
        self.handlers: dict[type[Node], Callable[[Any], Evaluate]] = {
            Literal: self._literal,
            Missing: self._missing,
            Unary: self._unary,
            Binary: self._binary,
            Logical: self._logical,
        }

    def compile(self, node: Node) -> Evaluate:
        """The closure of a node. Raises `Fault` for what can never be evaluated."""
        return self.handlers[type(node)](node)

    @abstractmethod
    def decides(self, operator: str, value: Any) -> bool:
        """Whether an operand of `and` or `or` that is not the last settles the chain. Raises `Fault` if it is no boolean."""

    @abstractmethod
    def last(self, operator: str, value: Any) -> Any:
        """What the last operand of a chain gives."""

    @staticmethod
    def _literal(node: Literal) -> Evaluate:
        value = node.value
        return lambda _frame: value

    @staticmethod
    def _missing(_node: Missing) -> Evaluate:
        return lambda _frame: None

    def _unary(self, node: Unary) -> Evaluate:
        operand, operation, offset = self.compile(node.operand), self.prefixes[node.operator], node.offset

        def unary(frame: Frame) -> Any:
            try:
                return operation(frame, operand(frame))
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return unary

    def _binary(self, node: Binary) -> Evaluate:
        left, right, operation, offset = self.compile(node.left), self.compile(node.right), self.infixes[node.operator], node.offset

        def binary(frame: Frame) -> Any:
            try:
                return operation(frame, left(frame), right(frame))
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return binary

    def _logical(self, node: Logical) -> Evaluate:
        operator, offset, settled = node.operator, node.offset, node.operator == "or"
        *before, end = map(self.compile, node.operands)
        firsts = tuple(before)
        decides, last = self.decides, self.last

        def logical(frame: Frame) -> Any:
            try:
                for operand in firsts:
                    value = operand(frame)
                    if value is settled:
                        return settled
                    if value is not (not settled) and decides(operator, value):
                        return settled
                value = end(frame)
                return value if value is True or value is False else last(operator, value)
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return logical
