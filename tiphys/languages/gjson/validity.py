"""Whether a text is JSON, without a limit of depth, and with bytes that are not UTF-8 and lone surrogates let through, as in Go."""

from __future__ import annotations

import re
from typing import Final

import orjson

__all__ = ["valid"]

_SPACE: Final = rb"[ \t\n\r]*+"
_STRING: Final = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_SCALAR: Final = _STRING + rb"|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null"
_SKIP: Final = re.compile(_SPACE)
_VALUE: Final = re.compile(rb"%b(?:(%b)|([{\[]))%b" % (_SPACE, _SCALAR, _SPACE))
_KEY: Final = re.compile(rb"%b%b%b:" % (_SPACE, _STRING, _SPACE))


def valid(text: bytes) -> bool:
    """Whether it is one JSON value with nothing but spaces around it."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return _valid(text)
    return True


def _valid(text: bytes) -> bool:
    """The slow way, for what orjson refuses: deeper than 1,024, numbers beyond a double, lone surrogates, not UTF-8."""
    closers: list[int] = []
    i, size = 0, len(text)
    while True:
        found = _VALUE.match(text, i)
        if found is None:
            return False
        i = found.end()
        if found.group(2):
            closer = 0x7D if text[found.start(2)] == 0x7B else 0x5D
            if i < size and text[i] == closer:
                i = _spaces(text, i + 1)
            else:
                closers.append(closer)
                if closer == 0x7D:
                    key = _KEY.match(text, i)
                    if key is None:
                        return False
                    i = key.end()
                continue
        while closers and i < size and text[i] == closers[-1]:
            closers.pop()
            i = _spaces(text, i + 1)
        if not closers:
            return i == size
        if i >= size or text[i] != 0x2C:
            return False
        i += 1
        if closers[-1] == 0x7D:
            key = _KEY.match(text, i)
            if key is None:
                return False
            i = key.end()


def _spaces(text: bytes, i: int) -> int:
    found = _SKIP.match(text, i)
    return found.end() if found else i
