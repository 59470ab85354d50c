"""sprig's regular expression functions over RE2: linear in the text, and the engine that Go's is the twin of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex

__all__ = ["FUNCTIONS", "numbers"]

_NUMBER: Final = regex.compile(r"[0-9]+")
_REFERENCE: Final = regex.compile(r"\$(?:\$|\{([\pL\p{Nd}_]+)\}|([\pL\p{Nd}_]+))")
_SPECIAL: Final = frozenset("\\.+*?()|[]{}^$")


def numbers(text: str) -> list[str]:
    """The numbers that stand in a text; those of more than nine digits are cut."""
    return [match.group()[:9] for match in _NUMBER.finditer(text)]


def _must_match(pattern: str, value: str) -> bool:
    return regex.compile(pattern).search(value)


def _match(pattern: str, value: str) -> bool:
    """sprig lets this one function answer false to a pattern that is wrong."""
    try:
        return _must_match(pattern, value)
    except PatternError:
        return False


def _find(pattern: str, value: str) -> str:
    for match in regex.compile(pattern).finditer(value):
        return str(match.group())
    return ""


def _find_all(pattern: str, value: str, count: int) -> list[str]:
    found: list[str] = []
    for match in regex.compile(pattern).finditer(value):
        if len(found) == count:
            break
        found.append(str(match.group()))
    return found


def _replace_all(pattern: str, value: str, replacement: str) -> str:
    compiled = regex.compile(pattern)
    return _replaced(compiled, value, lambda match: _expand(replacement, match, compiled))


def _replace_all_literal(pattern: str, value: str, replacement: str) -> str:
    return _replaced(regex.compile(pattern), value, lambda _match: replacement)


def _replaced(compiled: regex.Pattern, value: str, replacement: Callable[[Any], str]) -> str:
    parts: list[str] = []
    end = 0
    for match in compiled.finditer(value):
        parts += [value[end : match.start()], replacement(match)]
        end = match.end()
    return "".join([*parts, value[end:]])


def _expand(replacement: str, match: Any, compiled: regex.Pattern) -> str:
    """Go's `Expand`: `$1`, `${name}`, `$$`; the longest name counts (`$1x` is the group `1x`), and one that is not there is empty."""

    def group(reference: Any) -> str:
        name = reference.group(1) or reference.group(2)
        if not name:
            return "$"
        number = int(name) if name.isdecimal() and name.isascii() else compiled.names.get(name, -1)
        return str(match.group(number) or "") if 0 <= number <= compiled.groups else ""

    return _replaced(_REFERENCE, replacement, group)


def _split(pattern: str, value: str, count: int) -> list[str]:
    """Go's `Split`: at most `count` parts (all of them below 0, none for 0); an empty match at the very start makes no part."""
    if count == 0:
        return []
    compiled, start, end = regex.compile(pattern), 0, 0
    parts: list[str] = []
    if pattern and not value:
        return [""]
    for match in compiled.finditer(value):
        if count > 0 and len(parts) == count - 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(value[start:end])
        start = match.end()
    if end != len(value):
        parts.append(value[start:])
    return parts


def _quote_meta(value: str) -> str:
    return "".join("\\" + character if character in _SPECIAL else character for character in value)


FUNCTIONS: Final[Mapping[str, Callable[..., object]]] = {
    "regexMatch": _match,
    "mustRegexMatch": _must_match,
    "regexFind": _find,
    "mustRegexFind": _find,
    "regexFindAll": _find_all,
    "mustRegexFindAll": _find_all,
    "regexReplaceAll": _replace_all,
    "mustRegexReplaceAll": _replace_all,
    "regexReplaceAllLiteral": _replace_all_literal,
    "mustRegexReplaceAllLiteral": _replace_all_literal,
    "regexSplit": _split,
    "mustRegexSplit": _split,
    "regexQuoteMeta": _quote_meta,
}
