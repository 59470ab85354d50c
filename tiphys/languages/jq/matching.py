"""`match` and what is made of it. Patterns are RE2's, as Go's are: no lookaround, no backtracking."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.jq.values import JqError, preview, shown

__all__ = ["captures", "matches", "test"]


@lru_cache(512)
def _compiled(pattern: str, flags: str) -> regex.Pattern:
    if set(flags) - set("gim"):
        raise JqError(f'unsupported regular expression flag: "{flags}"')
    prefix = ("(?i)" if "i" in flags else "") + ("(?s)" if "m" in flags else "")
    try:
        return regex.compile(prefix + pattern)
    except PatternError as error:
        raise JqError(f'invalid regular expression "{prefix + pattern}": {error.problem}') from error


def _asked(name: str, value: Any, pattern: Any, flags: Any) -> regex.Pattern:
    if type(value) is not str or type(pattern) is not str or (flags is not None and type(flags) is not str):
        raise JqError(f"{name}({preview(pattern)}; {preview(flags)}) cannot be applied to: {shown(value)}")
    return _compiled(pattern, flags or "")


def test(value: Any, pattern: Any, flags: Any) -> bool:
    """`test`. Raises `JqError`."""
    return _asked("test", value, pattern, flags).search(value)


def matches(value: Any, pattern: Any, flags: Any) -> Iterator[dict[str, Any]]:
    """The objects of `match`, all with the flag `g`, else the first. Raises `JqError`."""
    compiled = _asked("match", value, pattern, flags)
    names = {number: name for name, number in compiled.names.items()}
    for match in compiled.finditer(value):
        found = []
        for number in range(1, compiled.groups + 1):
            text = match.group(number)
            there = text is not None
            found.append(
                {
                    "name": names.get(number),
                    "offset": match.start(number) if there else -1,
                    "length": len(text) if there else 0,
                    "string": text,
                }
            )
        yield {"offset": match.start(), "length": len(match.group()), "string": match.group(), "captures": found}
        if not flags or "g" not in flags:
            return


def captures(match: dict[str, Any]) -> dict[str, Any]:
    """The named groups of one match."""
    return {group["name"]: group["string"] for group in match["captures"] if group["name"] is not None}
