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
# what stands before a comma, as many as there are, in one go
_ITEMS: Final = re.compile(rb"(?:%b(?:%b)%b,)*+" % (_SPACE, _SCALAR, _SPACE))
_MEMBERS: Final = re.compile(rb"(?:%b%b%b:%b(?:%b)%b,)*+" % (_SPACE, _STRING, _SPACE, _SPACE, _SCALAR, _SPACE))


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
                i = _next(text, i, closer)
                if i < 0:
                    return False
                continue
        while closers and i < size and text[i] == closers[-1]:
            closers.pop()
            i = _spaces(text, i + 1)
        if not closers:
            return i == size
        if i >= size or text[i] != 0x2C:
            return False
        i = _next(text, i + 1, closers[-1])
        if i < 0:
            return False


def _next(text: bytes, i: int, closer: int) -> int:
    """Where the next value begins that is no scalar or stands last, past its key; -1 without a key."""
    if closer == 0x5D:
        run = _ITEMS.match(text, i)
        return run.end() if run else i
    members = _MEMBERS.match(text, i)
    key = _KEY.match(text, members.end() if members else i)
    return key.end() if key else -1


def _spaces(text: bytes, i: int) -> int:
    found = _SKIP.match(text, i)
    return found.end() if found else i
