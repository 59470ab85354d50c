"""expr's lexer (antonmedv/expr 1.15.5, `parser/lexer`)."""

from __future__ import annotations

import re
from typing import Final

from tiphys.languages.expression.frame import Fault
from tiphys.languages.expression.tokens import END, Kind, Reader, Token, is_digit, is_letter, is_space

__all__ = ["is_identifier", "lex"]

_WORDS: Final = frozenset(("not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let"))
_AFTER_NOT: Final = frozenset(("in", "matches", "contains", "startsWith", "endsWith"))
_COMMENT: Final = re.compile(r"//[^\n]*\n?|/\*.*?\*/", re.DOTALL)
_NUMBER: Final = re.compile(
    r"0[xX][0-9a-fA-F_]*(?:\.(?!\.)[0-9a-fA-F_]*)?(?:[eE][+-]?[0-9a-fA-F_]*)?"
    r"|0[oO][0-7_]*(?:\.(?!\.)[0-7_]*)?(?:[eE][+-]?[0-7_]*)?"
    r"|0[bB][01_]*(?:\.(?!\.)[01_]*)?(?:[eE][+-]?[01_]*)?"
    r"|[0-9_]*(?:\.(?!\.)[0-9_]*)?(?:[eE][+-]?[0-9_]*)?"
)
_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_CONTROL: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MAX_RUNE: Final = 0x10FFFF


def lex(text: str) -> list[Token]:
    """The tokens of an expression; the last is of kind `END`. Raises `Fault`."""
    return _Lexer(text).tokens()


def is_identifier(word: str) -> bool:
    """Whether a text can name a property after a dot."""
    return bool(word) and not is_digit(word[0]) and all(map(_is_alphanumeric, word))


def _is_alphanumeric(character: str) -> bool:
    return character in ("_", "$") or is_letter(character) or is_digit(character)


class _Lexer:
    def __init__(self, text: str) -> None:
        self.reader = Reader(text)
        self.found: list[Token] = []

    def tokens(self) -> list[Token]:
        reader = self.reader
        while True:
            reader.run(is_space)
            start = reader.at
            character = reader.peek()
            if character == END:
                self._emit(Kind.END, None, start)
                return self.found
            if character in "'\"":
                self._emit(Kind.STRING, self._string(start), start)
            elif "0" <= character <= "9":
                self._emit(Kind.NUMBER, self._number(start), start)
            elif character == "/":
                self._slash(start)
            elif character in "([{)]}":
                self._emit(Kind.BRACKET, reader.read(), start)
            elif character == "#":
                self._pointer(start)
            elif character == ".":
                self._dot(start)
            elif _is_alphanumeric(character):
                self._word(start)
            else:
                self._emit(Kind.OPERATOR, self._symbol(start), start)

    def _emit(self, kind: Kind, value: str | None, start: int) -> None:
        self.found.append(Token(kind, value, start))

    def _symbol(self, start: int) -> str:
        reader = self.reader
        character = reader.read()
        if character == "?":
            reader.accept(".?")
        elif character == "|":
            reader.accept("|")
        elif character in "&!=*<>":
            reader.accept("&=*")
        elif character not in ",:;%+-^":
            raise Fault(f"{character!r} has no meaning", "put text into quotes", start)
        return reader.text[start : reader.at]

    def _slash(self, start: int) -> None:
        reader = self.reader
        comment = _COMMENT.match(reader.text, start)
        if comment is not None:
            reader.at = comment.end()
        elif reader.text.startswith("/*", start):
            raise Fault("the comment is not closed", "end it with */", start)
        else:
            self._emit(Kind.OPERATOR, reader.read(), start)

    def _dot(self, start: int) -> None:
        reader = self.reader
        reader.read()
        following = reader.peek()
        if following != END and following in "0123456789":
            reader.at = start
            self._emit(Kind.NUMBER, self._number(start), start)
        else:
            reader.accept(".")
            self._emit(Kind.OPERATOR, reader.text[start : reader.at], start)

    def _pointer(self, start: int) -> None:
        reader = self.reader
        reader.read()
        reader.accept("#")
        self._emit(Kind.OPERATOR, reader.text[start : reader.at], start)
        start = reader.at
        if name := reader.run(_is_alphanumeric):
            self._emit(Kind.NAME, name, start)

    def _word(self, start: int) -> None:
        reader = self.reader
        word = reader.run(_is_alphanumeric)
        self._emit(Kind.OPERATOR if word in _WORDS else Kind.NAME, word, start)
        if word == "not":
            reader.run(lambda character: character == " ")
            start = reader.at
            following = reader.run(_is_alphanumeric)
            if following in _AFTER_NOT:
                self._emit(Kind.OPERATOR, following, start)
            else:
                reader.at = start

    def _number(self, start: int) -> str:
        reader = self.reader
        match = _NUMBER.match(reader.text, start)
        reader.at = match.end() if match else start
        following = reader.peek()
        if following != END and _is_alphanumeric(following):
            raise Fault(
                f"{reader.text[start : reader.at + 1]} is no number", "put a name into quotes, or begin it with a letter", start
            )
        return reader.text[start : reader.at]

    def _string(self, start: int) -> str:
        reader = self.reader
        quote = reader.read()
        parts: list[str] = []
        while True:
            parts.append(reader.run(lambda character: character not in (quote, "\\", "\n")).replace("\r", "\n"))
            character = reader.peek()
            if character == quote:
                reader.read()
                return "".join(parts)
            if character != "\\":
                raise Fault("the string is not closed", f"end it with {quote}, and write a line break as \\n", start)
            parts.append(self._escape(quote))

    def _escape(self, quote: str) -> str:
        reader = self.reader
        match = _ESCAPE.match(reader.text, reader.at)
        wrong = Fault("the escape in a string is none", "write \\\\ for a backslash", reader.at)
        if match is None:
            raise wrong
        short, octal, *hexadecimal = match.groups()
        reader.at = match.end()
        if short is not None:
            if short in "'\"" and short != quote:
                raise wrong
            return _CONTROL.get(short, short)
        code = int(octal, 8) if octal else int(next(digits for digits in hexadecimal if digits), 16)
        if code > (0o377 if octal else _MAX_RUNE):
            raise wrong
        return "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)
