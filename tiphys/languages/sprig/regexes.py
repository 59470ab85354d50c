"""sprig's regular expressions over RE2, the engine that Go's is the twin of: linear in the text.

The functions without `must` panic in sprig where the pattern is wrong, but for `regexMatch`, which answers false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.golang.values import Function, GoError, NilStrings, Strings
from tiphys.languages.sprig.bounds import check_text, well_formed

__all__ = ["FUNCTIONS"]

_MOST: Final = 10_000
"""Matches that are looked for: each takes some microseconds."""
_REFERENCE: Final = regex.compile(r"\$(?:\$|\{([\pL\p{Nd}_]+)\}|([\pL\p{Nd}_]+))")
_SPECIAL: Final = str.maketrans({char: "\\" + char for char in "\\.+*?()|[]{}^$"})


def _compile(pattern: str) -> regex.Pattern:
    try:
        return regex.compile(pattern)
    except PatternError as error:
        raise GoError(f"error parsing regexp: {error.problem}: `{pattern[:200]}`") from error


def _spans(pattern: str, text: str) -> tuple[regex.Pattern, list[Any]]:
    """All matches. Bytes that are not UTF-8 are matched as U+FFFD, which does not move the others."""
    compiled = _compile(pattern)
    return compiled, _at_most(compiled.finditer(well_formed(text)))


def _at_most(matches: Iterator[Any], count: int = -1) -> list[Any]:
    found = list(islice(matches, min(count, _MOST + 1) if count >= 0 else _MOST + 1))
    if len(found) > _MOST:
        raise GoError(f"the pattern occurs more than {_MOST:,} times")
    return found


def _must_match(pattern: str, text: str) -> bool:
    return _compile(pattern).search(well_formed(text))


def _match(pattern: str, text: str) -> bool:
    try:
        return _must_match(pattern, text)
    except GoError:
        return False


def _find(pattern: str, text: str) -> str:
    for match in _compile(pattern).finditer(well_formed(text)):
        return text[match.start() : match.end()]
    return ""


def _find_all(pattern: str, text: str, count: int) -> Strings:
    matches = _compile(pattern).finditer(well_formed(text))
    return Strings([text[match.start() : match.end()] for match in _at_most(matches, count)]) or NilStrings()


def _replaced(name: str, pattern: str, text: str, replacement: Callable[[regex.Pattern, Any], str]) -> str:
    compiled, matches = _spans(pattern, text)
    parts: list[str] = []
    end = size = 0
    for match in matches:
        new = replacement(compiled, match)
        parts += (text[end : match.start()], new)
        end = match.end()
        size += len(new)
        check_text(name, size, len(text))
    return "".join([*parts, text[end:]])


def _replace_all(pattern: str, text: str, new: str) -> str:
    if "$" not in new:
        return _replace_all_literal(pattern, text, new)
    steps = _steps(new)
    return _replaced("regexReplaceAll", pattern, text, lambda compiled, match: _expand(steps, compiled, match, text))


def _replace_all_literal(pattern: str, text: str, new: str) -> str:
    return _replaced("regexReplaceAllLiteral", pattern, text, lambda _compiled, _match: new)


def _steps(template: str) -> list[tuple[str, str]]:
    """A template of Go's `Expand`, as literal texts with the name of the group after each; `$$` is a dollar."""
    steps: list[tuple[str, str]] = []
    literal, end = "", 0
    for match in _REFERENCE.finditer(well_formed(template)):
        literal += template[end : match.start()]
        end = match.end()
        name = match.group(1) or match.group(2)
        if name:
            steps.append((literal, str(name)))
            literal = ""
        else:
            literal += "$"
    return [*steps, (literal + template[end:], "")]


def _expand(steps: list[tuple[str, str]], compiled: regex.Pattern, match: Any, text: str) -> str:
    """`$1`, `${name}`; the longest name counts (`$1x` is the group `1x`), and a group that is not there is empty."""
    parts: list[str] = []
    for literal, name in steps:
        parts.append(literal)
        if name:
            plain = name.isascii() and name.isdecimal() and len(name) < 9 and (name[0] != "0" or name == "0")
            number = int(name) if plain else compiled.names.get(name, -1)
            if 0 <= number <= compiled.groups and match.start(number) >= 0:
                parts.append(text[match.start(number) : match.end(number)])
    return "".join(parts)


def _split(pattern: str, text: str, count: int) -> Strings:
    """`Regexp.Split`: at most `count` parts, all of them below 0, none for 0; an empty match at the very start makes no part."""
    compiled = _compile(pattern)
    if count == 0:
        return NilStrings()
    if pattern and not text:
        return Strings([""])
    parts = Strings()
    start = end = 0
    for match in _at_most(compiled.finditer(well_formed(text)), count):
        if count > 0 and len(parts) == count - 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(text[start:end])
        start = match.end()
    if end != len(text):
        parts.append(text[start:])
    return parts


def _quote_meta(text: str) -> str:
    return text.translate(_SPECIAL)


_PAIR: Final = ("string", "string")
_COUNTED: Final = ("string", "string", "int")
_TRIPLE: Final = ("string", "string", "string")

FUNCTIONS: Final = (
    Function("regexMatch", _PAIR, _match, "bool"),
    Function("mustRegexMatch", _PAIR, _must_match, "bool"),
    Function("regexFind", _PAIR, _find, "string"),
    Function("mustRegexFind", _PAIR, _find, "string"),
    Function("regexFindAll", _COUNTED, _find_all, "[]string"),
    Function("mustRegexFindAll", _COUNTED, _find_all, "[]string"),
    Function("regexReplaceAll", _TRIPLE, _replace_all, "string"),
    Function("mustRegexReplaceAll", _TRIPLE, _replace_all, "string"),
    Function("regexReplaceAllLiteral", _TRIPLE, _replace_all_literal, "string"),
    Function("mustRegexReplaceAllLiteral", _TRIPLE, _replace_all_literal, "string"),
    Function("regexSplit", _COUNTED, _split, "[]string"),
    Function("mustRegexSplit", _COUNTED, _split, "[]string"),
    Function("regexQuoteMeta", ("string",), _quote_meta, "string"),
)
