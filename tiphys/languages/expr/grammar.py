"""expr's grammar (antonmedv/expr 1.15.5, `parser`), with what its parser does beyond what its documentation says.

`a + b not in c` is `a + b in c`: the operand of `+` has taken the `not` away. A literal has no members: `"abc"[0]` is no expression.
"""

from __future__ import annotations

from typing import Final

from tiphys.languages.expr.lexer import is_identifier
from tiphys.languages.expr.names import BUILTINS, PREDICATES
from tiphys.languages.expression.frame import MAX_DEPTH, Fault
from tiphys.languages.expression.nodes import (
    Array,
    Block,
    Builtin,
    Call,
    Chain,
    Conditional,
    Let,
    Literal,
    MapLiteral,
    Member,
    Name,
    Node,
    Pointer,
    Slice,
    Unary,
)
from tiphys.languages.expression.pratt import Grammar, Infix, Parser
from tiphys.languages.expression.tokens import Kind, Token
from tiphys.languages.expression.values import Int
from tiphys.languages.gonumber import parse_float

__all__ = ["GRAMMAR", "Reading"]

GRAMMAR: Final = Grammar(
    infix={
        "|": Infix(0),
        **dict.fromkeys(("or", "||"), Infix(10, chain="or")),
        **dict.fromkeys(("and", "&&"), Infix(15, chain="and")),
        **dict.fromkeys(("==", "!=", "<", ">", ">=", "<=", "in", "matches", "contains", "startsWith", "endsWith"), Infix(20)),
        "..": Infix(25),
        **dict.fromkeys(("+", "-"), Infix(30)),
        **dict.fromkeys(("*", "/", "%"), Infix(60)),
        **dict.fromkeys(("**", "^"), Infix(100, right=True)),
        "??": Infix(500),
    },
    prefix={"not": 50, "!": 50, "-": 90, "+": 90},
)
_CONSTANTS: Final = {"true": True, "false": False, "nil": None}
_REMEDIES: Final = {
    "=": "compare with ==",
    "xor": "write a != b",
    "AND": "write and, or &&",
    "OR": "write or, or ||",
    "NOT": "write not, or !",
    "null": "write nil",
}


