"""Objects and arrays, member by member and decoded, as gjson goes through them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from tiphys.errors import PathError
from tiphys.languages.gjson.result import NOTHING, Result, Text, Type, decode, parse
from tiphys.languages.gjson.scan import OBJECT_OR_ARRAY, literal_end, number_end, squash, string_end, unescape

__all__ = ["MAX_DECODED", "decoded", "elements", "extent", "is_array", "is_object", "members", "parse_any", "value"]

MAX_DECODED: Final = 1_000
"""Levels of the deepest value that is decoded; hardly anything can take a deeper one."""

_ANY_START: Final = re.compile(rb'["{\[ntf+\-0-9iIN]')
_IN_SEQUENCE: Final = re.compile(rb'["{\[ntf\-0-9\]}]')
_QUOTE: Final = re.compile(rb'"')
_BETWEEN: Final = re.compile(rb"[\x00-\x20,:]*+")
_NO_SPACE: Final = re.compile(rb"[^\x00-\x20]")
_LITERALS: Final = {0x6E: Type.NULL, 0x74: Type.TRUE, 0x66: Type.FALSE}


def is_array(result: Result) -> bool:
    """Whether it is a JSON array."""
    return result.type is Type.JSON and result.text.buf[result.text.start : result.text.start + 1] == b"["


def is_object(result: Result) -> bool:
    """Whether it is a JSON object."""
    return result.type is Type.JSON and result.text.buf[result.text.start : result.text.start + 1] == b"{"


def parse_any(text: Text, i: int) -> tuple[int, Result | None]:
    """The next value from `i` on, wherever it begins, and where to go on; `None` if there is none."""
    buf, start, end = text
    found = _ANY_START.search(buf, i, end) if i < end else None
    if found is None:
        return max(i, end), None
    i = found.start()
    after, close, kind = extent(buf, i, end)
    if after < 0:
        return end, None
    return after, value(buf, i, close, kind).at(i - start if kind is Type.JSON else 0, None)


def extent(buf: bytes, i: int, end: int) -> tuple[int, int, Type]:
    """The value that begins at `i`: where to go on (see `squash`; -1 for a string that is never closed), its end, its type."""
    kind = buf[i]
    if kind == 0x22:
        close = string_end(buf, i + 1, end)
        return close, close, Type.STRING
    if kind in b"{[":
        return *squash(buf, i, end), Type.JSON
    if kind in b"tf" or (kind == 0x6E and not (i + 1 < end and buf[i + 1] != 0x75)):
        close = literal_end(buf, i, end)
        return close, close, _LITERALS[kind]
    close = number_end(buf, i, end)
    return close, close, Type.NUMBER


def value(buf: bytes, i: int, close: int, kind: Type) -> Result:
    """The value of that extent."""
    if kind is not Type.STRING:
        return Result(kind, Text(buf, i, close))
    inside = buf[i + 1 : close - 1]
    return Result(kind, Text(buf, i, close), unescape(inside) if b"\\" in inside else inside)


def members(result: Result) -> Iterator[tuple[Result, Result]]:
    """Key and value of each member of an object, `NOTHING` and the element for an array; any other value is one element."""
    if not result.exists:
        return
    if result.type is not Type.JSON:
        yield NOTHING, result
        return
    text = result.text
    buf, i, end = text
    opening = _NO_SPACE.search(buf, i, end)
    if opening is None or not OBJECT_OR_ARRAY.match(buf, opening.start()):
        return
    i = opening.start()
    of_object = buf[i] == 0x7B
    i += 1
    while i < end:
        key = NOTHING
        if of_object:
            quote = _QUOTE.search(buf, i, end)
            close = string_end(buf, quote.end(), end) if quote else -1
            if quote is None or close < 0:
                return
            key, i = parse(Text(buf, quote.start(), close)), close
        between = _BETWEEN.match(buf, i, end)
        i, item = parse_any(text, between.end() if between else i)
        if item is None:
            return
        yield key, item
        i += 1  # gjson steps over one character after a value, whatever it is


def elements(result: Result) -> list[Result]:
    """The elements of an array: every value up to the first closing bracket. Of any other value, itself; of null, none."""
    if not is_array(result):
        return [] if result.type is Type.NULL else [result]
    buf, i, end = result.text
    return list(_sequence(buf, i + 1, end))


def decoded(text: Text) -> Any:
    """The value of an object or array. Text that is no JSON yields what gjson makes of it. Raises `PathError` beyond `MAX_DECODED`."""
    source = decode(text.copy())
    if "\\ud" in source or "\\uD" in source:  # perhaps a lone surrogate, which must become U+FFFD
        return _decoded(text)
    try:
        return json.loads(source, object_pairs_hook=_first_wins, parse_int=float, parse_float=float, parse_constant=_refuse)
    except (ValueError, RecursionError):  # no JSON, or too deep for the decoder that is written in C
        return _decoded(text)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        found.clear()
        for key, value in pairs:
            found.setdefault(key, value)
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _decoded(text: Text) -> Any:
    buf, start, end = text
    opening = _NO_SPACE.search(buf, start, end)
    if opening is None or buf[opening.start()] not in b"{[":
        return None
    root = _Level(buf, opening.start(), end)
    levels = [root]
    while levels:
        level = levels[-1]
        item = next(level.items, None)
        if item is None:
            levels.pop()
        elif isinstance(level.holder, dict) and level.key is None:
            level.key = item.string if item.type is Type.STRING else ""
        elif item.type is Type.JSON:
            below = _Level(buf, item.text.start, item.text.end)
            level.put(below.holder)
            levels.append(below)
            if len(levels) > MAX_DECODED:
                raise PathError("@this", f"finds a value nested more than {MAX_DECODED:,} levels deep", "use its text")
        else:
            level.put(item.value)
    return root.holder


class _Level:
    """An object or array that is being decoded."""

    __slots__ = ("holder", "items", "key")

    def __init__(self, buf: bytes, i: int, end: int) -> None:
        self.holder: dict[str, Any] | list[Any] = {} if buf[i] == 0x7B else []
        self.items = _sequence(buf, i + 1, end)
        self.key: str | None = None

    def put(self, value: Any) -> None:
        if isinstance(self.holder, list):
            self.holder.append(value)
        elif self.key is not None:
            self.holder.setdefault(self.key, value)
            self.key = None


def _sequence(buf: bytes, i: int, end: int) -> Iterator[Result]:
    """All values up to the first closing bracket, whatever stands between them."""
    while found := _IN_SEQUENCE.search(buf, i, end):
        i = found.start()
        kind = buf[i]
        if kind in b"]}":
            return
        if kind in b"{[":
            item = Result(Type.JSON, Text(buf, i, squash(buf, i, end)[1]))
        elif kind in b"tfn":
            item = Result(_LITERALS[kind], Text(buf, i, literal_end(buf, i, end)))
        else:
            item = parse(Text(buf, i, end))
        yield item
        i = item.text.end
