"""Patterns for branches, tags and files in the words of GitHub Actions, by its "filter pattern cheat sheet".

They look like globs, and two of the signs are those of regular expressions: `*` any characters but `/`, `**` any characters, `?` zero
or one and `+` one or more *of the character before*, `[a-z]` one letter or digit of a set, a backslash for the sign itself. `**/` at the
start, or after a `/`, stands for no folder too. A pattern is for the whole name.

GitHub's documentation (Workflow syntax) is the specification.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tiphys.errors import PatternError
from tiphys.languages import regex

__all__ = ["Globs"]

_SPECIAL: Final = frozenset(r"\.+()|{}^$*?[]")
_SET: Final = re.compile(r"(?:[A-Z]-[A-Z]|[a-z]-[a-z]|[0-9]-[0-9]|[A-Za-z0-9])+")


class Globs:
    """Whether a name is among some patterns, at least one. The last one that matches decides; one with `!` in front takes away what the
    ones before have put in. Raises `PatternError`."""

    __slots__ = ("_rules",)

    def __init__(self, patterns: Sequence[str]) -> None:
        self._rules = [(not text.startswith("!"), regex.compile(_translated(text))) for text in patterns]
        if not any(keeps for keeps, _ in self._rules):
            raise PatternError(patterns[0], "takes away from nothing", "put a pattern without ! before it, ** for everything")

    def __contains__(self, name: str) -> bool:
        among = False
        for keeps, pattern in self._rules:
            if keeps != among and pattern.fullmatch(name):
                among = keeps
        return among


def _translated(text: str) -> str:
    """As a regular expression of RE2."""
    glob = text.removeprefix("!")
    if not glob:
        raise PatternError(text, "is empty", "write a name, or ** for all")
    parts: list[str] = []
    at, repeatable = 0, False
    while at < len(glob):
        char, step, single = glob[at], 1, True
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            part, step, single = "(?s:.*/)?", 3, False
        elif glob.startswith("**", at):
            part, step, single = "(?s:.*)", 2, False
        elif char == "*":
            part, single = "[^/]*", False
        elif char in "?+":
            if not repeatable:
                problem = f"has a {char} without a character before it"
                remedy = f"{char} repeats what stands before it: write \\{char} for the sign, * for any characters"
                raise PatternError(text, problem, remedy, at)
            part, single = char, False
        elif char == "[":
            part, step = _set(text, glob, at)
        elif char == "\\":
            if at + 1 == len(glob):
                raise PatternError(text, "ends in a backslash", "write \\\\ for one", at)
            part, step = _literal(glob[at + 1]), 2
        else:
            part = _literal(char)
        parts.append(part)
        at, repeatable = at + step, single
    return "".join(parts)


def _set(text: str, glob: str, at: int) -> tuple[str, int]:
    end = glob.find("]", at)
    if end < 0:
        raise PatternError(text, "has a [ without its ]", "close the set, or write \\[", at)
    inside = glob[at + 1 : end]
    if not _SET.fullmatch(inside) or any(low > high for low, high in re.findall("(.)-(.)", inside)):
        remedy = "write letters, digits, and ranges like a-z, A-Z or 0-9, as in [0-9a-z]"
        raise PatternError(text, f"has a set [{inside}] that is none of GitHub's", remedy, at)
    return f"[{inside}]", end + 1 - at


def _literal(char: str) -> str:
    return f"\\{char}" if char in _SPECIAL else char