class Reading(Parser):
    """Tokens to a tree."""

    grammar = GRAMMAR

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.loops = 0
        self._negated: Token | None = None

    def all(self) -> Node:
        """The whole expression."""
        node = self.expression()
        if self.token.kind is not Kind.END:
            raise self._unexpected()
        return node

    def expression(self, power: int = 0) -> Node:
        """An expression; at power 0 it can be a `let` and have a `? :`."""
        if power or self.token.kind is not Kind.OPERATOR or self.token.value != "let":
            node = super().expression(power)
            return node if power else self._conditional(node)
        return self._let()

    def _let(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Fault("is nested too deeply", "split it into several expressions", self.token.offset)
        self.advance()
        name = self._expect_kind(Kind.NAME)
        self._expect("=")
        value = self.expression()
        self._expect(";")
        body = self.expression()
        self.depth -= 1
        return Let(name.offset, name.value, value, body)

    def _conditional(self, node: Node) -> Node:
        while self._is("?"):
            token = self.advance()
            if self._is(":"):
                self.advance()
                node = Conditional(token.offset, node, node, self.expression())
            else:
                yes = self.expression()
                self._expect(":")
                node = Conditional(token.offset, node, yes, self.expression())
        return node

    # -- operators

    def infix(self, power: int) -> tuple[Token, Infix] | None:
        """The operator here; a `not` before it is passed, whether or not it turns out to belong to it."""
        self._negated = None
        if self._is("not"):
            self.advance()
            self._negated = token = self.token
            operator = self.grammar.infix.get(token.value) if isinstance(token.value, str) else None
            return (token, operator) if operator is not None and operator.power >= power else None
        return super().infix(power)

    def joined(self, left: Node, token: Token, operator: Infix, previous: str) -> Node:
        """The operator with its right operand; a pipe with its function."""
        negated = self._negated
        if token.value == "|":
            return self._pipe(left)
        if previous == "??" and token.value != "??":
            raise Fault(f"{token.value} and ?? cannot be mixed", "put one of them into parentheses", token.offset)
        node = super().joined(left, token, operator, previous)
        return Unary(negated.offset, "not", node) if negated else node

    def _pipe(self, left: Node) -> Node:
        token = self._expect_kind(Kind.NAME)
        if token.value in PREDICATES:
            self._expect("(")
            return self._predicate(token, [left])
        if token.value in BUILTINS:
            return Builtin(token.offset, token.value, [left, *self._arguments()])
        return Call(token.offset, Name(token.offset, token.value), [left, *self._arguments()])

    # -- operands

    def primary(self) -> Node:
        """An operand, with what follows it closely."""
        token = self.token
        if token.kind is Kind.OPERATOR:
            if token.value in self.grammar.prefix:
                self.advance()
                return self._postfix(Unary(token.offset, token.value, self.expression(self.grammar.prefix[token.value])))
            if token.value in ("#", "."):
                return self._pointer(token)
        if self._is_bracket("("):
            self.advance()
            inner = self.expression()
            self._expect(")")
            return self._postfix(inner)
        return self._secondary(token)

    def _pointer(self, token: Token) -> Node:
        if not self.loops:
            raise Fault(
                f"{token.value} stands outside of a predicate",
                "it is the element of all, none, any, one, filter, map, count, find, groupBy and reduce",
                token.offset,
            )
        name = ""
        if token.value == "#":
            self.advance()
            if self.token.kind is Kind.NAME:
                name = self.advance().value
        return self._postfix(Pointer(token.offset, name))

    def _secondary(self, token: Token) -> Node:
        if token.kind is Kind.NAME:
            self.advance()
            if token.value in _CONSTANTS:
                return Literal(token.offset, _CONSTANTS[token.value])
            return self._postfix(self._named(token))
        if token.kind is Kind.NUMBER:
            self.advance()
            return Literal(token.offset, _number(token))
        if token.kind is Kind.STRING:
            self.advance()
            return Literal(token.offset, token.value)
        if self._is_bracket("["):
            return self._postfix(self._array(token))
        if self._is_bracket("{"):
            return self._postfix(self._map(token))
        raise self._unexpected()

    def _named(self, token: Token) -> Node:
        if not self._is_bracket("("):
            return Name(token.offset, token.value)
        if token.value in PREDICATES:
            self.advance()
            collection = self.expression()
            self._expect(",")
            return self._predicate(token, [collection])
        if token.value in BUILTINS:
            return Builtin(token.offset, token.value, self._arguments())
        return Call(token.offset, Name(token.offset, token.value), self._arguments())

    def _predicate(self, token: Token, arguments: list[Node]) -> Node:
        """The rest of a loop, after its collection."""
        arguments.append(self._block())
        if token.value == "reduce" and self._is(","):
            self.advance()
            arguments.append(self.expression())
        self._expect(")")
        return Builtin(token.offset, token.value, arguments)

    def _block(self) -> Node:
        token = self.token
        braced = self._is_bracket("{")
        if braced:
            self.advance()
        self.loops += 1
        body = self.expression()
        self.loops -= 1
        if braced:
            self._expect("}")
        return Block(token.offset, body)

    def _array(self, token: Token) -> Node:
        self.advance()
        items: list[Node] = []
        while not self._is_bracket("]"):
            if items:
                self._expect(",")
                if self._is_bracket("]"):
                    break
            items.append(self.expression())
        self.advance()
        return Array(token.offset, items)

    def _map(self, token: Token) -> Node:
        self.advance()
        pairs: list[Node] = []
        while not self._is_bracket("}"):
            if pairs:
                self._expect(",")
                if self._is_bracket("}"):
                    break
            pairs.append(self._key())
            self._expect(":")
            pairs.append(self.expression())
        self.advance()
        return MapLiteral(token.offset, pairs)

    def _key(self) -> Node:
        token = self.token
        if token.kind in (Kind.NUMBER, Kind.STRING, Kind.NAME):
            self.advance()
            return Literal(token.offset, token.value)
        if self._is_bracket("("):
            return self.expression()
        raise self._unexpected("a key is a name, a string, a number, or an expression in parentheses")

    def _postfix(self, node: Node) -> Node:
        """Members, calls of methods, indices and slices."""
        while True:
            token = self.token
            if token.kind is Kind.OPERATOR and token.value in (".", "?."):
                self.advance()
                node = self._member(node, optional=token.value == "?.")
            elif self._is_bracket("["):
                self.advance()
                node = self._index(node, token)
            else:
                return node

    def _member(self, node: Node, *, optional: bool) -> Node:
        token = self.token
        if token.kind is not Kind.NAME and not (token.kind is Kind.OPERATOR and is_identifier(token.value)):
            raise self._unexpected('a dot is followed by a name; other keys are written ["key"]')
        self.advance()
        chained = isinstance(node, Chain)
        base = node.inner if isinstance(node, Chain) else node
        member: Node = Member(token.offset, base, Literal(token.offset, token.value), optional)
        if self._is_bracket("("):
            member = Call(token.offset, member, self._arguments())
        return Chain(token.offset, member) if chained or optional else member

    def _index(self, node: Node, token: Token) -> Node:
        start = None if self._is(":") else self.expression()
        if start is not None and not self._is(":"):
            self._expect("]")
            return Member(token.offset, node, start)
        self.advance()
        stop = None if self._is_bracket("]") else self.expression()
        self._expect("]")
        return Slice(token.offset, node, start, stop)

    def _arguments(self) -> list[Node]:
        self._expect("(")
        found: list[Node] = []
        while not self._is_bracket(")"):
            if found:
                self._expect(",")
            found.append(self.expression())
        self.advance()
        return found

    # -- tokens

    def _is(self, operator: str) -> bool:
        return self.token.kind is Kind.OPERATOR and bool(self.token.value == operator)

    def _is_bracket(self, bracket: str) -> bool:
        return self.token.kind is Kind.BRACKET and bool(self.token.value == bracket)

    def _expect(self, text: str) -> None:
        if self._is(text) or self._is_bracket(text):
            self.advance()
            return
        raise self._unexpected(f"here stands {text}")

    def _expect_kind(self, kind: Kind) -> Token:
        if self.token.kind is not kind:
            raise self._unexpected("here stands a name")
        return self.advance()

    def _unexpected(self, remedy: str = "") -> Fault:
        known = _REMEDIES.get(self.token.value, "") if isinstance(self.token.value, str) else ""
        return self.unexpected(remedy=known or remedy)


def _number(token: Token) -> Int | float:
    text = token.value.replace("_", "")
    try:
        if "x" in text:
            value = int(text, 16)
        elif any(mark in text for mark in ".eE"):
            return parse_float(text)
        else:
            value = int(text)
    except ValueError as error:
        raise Fault(f"{token.value} is no number", "", token.offset) from error
    if value >= 1 << 63:
        raise Fault(f"{token.value} is no integer of 64 bits", "write it as a float: 1e20", token.offset)
    return Int(value)
