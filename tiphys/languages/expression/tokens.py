"""Characters and tokens: what both dialects' lexers stand on."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

__all__ = ["END", "Kind", "Reader", "Token", "is_digit", "is_letter", "is_space"]

END: Final = ""
"""What is read at the end of a text."""

_SPACES: Final = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


class Kind(Enum):
    """What a token is."""

    END = auto()
    NUMBER = auto()
    STRING = auto()
    BOOLEAN = auto()
    TIME = auto()
    PATTERN = auto()
    NAME = auto()
    ACCESSOR = auto()
    PREFIX = auto()
    OPERATOR = auto()
    MODIFIER = auto()
    COMPARATOR = auto()
    LOGICAL = auto()
    TERNARY = auto()
    SEPARATOR = auto()
    OPEN = auto()
    CLOSE = auto()
    BRACKET = auto()
    START = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is a name, an operator's text, or what a literal stands for; `offset` its place in characters."""

    kind: Kind
    value: Any
    offset: int

    def shown(self) -> str:
        """As a message names it."""
        return "the end" if self.kind is Kind.END else repr(self.value)


def is_space(character: str) -> bool:
    """Go's `unicode.IsSpace`."""
    return character in _SPACES and character != END


def is_letter(character: str) -> bool:
    """Go's `unicode.IsLetter`."""
    return character.isalpha()


def is_digit(character: str) -> bool:
    """Go's `unicode.IsDigit`: decimal digits of any script."""
    return character.isdecimal() if character.isascii() else character != END and unicodedata.category(character) == "Nd"


class Reader:
    """A position in a text."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        """The next character, `END` at the end."""
        return self.text[self.at] if self.at < len(self.text) else END

    def read(self) -> str:
        """The next character, which is passed; `END` at the end."""
        character = self.peek()
        self.at += len(character)
        return character

    def accept(self, characters: str) -> bool:
        """Pass the next character if it is one of these."""
        found = self.peek()
        if found == END or found not in characters:
            return False
        self.at += 1
        return True

    def run(self, condition: Callable[[str], bool]) -> str:
        """Pass and return all that fulfils a condition."""
        start = self.at
        while (character := self.peek()) != END and condition(character):
            self.at += 1
        return self.text[start : self.at]
