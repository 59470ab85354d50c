"""The quick way: a path of plain keys, whose place in the text is found without going through all that stands before it."""

from __future__ import annotations

import re
from typing import Any, Final

from tiphys.languages.gjson.budget import Budget
from tiphys.languages.gjson.result import NOTHING, Result, Text
from tiphys.languages.gjson.search import search
from tiphys.languages.gjson.syntax import Route
from tiphys.languages.gjson.values import parse_any

__all__ = ["Plain"]

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_INDEX: Final = re.compile(rb"[0-9]{1,18}")
_COLON: Final = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")


class Plain:
    """Keys of letters, digits, `_` and `-` with dots between."""

    __slots__ = ("_keys",)

    def __init__(self, path: bytes) -> None:
        keys = path.split(b".")
        self._keys = [
            (
                key.decode(),
                b'"%b"' % key,
                int(key) if _INDEX.fullmatch(key) else -1,
                Route(b".".join(keys[number + 1 :])) if number + 1 < len(keys) else None,
            )
            for number, key in enumerate(keys)
        ]

    @classmethod
    def of(cls, path: bytes) -> Plain | None:
        """`None` where the path has more to it."""
        return cls(path) if _PLAIN.fullmatch(path) else None

    def follow(self, payload: Any, data: bytes) -> Result | None:
        """What is at the path, or `None` where all of the text must be searched.

        `payload` says whether the path leads anywhere, the text what is there: a key that stands in it once, with no escape that could
        write the same key otherwise, is the one.
        """
        if b"\\" in data and b"\\u00" in data:  # the first is a quick no for most
            return None
        value, quoted, rest = payload, b"", None
        for name, text, index, remaining in self._keys:
            if type(value) is dict:
                if name not in value:
                    return NOTHING if index < 0 and text not in data else None
                value, quoted, rest = value[name], text, remaining
            elif type(value) is list and 0 <= index < len(value):
                value = value[index]
            else:
                return None
        place = data.find(quoted) if quoted else -1
        colon = _COLON.match(data, place + len(quoted)) if place >= 0 and data.find(quoted, place + 1) < 0 else None
        if colon is None:
            return None
        whole = Text.of(data)
        _, found = parse_any(whole, colon.end())
        if found is None:
            return None
        if rest is not None:
            found = search(found.text, rest, Budget(rest.text, len(data)))
        return found.at(found.text.offset_in(whole), None)
