"""govaluate's grammar: a table of operators, all of which bind to the left, and its operands."""

from __future__ import annotations

from typing import Final

from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.nodes import Binary, Call, Literal, Missing, Name, Node, Unary
from tiphys.languages.expression.pratt import Grammar, Infix, Parser
from tiphys.languages.expression.tokens import Kind, Token
from tiphys.languages.govaluate.operators import INFIXES

__all__ = ["GRAMMAR", "Reading"]

GRAMMAR: Final = Grammar(
    infix={
        ",": Infix(1),
        **dict.fromkeys(("?", ":", "??"), Infix(2)),
        "||": Infix(3, chain="or"),
        "&&": Infix(4, chain="and"),
        **dict.fromkeys(("==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"), Infix(5)),
        **dict.fromkeys(("^", "&", "|"), Infix(6)),
        **dict.fromkeys((">>", "<<"), Infix(7)),
        **dict.fromkeys(("+", "-"), Infix(8)),
        **dict.fromkeys(("*", "/", "%"), Infix(9)),
        "**": Infix(10),
    },
    prefix=dict.fromkeys(("-", "!", "~"), 11),
)
_OPERATORS: Final = frozenset((Kind.MODIFIER, Kind.COMPARATOR, Kind.LOGICAL, Kind.TERNARY, Kind.SEPARATOR))
_LITERALS: Final = frozenset((Kind.NUMBER, Kind.STRING, Kind.PATTERN, Kind.BOOLEAN, Kind.TIME))


class Reading(Parser):
    """Tokens to a tree."""

    grammar = GRAMMAR

    def all(self) -> Node:
        """The whole expression. What follows without an operator is left, as govaluate leaves it."""
        return self.expression()

    def is_operator(self, token: Token) -> bool:
        """By its kind: a string `"+"` is none."""
        return token.kind in _OPERATORS

    def primary(self) -> Node:
        """A literal, a parameter, a parenthesis, or one of them after a prefix."""
        token = self.token
        if token.kind is Kind.CLOSE:  # `(a + )`: nothing, which counts as nil
            return Missing(token.offset)
        self.advance()
        if token.kind in _LITERALS:
            return Literal(token.offset, token.value)
        if token.kind is Kind.NAME:
            return Name(token.offset, token.value)
        if token.kind is Kind.PREFIX:
            return Unary(token.offset, token.value, self.expression(self.grammar.prefix[token.value]))
        if token.kind is Kind.OPEN:
            inner = self.expression()
            self.advance()  # whatever stands here: the parenthesis that closes, or a word that govaluate loses
            return inner
        if token.kind is Kind.ACCESSOR:
            arguments = [self.expression()] if self.token.kind is Kind.OPEN else []
            return Call(token.offset, Name(token.offset, ".".join(token.value)), arguments)
        raise self.unexpected(token)

    def joined(self, left: Node, token: Token, operator: Infix, previous: str) -> Node:
        """As in every dialect; two literals are joined now, if they can be."""
        node = super().joined(left, token, operator, previous)
        operation = INFIXES.get(token.value)
        if operation and isinstance(node, Binary) and isinstance(node.left, Literal) and isinstance(node.right, Literal):
            try:
                return Literal(node.offset, operation(Frame({}), node.left.value, node.right.value))
            except Fault:
                return node  # an error only where it is evaluated
        return node
