"""Where things end in JSON text, as gjson sees it: it looks for the next thing of interest and never asks whether the text is valid.

All functions work on `buf` from an index up to `end`, so that a value found deep inside is never copied to be looked at.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

import orjson

__all__ = [
    "OBJECT_OR_ARRAY",
    "closed_end",
    "literal_end",
    "number_end",
    "parse_float",
    "squash",
    "string_end",
    "trim",
    "unescape",
]

OBJECT_OR_ARRAY: Final = re.compile(rb"[{\[]")

_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER_REST: Final = re.compile(rb"[^\x00-\x20,\]}]*+", re.DOTALL)
_LITERAL_REST: Final = re.compile(rb"[a-z]*+")
_TOKEN: Final = re.compile(rb'[{\[(}\])]|"(?:[^"\\]*+(?:\\.[^"\\]*+)*+")?', re.DOTALL)
_QUOTE, _OPENING = 0x22, b"{[("


def _nested(levels: int) -> bytes:
    """A pattern for brackets nested up to `levels` deep. Like gjson it lets any kind close any other."""
    flat = rb'[^"{}\[\]()]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]()]*+)*+'
    pattern = rb"[{\[(]%b[}\])]" % flat
    for _ in range(levels - 1):
        pattern = rb"[{\[(]%b(?:%b%b)*+[}\])]" % (flat, pattern, flat)
    return pattern


# nearly everything that is skipped is this shallow, and then it is skipped in C
_SHALLOW: Final = re.compile(_nested(8), re.DOTALL)


def string_end(buf: bytes, i: int, end: int) -> int:
    """The index after the closing quote of the string whose opening quote is before `i`; -1 if it is never closed."""
    found = _STRING_REST.match(buf, i, end)
    return found.end() if found else -1


def number_end(buf: bytes, i: int, end: int) -> int:
    """The end of the number that begins at `i`: the next space, comma or closing bracket."""
    found = _NUMBER_REST.match(buf, i + 1, end)
    return found.end() if found else end


def literal_end(buf: bytes, i: int, end: int) -> int:
    """The end of the literal that begins at `i`: all lower-case letters that follow."""
    found = _LITERAL_REST.match(buf, i + 1, end)
    return found.end() if found else end


def squash(buf: bytes, i: int, end: int) -> tuple[int, int]:
    """The brackets that open at `i`: where to go on, and the end of their text.

    Both are the index after the matching bracket, or `end` if there is none. Where a string inside is never closed, the first is
    `end + 1`: gjson takes the end of the text for the end of an array, and looks for it no more then.
    """
    if found := _SHALLOW.match(buf, i, end):
        return found.end(), found.end()
    known, tail_open = _matching(buf)
    close = known.get(i, -1)
    if 0 < close <= end:
        return close, close
    if close == 0 and end == len(buf):
        return end + tail_open, end
    depth = 1
    for token in _TOKEN.finditer(buf, i + 1, end):
        kind = buf[token.start()]
        if kind == _QUOTE:
            if token.end() - token.start() == 1:
                return end + 1, end
        elif kind in _OPENING:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return token.end(), token.end()
    return end, end


@lru_cache(maxsize=2)
def _matching(buf: bytes) -> tuple[dict[int, int], bool]:
    """For each opening bracket the index after the one that closes it, 0 if none does, and whether the text ends within a string.

    A deep document is asked about level by level: kept, that takes one pass, where it would take one for each level.
    """
    ends: dict[int, int] = {}
    opened: list[int] = []
    for token in _TOKEN.finditer(buf):
        kind = buf[token.start()]
        if kind in _OPENING:
            opened.append(token.start())
            ends[token.start()] = 0
        elif kind != _QUOTE:
            if opened:
                ends[opened.pop()] = token.end()
        elif token.end() - token.start() == 1:
            return ends, True
    return ends, False


def closed_end(buf: bytes, i: int, end: int) -> int:
    """The end of what begins at `i`, a string or brackets, whole; `end` if it is never closed."""
    if buf[i] == _QUOTE:
        closed = string_end(buf, i + 1, end)
        return end if closed < 0 else closed
    return squash(buf, i, end)[1]


_SPACE: Final = bytes(range(33))


def trim(text: bytes) -> bytes:
    """Without the spaces and control characters around it."""
    return text.strip(_SPACE)


_SPECIAL: Final = re.compile(rb"[\x00-\x1f\\]")
_HEX4: Final = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPES: Final = {0x5C: b"\\", 0x2F: b"/", 0x62: b"\b", 0x66: b"\f", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t", 0x22: b'"'}


def unescape(text: bytes) -> bytes:
    """The inside of a JSON string, with its escapes resolved. It ends at the first one that is wrong or control character."""
    if b"\\" not in text and not _SPECIAL.search(text):
        return text
    try:
        whole: str = orjson.loads(b'"%b"' % text)
    except orjson.JSONDecodeError:
        return _unescape(text)
    return whole.encode()


def _unescape(text: bytes) -> bytes:
    """The slow way, for what orjson refuses: lone surrogates, bytes that are not UTF-8, escapes that are wrong, control characters."""
    out, i, size = bytearray(), 0, len(text)
    while special := _SPECIAL.search(text, i):
        at = special.start()
        out += text[i:at]
        if text[at] != 0x5C or at + 1 >= size:
            return bytes(out)
        kind = text[at + 1]
        if plain := _ESCAPES.get(kind):
            out += plain
            i = at + 2
            continue
        if kind != 0x75 or at + 6 > size:
            return bytes(out)
        rune, i = _hex(text, at + 2), at + 6
        if 0xD800 <= rune < 0xE000 and text.startswith(b"\\u", i) and size - i >= 6:
            low = _hex(text, i + 2)
            paired = rune < 0xDC00 <= low < 0xE000
            rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00) if paired else 0xFFFD
            i += 6
        out += chr(0xFFFD if 0xD800 <= rune < 0xE000 else rune).encode()
    return bytes(out + text[i:])


def _hex(text: bytes, i: int) -> int:
    return int(text[i : i + 4], 16) if _HEX4.match(text, i) else 0


# possessive: digits before a letter would be divided in every way
_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_HEXADECIMAL: Final = re.compile(rb"[+-]?0[xX](?:[0-9a-fA-F]++\.?[0-9a-fA-F]*+|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++")
_INFINITE: Final = re.compile(rb"([+-]?)inf(?:inity)?", re.IGNORECASE)
# Go lets underscores stand between digits, and between the prefix 0x and a digit
_UNDERSCORED: Final = re.compile(rb"(?i:(?<=0x)|(?<=[0-9a-f]))_(?=(?i:[0-9a-f]))")


def parse_float(text: bytes) -> float:
    """The number as Go's `strconv.ParseFloat` reads it and gjson takes it: 0 where it is none, infinite where it is too large."""
    if b"_" in text:
        hexadecimal = text.lstrip(b"+-")[:2] in (b"0x", b"0X")
        text = _UNDERSCORED.sub(b"", text) if hexadecimal else re.sub(rb"(?<=[0-9])_(?=[0-9])", b"", text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return -math.inf if text.startswith(b"-") else math.inf
    if infinite := _INFINITE.fullmatch(text):
        return -math.inf if infinite.group(1) == b"-" else math.inf
    return math.nan if text.lower() == b"nan" else 0.0
