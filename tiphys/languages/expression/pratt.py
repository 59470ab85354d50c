"""A Pratt parser over a table of operators: what both dialects have in common.

A dialect gives a `Grammar` and says what a primary is; what binds how strongly is data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tiphys.languages.expression.frame import MAX_DEPTH, Fault
from tiphys.languages.expression.nodes import Binary, Logical, Node
from tiphys.languages.expression.tokens import Kind, Token

__all__ = ["Grammar", "Infix", "Parser"]


@dataclass(frozen=True, slots=True)
class Infix:
    """How strongly an operator binds; `right`: `a ^ b ^ c` is `a ^ (b ^ c)`. `chain`: `and` or `or`."""

    power: int
    right: bool = False
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The operators of a dialect. `prefix` has the power at which an operator's operand is read."""

    infix: Mapping[str, Infix]
    prefix: Mapping[str, int]


class Parser(ABC):
    """Reads tokens; the last of them is of kind `END`. Every failure is a `Fault` with its place."""

    grammar: Grammar

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.token = tokens[0]
        self.depth = 0

    @abstractmethod
    def primary(self) -> Node:
        """An operand with its prefixes and what follows it closely."""

    def infix(self, power: int) -> tuple[Token, Infix] | None:
        """The operator that stands here, if it binds as strongly as `power`."""
        operator = self.grammar.infix.get(self.token.value) if isinstance(self.token.value, str) else None
        if operator is None or operator.power < power or not self.is_operator(self.token):
            return None
        return self.token, operator

    def is_operator(self, token: Token) -> bool:
        """Whether a token can be an operator at all: a string `"+"` is none."""
        return token.kind is Kind.OPERATOR

    def expression(self, power: int = 0) -> Node:
        """An expression of operators that bind as strongly as `power`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Fault("is nested too deeply", "split it into several expressions", self.token.offset)
        left, previous = self.primary(), ""
        while (found := self.infix(power)) is not None:
            token, operator = found
            self.advance()
            left = self.joined(left, token, operator, previous)
            previous = token.value
        self.depth -= 1
        return left

    def joined(self, left: Node, token: Token, operator: Infix, previous: str) -> Node:
        """The operator with its right operand, which is read here; `previous` is the operator before it at this level, or empty."""
        right = self.expression(operator.power + (not operator.right))
        if not operator.chain:
            return Binary(token.offset, token.value, left, right)
        if isinstance(left, Logical) and left.operator == operator.chain:
            left.append(right)
            return left
        return Logical(token.offset, operator.chain, [left, right])

    def advance(self) -> Token:
        """Pass a token and return it. The end is never passed."""
        token = self.token
        if self.at + 1 < len(self.tokens):
            self.at += 1
            self.token = self.tokens[self.at]
        return token

    def unexpected(self, token: Token | None = None, remedy: str = "") -> Fault:
        """The fault of a token that does not fit, the present one by default."""
        found = token or self.token
        if found.kind is Kind.END:
            return Fault("ends where a value is expected", remedy or "write the missing part", found.offset)
        return Fault(f"unexpected {found.shown()}", remedy, found.offset)
