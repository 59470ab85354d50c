"""sprig's functions between texts and lists of texts."""

from __future__ import annotations

import re
from typing import Any, Final

from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import Function, StringMap, Strings
from tiphys.languages.sprig.bounds import check_items, check_text
from tiphys.languages.sprig.kinds import strval, to_strings

__all__ = ["FUNCTIONS"]

_NOT_ASCII_BYTE: Final = re.compile("[\ud800-\udfff]")


def _cut(text: str, separator: str, count: int) -> list[str]:
    """`strings.SplitN`: at most `count` parts, all of them below 0; an empty separator cuts after each character."""
    if count == 0:
        return []
    if separator:
        check_items("split", text.count(separator) + 1 if count < 0 else 0)
        return text.split(separator, count - 1 if count > 0 else -1)
    check_items("split", len(text) if count < 0 else min(count, len(text)))
    if count < 0 or count >= len(text):
        return list(text)
    return [*text[: count - 1], text[count - 1 :]]


def _numbered(parts: list[str]) -> StringMap:
    return StringMap({f"_{number}": part for number, part in enumerate(parts)})


def _split(separator: str, text: str) -> StringMap:
    return _numbered(_cut(text, separator, -1))


def _splitn(separator: str, count: int, text: str) -> StringMap:
    return _numbered(_cut(text, separator, count))


def _split_list(separator: str, text: str) -> Strings:
    return Strings(_cut(text, separator, -1))


def _join(separator: str, value: Any) -> str:
    texts = to_strings(value)
    check_text("join", sum(map(len, texts)) + len(separator) * (len(texts) - 1))
    return separator.join(texts)


def _sort_alpha(value: Any) -> Strings:
    if not isinstance(value, list | bytes):
        return Strings([strval(value)])
    texts = to_strings(value)
    # The order of characters is that of their bytes, but for those that stand for a byte.
    return Strings(sorted(texts, key=to_bytes if any(map(_NOT_ASCII_BYTE.search, texts)) else None))


FUNCTIONS: Final = (
    Function("split", ("string", "string"), _split, "map[string]string"),
    Function("splitn", ("string", "int", "string"), _splitn, "map[string]string"),
    Function("splitList", ("string", "string"), _split_list, "[]string"),
    Function("toStrings", ("interface{}",), to_strings, "[]string"),
    Function("join", ("string", "interface{}"), _join, "string"),
    Function("sortAlpha", ("interface{}",), _sort_alpha, "[]string"),
)
