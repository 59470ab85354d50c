"""Wildcards in keys and in the operator `%`: `*` is any text, `?` one character, a backslash takes the meaning from what follows.

gjson gives up on a pattern after a number of attempts, to be safe from a hostile one. Here the pieces between the stars are looked for
from left to right, which needs no second attempt: the answer is always the right one, and soon.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tiphys.languages.gjson.result import decode

__all__ = ["matches"]


def matches(text: bytes, pattern: bytes) -> bool:
    """Whether all of `text` fits `pattern`."""
    return pattern == b"*" or _compiled(pattern).matches(decode(text))


class _Wildcard:
    __slots__ = ("dangling", "first", "last", "middle", "stars")

    def __init__(self, pattern: str) -> None:
        pieces, self.dangling = _split(pattern)
        self.stars = len(pieces) > 1
        if self.dangling and self.stars:
            pieces[-1] += re.escape("\\")
            self.dangling = False
        compiled = [(re.compile(piece, re.DOTALL), piece) for piece in pieces]
        self.first = compiled[0][0]
        self.middle = [expression for expression, piece in compiled[1:-1] if piece]
        self.last = re.compile(rf"(?:{pieces[-1]})\Z", re.DOTALL), _width(pieces[-1])

    def matches(self, text: str) -> bool:
        if self.dangling:
            return False
        if not self.stars:
            return self.first.fullmatch(text) is not None
        head = self.first.match(text)
        if head is None:
            return False
        last, width = self.last
        end = len(text) - width
        if end < head.end() or not last.match(text, end):
            return False
        at = head.end()
        for piece in self.middle:
            found = piece.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True


def _split(pattern: str) -> tuple[list[str], bool]:
    """The pieces between stars as regular expressions, and whether the pattern ends in a lone backslash."""
    pieces, i = [""], 0
    while i < len(pattern):
        character = pattern[i]
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character != "\\":
            pieces[-1] += re.escape(character)
        elif i + 1 < len(pattern):
            i += 1
            pieces[-1] += re.escape(pattern[i])
        else:
            return pieces, True
        i += 1
    return pieces, False


def _width(piece: str) -> int:
    """How many characters a piece stands for: it has no repetition in it."""
    return len(re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL))


@lru_cache(maxsize=1024)
def _compiled(pattern: bytes) -> _Wildcard:
    return _Wildcard(decode(pattern))
