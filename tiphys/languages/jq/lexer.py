"""Tokens of a jq program.

A string with interpolations is one token, whose parts are texts and lists of tokens.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from tiphys.errors import ScriptError

__all__ = ["KEYWORDS", "Token", "tokens"]

KEYWORDS: Final = frozenset(
    [
        "or",
        "and",
        "module",
        "import",
        "include",
        "def",
        "as",
        "label",
        "break",
        "null",
        "true",
        "false",
        "if",
        "then",
        "elif",
        "else",
        "end",
        "try",
        "catch",
        "reduce",
        "foreach",
    ]
)

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#(?:\\(?:\\|\r?\n)?|[^\\\r\n])*)+")
_NUMBER: Final = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)?")
_FIELD: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)")
_VARIABLE: Final = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)?")
_FORMAT: Final = re.compile(r"@[A-Za-z0-9_]+")
_OPERATOR: Final = re.compile(r"\?//|\|=|\+=|-=|\*=|//=|/=|%=|==|!=|<=|>=|//|\.\.|[.|,+\-*/%=<>()\[\]{}:;?]")
_ESCAPE: Final = re.compile(r'\\(?:["/\\bfnrt]|u[0-9a-fA-F]{4})')
_PLAIN: Final = re.compile(r'[^"\\]+')


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `number`, `name`, `keyword`, `field`, `variable`, `format`, `string`, `end`, or an operator itself."""

    kind: str
    text: str
    offset: int
    parts: tuple[str | tuple[Token, ...], ...] = ()


def tokens(text: str) -> list[Token]:
    """All of them, `end` last. Raises `ScriptError` with the offset."""
    found, at = _scan(text, 0, nested=False)
    found.append(Token("end", "", at))
    return found


def _scan(text: str, at: int, *, nested: bool) -> tuple[list[Token], int]:
    """Up to the end, or to the parenthesis that closes an interpolation."""
    found: list[Token] = []
    depth = 0
    while True:
        if blank := _BLANK.match(text, at):
            at = blank.end()
        if at == len(text):
            if nested:
                raise ScriptError(text, "a string is not closed", offset=at)
            return found, at
        if text[at] == '"':
            token, at = _string(text, at)
            found.append(token)
            continue
        if nested and text[at] == ")" and depth == 0:
            return found, at
        token = _simple(text, at)
        depth += (token.kind == "(") - (token.kind == ")")
        found.append(token)
        at += len(token.text) + (token.kind == "field")


def _simple(text: str, at: int) -> Token:
    if name := _NAME.match(text, at):
        return Token("keyword" if name[0] in KEYWORDS else "name", name[0], at)
    if number := _NUMBER.match(text, at):
        after = text[number.end() : number.end() + 1]
        if after.isascii() and (after.isalpha() or after in ("_", ".")) and after:
            raise ScriptError(text, f"{number[0] + after!r} is no number", offset=at)
        return Token("number", number[0], at)
    if field := _FIELD.match(text, at):
        return Token("field", field[1], at)
    if variable := _VARIABLE.match(text, at):
        return Token("variable", variable[0], at)
    if form := _FORMAT.match(text, at):
        return Token("format", form[0], at)
    if operator := _OPERATOR.match(text, at):
        return Token(operator[0], operator[0], at)
    raise ScriptError(text, f"{text[at]!r} is not part of the language", offset=at)


def _string(text: str, start: int) -> tuple[Token, int]:
    parts: list[str | tuple[Token, ...]] = []
    literal: list[str] = []
    at = start + 1
    while True:
        if plain := _PLAIN.match(text, at):
            literal.append(_control(plain[0]))
            at = plain.end()
        if at >= len(text):
            raise ScriptError(text, "a string is not closed", offset=start)
        if text[at] == '"':
            parts.append(_decoded(literal))
            return Token("string", "", start, tuple(parts)), at + 1
        if text.startswith("\\(", at):
            parts.append(_decoded(literal))
            literal = []
            inner, end = _scan(text, at + 2, nested=True)
            parts.append((*inner, Token("end", "", end)))
            at = end + 1
        elif escape := _ESCAPE.match(text, at):
            literal.append(escape[0])
            at = escape.end()
        else:
            raise ScriptError(text, f"{text[at : at + 2]!r} is no escape", "write a backslash twice", offset=at)


def _control(plain: str) -> str:
    return plain if plain.isprintable() else json.dumps(plain, ensure_ascii=False)[1:-1]


def _decoded(literal: list[str]) -> str:
    value: str = json.loads(f'"{"".join(literal)}"')
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
