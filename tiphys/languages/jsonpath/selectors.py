"""From a token's text to what it does."""

from __future__ import annotations

import re
from typing import Any, Final

from tiphys.languages.golang.values import GoError
from tiphys.languages.jsonpath.purse import Purse
from tiphys.languages.jsonpath.scripts import compile_script
from tiphys.languages.jsonpath.steps import (
    Expression,
    Filter,
    Index,
    Key,
    Length,
    Range,
    Recursive,
    Root,
    Script,
    Step,
    Union,
    Wildcard,
)

__all__ = ["parse"]

_INTEGER: Final = re.compile("[+-]?[0-9]{1,18}")
_PLAIN: Final[dict[str, Step]] = {
    "$": Root(),
    "@": Root(current=True),
    "*": Wildcard(),
    "..": Recursive(),
    "length": Length(),
}


def parse(text: str, purse: Purse) -> Step:
    """What a token does. Raises `GoError` for one that is none."""
    token = text.strip()
    if token in _PLAIN:
        return _PLAIN[token]
    if not token.startswith("["):
        if not token:
            raise GoError("jsonpath: a token is empty")
        return Key(token)
    inner = token[1:-1].strip()
    if not token.endswith("]") or not inner:
        raise _invalid(token)
    if inner == "*":
        return Wildcard()
    if inner.startswith("?"):
        if not (inner.startswith("?(") and inner.endswith(")")):
            raise _invalid(token)
        expression = inner[2:-1].strip()
        return Filter(expression, compile_script(expression, purse, parse))
    return _subscript(token, _Arguments(token, inner).all(), purse)


def _invalid(token: str) -> GoError:
    return GoError(f"jsonpath: {token[:50]!r} is no token")


def _is_script(text: str) -> bool:
    return len(text) > 2 and text.startswith("(") and text.endswith(")")


def _is_key(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


def _number_or_text(text: str) -> int | str:
    return int(text) if _INTEGER.fullmatch(text) else text


class _Arguments:
    """Reads what stands between the brackets: keys, numbers, scripts, `,` and `:`; `None` for a slice that begins with its colon."""

    def __init__(self, token: str, inner: str) -> None:
        self.token, self.inner = token, inner
        self.found: list[Any] = []
        self.buffer = ""
        self.depth = 0
        self.quote = ""

    def all(self) -> list[Any]:
        """The arguments in order."""
        for position, character in enumerate(self.inner):
            self.buffer += character
            if character == " ":
                if not self.quote and not self.depth:
                    self.buffer = self.buffer.strip()
            elif character in "()":
                self._parenthesis(character)
            elif character in "'\"":
                self._quote(character)
            elif character in ":," and not self.quote and not self.depth:
                self._separator(character, position)
        if self.buffer:
            self.found.append(_number_or_text(self.buffer))
        return self.found

    def _parenthesis(self, character: str) -> None:
        if character == "(":
            self.depth += not self.quote
            return
        self.depth -= 1
        if not self.depth:
            if not _is_script(self.buffer):
                raise _invalid(self.token)
            self.found.append(self.buffer)
            self.buffer = ""

    def _quote(self, character: str) -> None:
        if (self.quote and self.quote != character) or self.depth:
            return
        if len(self.buffer) > 1 and self.buffer[-2] == "\\":
            self.buffer = self.buffer[:-2] + character
        elif not self.quote:
            self.quote = character
            if self.buffer != character:
                raise _invalid(self.token)
        else:
            self.quote = ""
            if not _is_key(self.buffer):
                raise _invalid(self.token)
            self.found.append(self.buffer)
            self.buffer = ""

    def _separator(self, character: str, position: int) -> None:
        argument = self.buffer[:-1]
        if argument:
            value = _number_or_text(argument)
            if character == ":" and isinstance(value, str):
                raise _invalid(self.token)
            self.found.append(value)
        elif character == ":" and not position:
            self.found.append(None)
        self.found.append(character)
        self.buffer = ""


def _subscript(token: str, arguments: list[Any], purse: Purse) -> Step:
    if len(arguments) == 1:
        return _single(token, arguments[0], purse)
    colons = commas = 0
    after_colon = False
    values: list[Any] = []
    for argument in arguments:
        if argument == ":":
            colons += 1
            if after_colon:
                values.append(None)
            after_colon = True
            continue
        if argument == ",":
            commas += 1
        else:
            values.append(argument)
        after_colon = False
    if commas and not colons and commas < len(values):
        return Union(tuple(_part(token, value, purse) for value in values))
    if colons and not commas and colons <= 2:
        return _range(values, colons, purse)
    raise _invalid(token)


def _single(token: str, argument: Any, purse: Purse) -> Step:
    if isinstance(argument, int):
        return Index(argument)
    if isinstance(argument, str):
        if _is_key(argument):
            return Key(argument[1:-1])
        if _is_script(argument):
            return Script(argument[1:-1], compile_script(argument[1:-1], purse, parse))
    raise _invalid(token)


def _expression(text: str, purse: Purse) -> Expression:
    if not _is_script(text):
        raise GoError(f"jsonpath: {text[:50]!r} is no expression")
    return Expression(text[1:-1], compile_script(text[1:-1], purse, parse))


def _part(token: str, value: Any, purse: Purse) -> Any:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        if _is_script(value):
            return _expression(value, purse)
        if _is_key(value):
            return value[1:-1]
    raise _invalid(token)


def _range(values: list[Any], colons: int, purse: Purse) -> Step:
    if colons == 1 and len(values) == 1:
        values.append(None)
    if len(values) < 2:
        raise GoError("jsonpath: a slice has two bounds")
    bounds = [_expression(value, purse) if isinstance(value, str) else value for value in [*values, None][:3]]
    return Range(*bounds)
