"""The words of a template, as `text/template/parse` cuts them: text outside of `{{ }}`, and what stands within.

An error is a token as well, the last one: the parser reports it if it gets that far.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

__all__ = ["Kind", "Token", "lex"]


class Kind(Enum):
    """What a token is. Keywords have kinds of their own."""

    ERROR = auto()
    END_OF_TEXT = auto()
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    BOOL = auto()
    CHAR = auto()
    CHAR_CONSTANT = auto()
    COMPLEX = auto()
    NUMBER = auto()
    STRING = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    LEFT_PAREN = auto()
    RIGHT_PAREN = auto()
    FIELD = auto()
    VARIABLE = auto()
    IDENTIFIER = auto()
    DOT = auto()
    NIL = auto()
    BLOCK = auto()
    BREAK = auto()
    CONTINUE = auto()
    DEFINE = auto()
    ELSE = auto()
    END = auto()
    IF = auto()
    RANGE = auto()
    TEMPLATE = auto()
    WITH = auto()


class Token(NamedTuple):
    """`text` as written; of an error what is wrong. `offset` in characters."""

    kind: Kind
    offset: int
    text: str

    def __str__(self) -> str:
        if self.kind is Kind.END_OF_TEXT:
            return "the end of the template"
        if self.kind is Kind.ERROR:
            return self.text
        return f"{self.text[:20]!r}"


_WORDS: Final = {
    kind.name.lower(): kind
    for kind in (
        Kind.BLOCK, Kind.BREAK, Kind.CONTINUE, Kind.DEFINE, Kind.ELSE, Kind.END, Kind.IF, Kind.NIL, Kind.RANGE, Kind.TEMPLATE, Kind.WITH,
    )
} | {"true": Kind.BOOL, "false": Kind.BOOL}  # fmt: skip
_SPACES: Final = " \t\r\n"
_LEFT_TRIM: Final = re.compile(r"-[ \t\r\n]")
_RIGHT: Final = re.compile(r"(?:[ \t\r\n]+-|[ \t\r\n]*)\}\}")
_COMMENT_END: Final = re.compile(r"([ \t\r\n]-)?\}\}")
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NUMBER: Final = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_QUOTED: Final = {
    '"': (re.compile(r'"(?:\\[^\n]|[^"\\\n])*"'), Kind.STRING, "unterminated quoted string"),
    "`": (re.compile(r"`[^`]*`"), Kind.STRING, "unterminated raw quoted string"),
    "'": (re.compile(r"'(?:\\[^\n]|[^'\\\n])*'"), Kind.CHAR_CONSTANT, "unterminated character constant"),
}
_SIGNS: Final = {"=": Kind.ASSIGN, "|": Kind.PIPE, "(": Kind.LEFT_PAREN, ")": Kind.RIGHT_PAREN}


def lex(text: str) -> list[Token]:
    """The tokens of a template; the last one is `END_OF_TEXT` or `ERROR`."""
    lexer = _Lexer(text)
    lexer.run()
    return lexer.tokens


def _alphanumeric(character: str) -> bool:
    return character == "_" or character.isalpha() or character.isdecimal()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._depth = 0
        self.tokens: list[Token] = []

    def run(self) -> None:
        text = self._text
        while (left := text.find("{{", self._at)) >= 0:
            trim = 2 if _LEFT_TRIM.match(text, left + 2) else 0
            before = text[self._at : left].rstrip(_SPACES) if trim else text[self._at : left]
            if before:
                self._emit(Kind.TEXT, before, self._at)
            self._at = left + 2 + trim
            if text.startswith("/*", self._at):
                if not self._comment():
                    return
                continue
            self._emit(Kind.LEFT, "{{", left)
            self._depth = 0
            while not self._right():
                if not self._word():
                    return
        if self._at < len(text):
            self._emit(Kind.TEXT, text[self._at :], self._at)
        self._emit(Kind.END_OF_TEXT, "", len(text))

    def _emit(self, kind: Kind, text: str, offset: int) -> bool:
        self.tokens.append(Token(kind, offset, text))
        return True

    def _fail(self, problem: str) -> bool:
        self._emit(Kind.ERROR, problem, self._at)
        return False

    def _comment(self) -> bool:
        end = self._text.find("*/", self._at + 2)
        if end < 0:
            return self._fail("unclosed comment")
        match = _COMMENT_END.match(self._text, end + 2)
        if match is None:
            return self._fail("comment ends before closing delimiter")
        self._at = match.end()
        if match.group(1):
            self._skip_space()
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _right(self) -> bool:
        """Whether the action ends here; its delimiter is taken, with the space after it where it trims. Not within parentheses."""
        match = _RIGHT.match(self._text, self._at)
        if match is None or self._depth:
            return False
        self._at = match.end()
        self._emit(Kind.RIGHT, "}}", self._at - 2)
        if match.group().endswith("-}}"):
            self._skip_space()
        return True

    def _word(self) -> bool:
        """The next token of an action; false after an error."""
        text, at = self._text, self._at
        character = text[at : at + 1]
        if not character:
            return self._fail("unclosed action")
        if character in _SPACES and (match := _SPACE.match(text, at)):
            self._at = match.end()
            return self._emit(Kind.SPACE, match.group(), at)
        if self._depth and _RIGHT.match(text, at):
            return self._fail("unclosed left paren")
        if character in _QUOTED:
            return self._quoted(character)
        if character == ":":
            if text[at + 1 : at + 2] != "=":
                return self._fail("expected :=")
            self._at = at + 2
            return self._emit(Kind.DECLARE, ":=", at)
        if character in _SIGNS:
            return self._sign(character)
        if character == "$" or (character == "." and not "0" <= text[at + 1 : at + 2] <= "9"):
            return self._name(Kind.VARIABLE if character == "$" else Kind.FIELD)
        if character in "+-.0123456789":
            return self._number()
        if _alphanumeric(character):
            return self._identifier()
        self._at = at + 1
        if character.isascii() and character.isprintable():
            return self._emit(Kind.CHAR, character, at)
        self._at = at
        return self._fail(f"unrecognized character in action: {character!r}")

    def _quoted(self, mark: str) -> bool:
        pattern, kind, problem = _QUOTED[mark]
        match = pattern.match(self._text, self._at)
        if match is None:
            return self._fail(problem)
        self._emit(kind, match.group(), self._at)
        self._at = match.end()
        return True

    def _sign(self, character: str) -> bool:
        self._depth += (character == "(") - (character == ")")
        if self._depth < 0:
            return self._fail("unexpected right paren")
        self._at += 1
        return self._emit(_SIGNS[character], character, self._at - 1)

    def _run(self, at: int) -> int:
        """Where the run of letters and digits that begins at `at` ends."""
        while at < len(self._text) and _alphanumeric(self._text[at]):
            at += 1
        return at

    def _ends_word(self, at: int) -> bool:
        character = self._text[at : at + 1]
        return not character or character in " \t\r\n.,|:)(" or self._text.startswith("}}", at)

    def _name(self, kind: Kind) -> bool:
        """`.name`, `$name`, or a `.` or `$` alone."""
        start = self._at
        end = self._run(start + 1)
        if not self._ends_word(end):
            self._at = end
            return self._fail(f"bad character {self._text[end]!r}")
        self._at = end
        if end == start + 1 and kind is Kind.FIELD:
            kind = Kind.DOT
        return self._emit(kind, self._text[start:end], start)

    def _identifier(self) -> bool:
        start, end = self._at, self._run(self._at)
        if not self._ends_word(end):
            self._at = end
            return self._fail(f"bad character {self._text[end]!r}")
        self._at = end
        word = self._text[start:end]
        return self._emit(_WORDS.get(word, Kind.IDENTIFIER), word, start)

    def _number(self) -> bool:
        start = self._at
        end = self._digits(start)
        kind = Kind.NUMBER
        if end and self._text[end : end + 1] in ("+", "-"):
            kind, end = Kind.COMPLEX, self._digits(end)
            if end and self._text[end - 1] != "i":
                end = 0
        if not end:
            return self._fail(f"bad number syntax: {self._text[start : start + 20]!r}")
        self._at = end
        return self._emit(kind, self._text[start:end], start)

    def _digits(self, at: int) -> int:
        """The end of the number at `at`, or 0 if a letter follows it."""
        match = _NUMBER.match(self._text, at)
        end = match.end() if match else at
        return 0 if _alphanumeric(self._text[end : end + 1] or " ") else end
