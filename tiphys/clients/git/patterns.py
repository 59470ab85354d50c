"""Globs over the names of branches and tags, as Git hosts have them for protected branches and filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tiphys.errors import PatternError
from tiphys.languages import regex

__all__ = ["Patterns"]

_SPECIAL: Final = frozenset(r"\.+()|{}^$*?[]")


class Patterns:
    """Whether a name is among some patterns. The last one that matches decides, and one with `!` in front takes away; where the first
    has one, all names are in to begin with. Raises `PatternError`.

    `*` stands for any characters but `/`, `**` for any characters, `?` for one that is not `/`, `[a-z]` and `[!a-z]` for one of a
    set; a backslash takes the meaning from what follows. A pattern is for the whole name (`main`, without `refs/heads/`).
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._rules = [(not text.startswith("!"), regex.compile(_translate(text.removeprefix("!")))) for text in patterns]
        self._first = bool(patterns) and patterns[0].startswith("!")

    def __contains__(self, name: str) -> bool:
        verdict = self._first
        for keeps, pattern in self._rules:
            if keeps != verdict and pattern.fullmatch(name):
                verdict = keeps
        return verdict


def _literal(char: str) -> str:
    return f"\\{char}" if char in _SPECIAL else char


def _translate(glob: str) -> str:
    if not glob:
        raise PatternError(glob, "is empty", "write the name of a branch or tag, or ** for all")
    if glob.startswith("refs/"):
        raise PatternError(glob, "names a full ref", "leave out refs/heads/ or refs/tags/")
    parts, at = [], 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**", at):
            parts.append("(?s:.*)")
            at += 1
        elif char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise PatternError(glob, "has a [ without its ]", "close the set, or write \\[", at)
            members = glob[at + 1 : end]
            negated = members.startswith("!")
            inner = "".join(f"\\{c}" if c in "\\[]^&~" else c for c in members[negated:])
            parts.append(f"[{'^/' if negated else ''}{inner}]")
            at = end
        elif char == "\\":
            at += 1
            if at == len(glob):
                raise PatternError(glob, "ends in a backslash", "write \\\\ for one")
            parts.append(_literal(glob[at]))
        else:
            parts.append(_literal(char))
        at += 1
    return "".join(parts)
