"""Regular expressions of Go's syntax (RE2), behind one seam.

`google-re2` is the engine: linear in the text, so that no pattern of a manifest and no text of an event can stall the process,
and its syntax is that of Go's `regexp` (https://github.com/google/re2/wiki/Syntax). Python's `re` knows no `\\p{L}` and backtracks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import re2

from tiphys.errors import PatternError

__all__ = ["MAX_PATTERN", "Pattern", "compile"]

MAX_PATTERN: Final = 10_000
"""Characters of the longest pattern."""

_TEXT: Final = r"(?:[^\\.+*?()|\[\]{}^$]|\\[!-/:-@\[-`{-~])*"
_LITERAL: Final = re.compile(rf"(\^?)({_TEXT})(?:\((?:\?:)?({_TEXT}(?:\|{_TEXT})*)\)({_TEXT}))?(\$?)")
_CHOICE: Final = re.compile(_TEXT)
_ESCAPED: Final = re.compile(r"\\(.)")

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 8 << 20


class Pattern:
    """A compiled pattern. `text` is as it was written. Text that is not UTF-8 when encoded (lone surrogates) matches nothing."""

    __slots__ = ("_engine", "_literal", "text")

    def __init__(self, text: str, engine: Any) -> None:
        self.text, self._engine = text, engine
        self._literal = _literal_of(text)

    def search(self, value: str) -> bool:
        """Whether the pattern occurs anywhere in `value` (unanchored, as Go's `MatchString`)."""
        if self._literal is not None:
            return self._literal(value) and (value.isascii() or _is_unicode(value))
        try:
            return self._engine.search(value) is not None
        except UnicodeEncodeError:
            return False

    def fullmatch(self, value: str) -> bool:
        """Whether the pattern matches the whole of `value`."""
        try:
            return self._engine.fullmatch(value) is not None
        except UnicodeEncodeError:
            return False

    def finditer(self, value: str) -> Iterator[Any]:
        """Successive matches from left to right, each with `group`, `start`, `end`; an empty one directly after another is left out,
        as Go does."""
        last = -1
        for match in self._engine.finditer(value):
            if match.start() == match.end() == last:
                continue
            last = match.end()
            yield match

    @property
    def groups(self) -> int:
        """The number of groups."""
        return int(self._engine.groups)

    @property
    def names(self) -> dict[str, int]:
        """The named groups and their numbers."""
        return dict(self._engine.groupindex)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


def _literal_of(pattern: str) -> Callable[[str], bool] | None:
    """Most patterns are a text, or one of several, perhaps anchored (`^refs/heads/(main|dev)$`): for those a comparison of strings, which
    takes a hundredth of the engine's time and does not give the interpreter's lock away."""
    found = _LITERAL.fullmatch(pattern)
    if found is None:
        return None
    start, head, choices, tail, end = found.groups()
    texts = tuple(_ESCAPED.sub(r"\1", f"{head}{choice}{tail or ''}") for choice in _split(choices))
    if start and end:
        return frozenset(texts).__contains__
    if start:
        return lambda value: value.startswith(texts)
    if end:
        return lambda value: value.endswith(texts)
    if len(texts) > 1:
        return lambda value: any(text in value for text in texts)
    return lambda value: texts[0] in value


def _split(choices: str | None) -> list[str]:
    """At each `|` that is not escaped."""
    if choices is None:
        return [""]
    parts, at = [], 0
    while found := _CHOICE.match(choices, at):
        parts.append(found[0])
        at = found.end() + 1
        if at > len(choices):
            break
    return parts


@lru_cache(maxsize=1024)
def compile(pattern: str) -> Pattern:  # noqa: A001  callers write `regex.compile`, as with `re.compile`
    """Compile a pattern. Raises `PatternError` with RE2's reason."""
    if not _is_unicode(pattern):
        raise PatternError(pattern, "is not valid Unicode", "write the character out, or as \\x{…}")
    if len(pattern) > MAX_PATTERN:
        raise PatternError(pattern, f"is longer than {MAX_PATTERN:,} characters", "make it shorter or split it into several")
    if re2.search(r"^(?:[^\\]|\\[^C])*\\C", pattern):
        raise PatternError(pattern, "\\C (a single byte) is not known to Go", "match characters instead: `.` or (?s:.)")
    try:
        return Pattern(pattern, re2.compile(pattern, _OPTIONS))
    except re2.error as error:
        raise PatternError(pattern, _reason(error), "see https://github.com/google/re2/wiki/Syntax for what can be used") from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "is not a regular expression"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
