"""How much a function may make.

A template runs on the way of an event, so that no function may make much out of little: what is larger than `MAX_TEXT` bytes and larger
than what went in is refused, and so is a list of more than `MAX_ITEMS`. Functions that walk a value count its items as often as they
are reached: a list of lists of the same list has a few items in memory and 2 to the 60 on paper.
"""

from __future__ import annotations

import re
from typing import Final

from tiphys.languages.golang.values import LimitError

__all__ = [
    "MAX_CHARACTERS",
    "MAX_ITEMS",
    "MAX_TEXT",
    "SURROGATES",
    "Walk",
    "check_characters",
    "check_items",
    "check_text",
    "well_formed",
]

MAX_TEXT: Final = 1 << 20
"""Bytes of the largest text that a function makes out of smaller ones."""
MAX_ITEMS: Final = 100_000
"""Items of the longest list that a function makes, and of the largest value that it walks."""
MAX_CHARACTERS: Final = 32_768
"""Characters of the longest text for a function that looks at each of them by itself (`title`, `snakecase`, `shuffle`)."""

SURROGATES: Final = dict.fromkeys(range(55296, 57344), 65533)
"""For `str.translate`: what Go reads where bytes are not UTF-8."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """The text with U+FFFD for each byte that is not UTF-8."""
    return text if text.isascii() or not _SURROGATE.search(text) else text.translate(SURROGATES)


def check_text(name: str, size: int, given: int = 0) -> None:
    """Raises `LimitError` where a function is about to make a text of `size` out of one of `given`."""
    if size > MAX_TEXT and size > given:
        raise LimitError(f"{name} would make a text of {size:,} bytes; at most {MAX_TEXT:,} are made")


def check_items(name: str, count: int) -> None:
    """Raises `LimitError` where a function is about to make a list of so many items."""
    if count > MAX_ITEMS:
        raise LimitError(f"{name} would make a list of {count:,} items; at most {MAX_ITEMS:,} are made")


def check_characters(name: str, text: str) -> None:
    """Raises `LimitError` where a text is too long to be looked at character by character."""
    if len(text) > MAX_CHARACTERS:
        raise LimitError(f"{name} takes at most {MAX_CHARACTERS:,} characters, not {len(text):,}")


class Walk:
    """Counts the items of a value while a function walks it."""

    __slots__ = ("_left", "_name")

    def __init__(self, name: str) -> None:
        self._name, self._left = name, MAX_ITEMS

    def step(self, items: int = 1) -> None:
        """Some more items. Raises `LimitError` where there are too many."""
        self._left -= items
        if self._left < 0:
            raise LimitError(f"{self._name} was given more than {MAX_ITEMS:,} items, or a value that contains itself")
