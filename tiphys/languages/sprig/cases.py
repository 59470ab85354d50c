"""Upper and lower case as Go has them: one character for one (`ß` stays `ß`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from tiphys.languages.golang.values import Function
from tiphys.languages.sprig.bounds import SURROGATES, check_characters, well_formed

__all__ = ["FUNCTIONS", "SPACES", "connects", "is_space", "is_upper", "lower", "title", "upper"]

SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What `unicode.IsSpace` calls a space."""
_SPACES: Final = frozenset(SPACES)


def is_space(char: str) -> bool:
    """`unicode.IsSpace`."""
    return char in _SPACES


def _upper(char: str) -> str:
    large = char.upper()
    if len(large) == 1:
        return large
    large = char.title()
    return large if len(large) == 1 else char


def _lower(char: str) -> str:
    return "i" if char == "İ" else char.lower()


def _title(char: str) -> str:
    large = char.title()
    return large if len(large) == 1 else char


class _Mapping(dict[int, str]):
    """For `str.translate`: a character's other case, found out once; what is not UTF-8 is U+FFFD, as Go's `strings.Map` has it."""

    def __init__(self, other: Callable[[str], str]) -> None:
        super().__init__(dict.fromkeys(SURROGATES, "�"))
        self._other = other

    def __missing__(self, code: int) -> str:
        found = self[code] = self._other(chr(code))
        return found


_UPPER: Final = _Mapping(_upper)
_LOWER: Final = _Mapping(_lower)
_TITLE: Final = _Mapping(_title)


def upper(text: str) -> str:
    """`strings.ToUpper`."""
    large = text.upper()
    if text.isascii():
        return large
    return well_formed(large) if len(large) == len(text) else text.translate(_UPPER)


def lower(text: str) -> str:
    """`strings.ToLower`."""
    small = text.lower()
    if text.isascii():
        return small
    # Python writes the last sigma of a word in another way.
    return well_formed(small) if len(small) == len(text) and "Σ" not in text else text.translate(_LOWER)


def _separates(char: str) -> bool:
    if char < "\x80":
        return not (char.isalnum() or char == "_")
    return unicodedata.category(char) not in _LETTERS and is_space(char)


_LETTERS: Final = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Nd"))


def title(text: str) -> str:
    """`strings.Title`: the first letter of each word in title case, the rest as it is."""
    check_characters("title", text)
    text = well_formed(text)
    before = " "
    parts: list[str] = []
    for char in text:
        parts.append(_TITLE[ord(char)] if _separates(before) else char)
        before = char
    return "".join(parts)


def _untitle(text: str) -> str:
    check_characters("untitle", text)
    parts: list[str] = []
    first = True
    for char in well_formed(text):
        if is_space(char):
            first = True
            parts.append(char)
        else:
            parts.append(_LOWER[ord(char)] if first else char)
            first = False
    return "".join(parts)


def _swapcase(text: str) -> str:
    check_characters("swapcase", text)
    parts: list[str] = []
    first = True
    for char in well_formed(text):
        category = unicodedata.category(char)
        if category in ("Lu", "Lt"):
            parts.append(_LOWER[ord(char)])
            first = False
        elif category == "Ll":
            parts.append(_TITLE[ord(char)] if first else _UPPER[ord(char)])
            first = False
        else:
            parts.append(char)
            first = is_space(char)
    return "".join(parts)


def connects(char: str) -> bool:
    """Whether a character stands between the words of a name: a hyphen, an underscore or a space."""
    return char in "-_" or char in _SPACES


def is_upper(char: str) -> bool:
    """`unicode.IsUpper`."""
    return unicodedata.category(char) == "Lu"


def _camelcase(text: str) -> str:
    """xstrings' `ToPascalCase`: words joined, the first letter of each large; connectors in a row stay, all but one."""
    check_characters("camelcase", text)
    text = well_formed(text)
    start = next((index for index, char in enumerate(text) if not connects(char)), len(text))
    if start >= len(text) - 1:
        # Nothing but connectors, the last of which is written twice; or one character after them.
        return text + text[-1:] if start == len(text) else text[:start] + _UPPER[ord(text[start])]
    parts = [text[:start]]
    large = is_upper(text[start])
    char = _UPPER[ord(text[start])]
    for following in text[start + 1 :]:
        before, char = char, following
        if connects(char) and connects(before):
            parts.append(before)
        elif connects(before):
            large = is_upper(char)
            char = _UPPER[ord(char)]
        else:
            if large and is_upper(char):
                char = _LOWER[ord(char)]
            else:
                large = False
            parts.append(before)
    return "".join([*parts, char])


FUNCTIONS: Final = (
    Function("upper", ("string",), upper, "string"),
    Function("lower", ("string",), lower, "string"),
    Function("title", ("string",), title, "string"),
    Function("untitle", ("string",), _untitle, "string"),
    Function("swapcase", ("string",), _swapcase, "string"),
    Function("camelcase", ("string",), _camelcase, "string"),
)
