"""The two operators of Lua that no library can set right.

`..` writes numbers otherwise in gopher-lua (`1e15 .. ""` is `1000000000000000`), and `#` counts past holes. Both become calls of functions
of the prelude, on the same lines as before, so that messages name the right ones. Everything else is left as it stands, and a text that is
not understood here is not changed at all: the real compiler says what is wrong with it.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PREFIX", "translated"]

_JOIN: Final = "__tiphys_join"
_LENGTH: Final = "__tiphys_length"
PREFIX: Final = f"local {_JOIN}, {_LENGTH} = ... "
"""What a translated chunk begins with: it is called with the two functions."""

_TOKEN: Final = re.compile(
    r"(?P<trivia>(?:[ \t\r\n\f\v]|--\[(?P<eq>=*)\[.*?\](?P=eq)\]|--(?!\[=*\[)[^\n]*)*)"
    r"(?P<token>(?P<name>[A-Za-z_]\w*)|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<string>\[(?P<eq2>=*)\[.*?\](?P=eq2)\]|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<operator>\.\.\.|\.\.|==|~=|<=|>=|::|[-+*/%^#<>=(){}\[\];:,.])|(?P<end>\Z))",
    re.DOTALL | re.ASCII,
)
_KEYWORDS: Final = frozenset(
    (
        *("and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not"),
        *("or", "repeat", "return", "then", "true", "until", "while"),
    )
)
_LEVELS: Final = {
    "or": (1, 1),
    "and": (2, 2),
    **dict.fromkeys(("<", ">", "<=", ">=", "~=", "=="), (3, 3)),
    "..": (5, 4),
    "+": (6, 6),
    "-": (6, 6),
    "*": (7, 7),
    "/": (7, 7),
    "%": (7, 7),
    "^": (10, 9),
}
_UNARY: Final = 8
_MANY: Final = 100


class _NotUnderstoodError(Exception):
    pass


def translated(text: str) -> str | None:
    """The chunk, or `None` where there is nothing to translate or the text is not understood."""
    if ".." not in text and "#" not in text:
        return None
    try:
        return PREFIX + _Parser(text).chunk()
    except (_NotUnderstoodError, RecursionError):
        return None


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, str]] = []
        at = 0
        while True:
            match = _TOKEN.match(text, at)
            if match is None:
                raise _NotUnderstoodError
            token = match["token"]
            kind = next(group for group in ("name", "number", "string", "operator", "end") if match[group] is not None)
            if kind == "name" and token in _KEYWORDS:
                kind = "keyword"
            self._tokens.append((kind, token, match["trivia"]))
            if kind == "end":
                break
            at = match.end()
        self._at = 0

    def chunk(self) -> str:
        found = self._block()
        if self._kind != "end":
            raise _NotUnderstoodError
        return found + self._tokens[self._at][2]

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _word(self) -> str:
        kind, token, _ = self._tokens[self._at]
        return token if kind in ("keyword", "operator") else ""

    def _take(self, wanted: str = "") -> str:
        kind, token, trivia = self._tokens[self._at]
        if kind == "end" or (wanted and self._word != wanted):
            raise _NotUnderstoodError
        self._at += 1
        return trivia + token

    def _name(self) -> str:
        if self._kind != "name":
            raise _NotUnderstoodError
        return self._take()

    def _block(self) -> str:
        found = []
        while self._kind != "end" and self._word not in ("end", "else", "elseif", "until"):
            found.append(self._statement())
        return "".join(found)

    def _statement(self) -> str:
        match self._word:
            case ";" | "break":
                return self._take()
            case "do":
                return self._take() + self._block() + self._take("end")
            case "while":
                return self._take() + self._expression() + self._take("do") + self._block() + self._take("end")
            case "repeat":
                return self._take() + self._block() + self._take("until") + self._expression()
            case "if":
                return self._conditional()
            case "for":
                return self._loop()
            case "function":
                found = self._take() + self._name()
                while self._word in (".", ":"):
                    found += self._take() + self._name()
                return found + self._body()
            case "local":
                return self._local()
            case "return":
                found = self._take()
                if self._kind != "end" and self._word not in ("end", "else", "elseif", "until", ";"):
                    found += self._list()
                return found
            case "goto":
                return self._take() + self._name()
            case "::":
                return self._take() + self._name() + self._take("::")
            case _:
                return self._assignment()

    def _conditional(self) -> str:
        found = self._take() + self._expression() + self._take("then") + self._block()
        while self._word == "elseif":
            found += self._take() + self._expression() + self._take("then") + self._block()
        if self._word == "else":
            found += self._take() + self._block()
        return found + self._take("end")

    def _loop(self) -> str:
        found = self._take() + self._names()
        found += (self._take("=") if self._word == "=" else self._take("in")) + self._list()
        return found + self._take("do") + self._block() + self._take("end")

    def _local(self) -> str:
        found = self._take()
        if self._word == "function":
            return found + self._take() + self._name() + self._body()
        found += self._names()
        return found + self._take() + self._list() if self._word == "=" else found

    def _assignment(self) -> str:
        found = self._suffixed()
        while self._word == ",":
            found += self._take() + self._suffixed()
        return found + self._take() + self._list() if self._word == "=" else found

    def _names(self) -> str:
        found = self._name()
        while self._word == ",":
            found += self._take() + self._name()
        return found

    def _list(self) -> str:
        found = self._expression()
        while self._word == ",":
            found += self._take() + self._expression()
        return found

    def _body(self) -> str:
        found = self._take("(")
        while self._word != ")":
            found += self._take() if self._word in (",", "...") else self._name()
        return found + self._take() + self._block() + self._take("end")

    def _expression(self, floor: int = 0) -> str:
        left = self._operand()
        while (levels := _LEVELS.get(self._word)) is not None and levels[0] > floor:
            if self._word != "..":
                left += self._take() + self._expression(levels[1])
                continue
            parts = [left]
            while self._word == "..":
                parts.append(self._tokens[self._at][2])
                self._at += 1
                parts.append(self._expression(5))  # only what binds closer
            if len(parts) > _MANY:
                raise _NotUnderstoodError
            joined = parts[0] + "".join(f"{trivia},{part}" for trivia, part in zip(parts[1::2], parts[2::2], strict=True))
            left = f" ({_JOIN}({joined}))"  # in parentheses it is no tail call, and an error has its line
        return left

    def _operand(self) -> str:
        if self._word in ("not", "-"):
            return self._take() + self._expression(_UNARY)
        if self._word == "#":
            trivia = self._tokens[self._at][2]
            self._at += 1
            return f"{trivia} ({_LENGTH}({self._expression(_UNARY)}))"
        if self._kind in ("number", "string") or self._word in ("nil", "true", "false", "..."):
            return self._take()
        if self._word == "{":
            return self._table()
        if self._word == "function":
            return self._take() + self._body()
        return self._suffixed()

    def _suffixed(self) -> str:
        found = self._take() + self._expression() + self._take(")") if self._word == "(" else self._name()
        while True:
            if self._word == ".":
                found += self._take() + self._name()
            elif self._word == "[":
                found += self._take() + self._expression() + self._take("]")
            elif self._word == ":":
                found += self._take() + self._name() + self._arguments()
            elif self._word in ("(", "{") or self._kind == "string":
                found += self._arguments()
            else:
                return found

    def _arguments(self) -> str:
        if self._kind == "string":
            return self._take()
        if self._word == "{":
            return self._table()
        found = self._take("(")
        if self._word != ")":
            found += self._list()
        return found + self._take(")")

    def _table(self) -> str:
        found = self._take("{")
        while self._word != "}":
            if self._word == "[":
                found += self._take() + self._expression() + self._take("]") + self._take("=") + self._expression()
            elif self._kind == "name" and self._tokens[self._at + 1][1] == "=" and self._tokens[self._at + 1][0] == "operator":
                found += self._take() + self._take() + self._expression()
            else:
                found += self._expression()
            if self._word in (",", ";"):
                found += self._take()
            elif self._word != "}":
                raise _NotUnderstoodError
        return found + self._take()
