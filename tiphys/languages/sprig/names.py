"""`snakecase` and `kebabcase`: a name cut into words as `huandu/xstrings` cuts it.

A word is a run of one class: capitals, letters, digits, punctuation, connectors, anything else. `HTTPServer` is two words, for the last
of several capitals belongs to the letters after it. A number belongs to the word before it, unless small letters follow: `http2xx` is
`http_2xx`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from tiphys.languages.golang.values import Function
from tiphys.languages.sprig.bounds import check_characters, well_formed
from tiphys.languages.sprig.cases import connects, is_upper, lower

__all__ = ["FUNCTIONS"]

_NONE, _NUMBER, _CAPITALS, _LETTERS, _CONNECTOR, _PUNCTUATION, _OTHER = range(7)
_BAD: Final = "�"


def _is_bad(char: str) -> bool:
    return char == _BAD or "\ud800" <= char <= "\udfff"


def _is_letter(char: str) -> bool:
    """A letter that may be part of a word of letters: those of Chinese, Japanese and Korean are not."""
    if unicodedata.category(char)[0] != "L":
        return False
    return not ("一" <= char <= "鿌" or "㐀" <= char <= "䶅" or "𠀀" <= char <= "𫠝")


def _is_number(char: str) -> bool:
    return unicodedata.category(char)[0] == "N"


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char)[0] == "P"


def _is_small(char: str) -> bool:
    return _is_letter(char) and not is_upper(char)


def _is_other(char: str) -> bool:
    return not (connects(char) or _is_letter(char) or _is_number(char) or _is_punctuation(char))


_RUNS: Final[tuple[tuple[int, Callable[[str], bool], Callable[[str], bool]], ...]] = (
    (_CONNECTOR, connects, connects),
    (_PUNCTUATION, _is_punctuation, _is_punctuation),
    (_LETTERS, _is_letter, _is_small),
    (_NUMBER, _is_number, _is_number),
    (_OTHER, lambda _char: True, _is_other),
)


class _Words:
    """The words of a text from left to right: `kind` and `word` are the one that was read last."""

    __slots__ = ("_at", "_text", "kind", "word")

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind, self.word = _NONE, ""

    @property
    def left(self) -> bool:
        """Whether there is more to read."""
        return self._at < len(self._text)

    def read(self) -> None:
        """The next word; one of no class at the end of the text, and where nothing valid is left of it."""
        start = self._at
        char, at = self._next(start, _BAD)
        if _is_bad(char):
            self.kind, self._at = _NONE, at
        elif not connects(char) and not _is_punctuation(char) and is_upper(char):
            self.kind, self._at = _CAPITALS, self._capitals(char, at)
        else:
            self.kind, _, continues = next(run for run in _RUNS if run[1](char))
            self._at = self._run(char, at, continues)
        self.word = self._text[start : self._at]

    def _next(self, at: int, before: str) -> tuple[str, int]:
        """The next character that is valid, and where it ends; at the end of the text the one before."""
        while at < len(self._text):
            char = self._text[at]
            at += 1
            if not _is_bad(char):
                return char, at
        return before, at

    def _run(self, char: str, at: int, continues: Callable[[str], bool]) -> int:
        while at < len(self._text):
            char, end = self._next(at, char)
            if not continues(char):
                break
            at = end
        return at

    def _capitals(self, char: str, at: int) -> int:
        if at >= len(self._text):
            return at
        char, end = self._next(at, char)
        if not is_upper(char):
            return self._run(char, end, _is_small) if _is_letter(char) else at
        last, at = at, end
        while at < len(self._text):
            char, end = self._next(at, char)
            if not is_upper(char):
                break
            last, at = at, end
        return last if at < len(self._text) and _is_letter(char) else at


def _small(kind: int, word: str, connector: str) -> str:
    if kind == _CAPITALS:
        return "".join(lower(char) if is_upper(char) else well_formed(char) for char in word)
    if kind == _CONNECTOR:
        return "".join(connector if connects(char) else _BAD for char in word)
    return word


def _joined(text: str, connector: str) -> str:
    """The words of a text in small letters, with `connector` between them."""
    check_characters("snakecase", text)
    words = _Words(text)
    parts: list[str] = []

    def write(kind: int, word: str) -> None:
        parts.append(_small(kind, word, connector))

    def divide() -> None:
        if words.kind not in (_CONNECTOR, _PUNCTUATION):
            parts.append(connector)

    def rest_of_number() -> None:
        while words.kind in (_LETTERS, _NUMBER):
            write(words.kind, words.word)
            words.read()
        if words.kind != _NONE:
            divide()

    words.read()
    while words.left:
        kind, word = words.kind, words.word
        if kind != _CONNECTOR:
            write(kind, word)
        words.read()
        if kind == _NUMBER:
            rest_of_number()
        elif kind == _CONNECTOR:
            write(kind, word)
        elif kind != _PUNCTUATION:
            if words.kind != _NUMBER:
                divide()
            elif words.left:
                number = words.word
                words.read()
                if words.kind != _LETTERS:
                    write(_NUMBER, number)
                    divide()
                else:
                    parts.append(connector)
                    write(_NUMBER, number)
                    rest_of_number()
    write(words.kind, words.word)
    return "".join(parts)


def _snakecase(text: str) -> str:
    return _joined(text, "_")


def _kebabcase(text: str) -> str:
    return _joined(text, "-")


FUNCTIONS: Final = (
    Function("snakecase", ("string",), _snakecase, "string"),
    Function("kebabcase", ("string",), _kebabcase, "string"),
)
