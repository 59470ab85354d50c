"""A path cut into tokens: `$.a[0]..b` is `$`, `a`, `[0]`, `..`, `b`."""

from __future__ import annotations

from dataclasses import dataclass

from tiphys.languages.golang.values import GoError

__all__ = ["tokenize"]


@dataclass(slots=True)
class _Counts:
    """Quotes and brackets of the token that is being read."""

    quotes: int = 0
    round: int = 0
    opened: int = 0
    closed: int = 0

    @property
    def inside(self) -> bool:
        """Within quotes or an expression."""
        return self.quotes % 2 == 1 or self.round != 0


def tokenize(path: str) -> list[str]:
    """The tokens; the first is `$` or `@`. Raises `GoError`."""
    if path[:1] not in ("$", "@") or (len(path) > 1 and path[1] not in (".", "[")):
        raise GoError(f"jsonpath: {path[:50]!r} does not begin with $. or $[")
    tokens, token = [path[0]], ""
    counts = _Counts()
    for character in path[1:]:
        if not token:
            counts.quotes = counts.round = 0
        counts.quotes += character == "'"
        counts.round += (character == "(") - (character == ")")
        counts.opened += character == "["
        counts.closed += character == "]"
        token = _read(tokens, token + character, character, counts)
    if token:
        tokens.append(token.removeprefix("."))
    return tokens


def _read(tokens: list[str], read: str, character: str, counts: _Counts) -> str:
    """What was read of a token after this character; what is complete goes to `tokens`."""
    if read == ".":
        return read
    if read == "..":
        tokens.append(read)
        return ""
    if character == "[":
        if read in ("[", ".[") or read.count("[") > 1:
            return read
        tokens.append(read[:-1].removeprefix("."))
        counts.opened, counts.closed = counts.opened - counts.closed, 0
        return "["
    if "[" in read:
        if not counts.inside and character == "]" and counts.opened == counts.closed:
            tokens.append(read.removeprefix("."))
            return ""
    elif character == "." and not counts.inside:
        tokens.append(read[:-1].removeprefix("."))
        return "."
    return read
