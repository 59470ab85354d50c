"""What a value may look like, by name: for `validate.preset` of parameters and for `pattern` of the short form's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tiphys.languages import regex

__all__ = ["PATTERNS", "Shape"]

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NUMBER: Final = r"(0|[1-9][0-9]*)"
_PRE: Final = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEGMENT: Final = r"\.?[A-Za-z0-9_][A-Za-z0-9_.-]*"

PATTERNS: Final[Mapping[str, str]] = {
    "git-ref": r"[\pL\pN_+@=%][\pL\pN_+@=#%,-]*(\.[\pL\pN_+@=#%,-]+)*(/[\pL\pN_+@=#%,-]+(\.[\pL\pN_+@=#%,-]+)*)*",
    "sha": r"[0-9a-f]{7,64}",
    "semver": rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    "dns-name": rf"{_LABEL}(\.{_LABEL})*",
    "repo": rf"{_SEGMENT}(/{_SEGMENT})+",
    "integer": r"-?[0-9]+",
    "name": r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
    "word": r"[\pL\pN_]+",
}
"""Patterns by name, of the whole value. `git-ref` is a branch, tag or full ref without anything that a shell would read; `semver` a version
of Semantic Versioning 2.0, with or without a `v`; `dns-name` that of RFC 1123 in lower case; `repo` an owner and a name, or groups and a
name (`group/sub/name`), without `..`; `name` a Kubernetes name."""

_LONGEST: Final[Mapping[str, int]] = {"dns-name": 253}
_BUT: Final[Mapping[str, str]] = {"git-ref": r"@|(.*/)?[^/]*\.lock(/.*)?"}
"""What of these is none all the same: git has no such names."""


class Shape:
    """A compiled pattern: one of `PATTERNS` by its name, or a regular expression (RE2). `text` is as it was written."""

    __slots__ = ("_but", "_longest", "_pattern", "text")

    def __init__(self, text: str) -> None:
        """Raises `PatternError`."""
        self.text = text
        self._pattern = regex.compile(PATTERNS.get(text, text))
        self._longest = _LONGEST.get(text)
        self._but = regex.compile(_BUT[text]) if text in _BUT else None

    def allows(self, value: str) -> bool:
        """Whether the whole of `value` has this shape."""
        if self._longest is not None and len(value) > self._longest:
            return False
        return self._pattern.fullmatch(value) and not (self._but is not None and self._but.fullmatch(value))
