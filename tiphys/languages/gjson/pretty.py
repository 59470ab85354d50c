"""`@pretty`: JSON laid out over lines, to the byte as tidwall/pretty does it: arrays that fit stay on one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Final

from tiphys.languages.gjson.budget import Budget
from tiphys.languages.gjson.result import Text, parse
from tiphys.languages.gjson.scan import parse_float
from tiphys.languages.gjson.validity import valid

__all__ = ["Layout", "pretty"]


@dataclass(slots=True)
class Layout:
    """`width` is that of arrays on one line; `prefix` goes before each line, `indent` once for each level."""

    width: int = 80
    prefix: bytes = b""
    indent: bytes = b"  "
    sort_keys: bool = False


def pretty(text: bytes, layout: Layout, budget: Budget) -> bytes:
    """Lay out one value. Raises `PathError` if it is nested too deeply."""
    printer = _Printer(text, layout, budget)
    printer.out += layout.prefix
    printer.value(0, 0)
    return bytes(printer.out + b"\n") if printer.out else b""


_START: Final = re.compile(rb'["0-9\-iI+N{\[tfn]')
_NUMBER_REST: Final = re.compile(rb"[^\x00-\x20,:\]}]*+", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NEXT: Final = re.compile(rb"[^\x00-\x20]")
_IN_OBJECT: Final = re.compile(rb'["}]')


class _Printer:
    """Writes to `out` what it reads from `text`. Each method takes where it reads from and returns where it stopped."""

    def __init__(self, text: bytes, layout: Layout, budget: Budget) -> None:
        self.text, self.layout, self.budget = text, layout, budget
        self.out = bytearray()
        self.line = 0  # where the current line begins in `out`

    def value(self, i: int, tabs: int) -> int:
        found = _START.search(self.text, i)
        if found is None:
            return max(i, len(self.text))
        i = found.start()
        kind = self.text[i]
        if kind in b"{[":
            self.budget.enter(2)
            i = self._array(i, tabs) if kind == 0x5B else self._block(i, tabs)
            self.budget.depth -= 2
            return i
        return self._scalar(i)

    def _scalar(self, i: int) -> int:
        kind = self.text[i]
        if kind == 0x22:
            return self._copy(_STRING, i)
        if word := {0x74: b"true", 0x66: b"false"}.get(kind):
            self.out += word
            return i + len(word)
        if kind == 0x6E and not (i + 1 < len(self.text) and self.text[i + 1] != 0x75):
            self.out += b"null"
            return i + 4
        found = _NUMBER_REST.match(self.text, i + 1)
        end = found.end() if found else i + 1
        self.out += self.text[i:end]
        return end

    def _copy(self, pattern: re.Pattern[bytes], i: int) -> int:
        found = pattern.match(self.text, i)
        end = found.end() if found else len(self.text)
        self.out += self.text[i:end]
        return end

    def _array(self, i: int, tabs: int) -> int:
        """On one line if it holds no object and fits."""
        room = self.layout.width - (len(self.out) - self.line)
        if self.layout.width > 0 and room > 3:
            mark = len(self.out)
            end = self._on_one_line(i, mark + room)
            if end >= 0:
                return end
            del self.out[mark:]
        return self._block(i, tabs)

    def _on_one_line(self, i: int, limit: int) -> int:
        """-1 if it cannot be done: an object, or wider than up to `limit`."""
        self.out += b"["
        count, i = 0, i + 1
        while found := _NEXT.search(self.text, i):
            i = found.start()
            if self.text[i] == 0x5D:
                self.out += b"]"
                return i + 1 if len(self.out) <= limit else -1
            self.out += b", " if count else b""
            start = _START.search(self.text, i)
            if start is None:
                i = len(self.text)
            elif self.text[start.start()] == 0x7B:
                return -1
            elif self.text[start.start()] == 0x5B:
                self.budget.enter(2)
                i = self._on_one_line(start.start(), limit)
                self.budget.depth -= 2
            else:
                i = self._scalar(start.start())
            if i < 0 or len(self.out) > limit:
                return -1
            count += 1
        return len(self.text) if len(self.out) <= limit else -1

    def _block(self, i: int, tabs: int) -> int:
        opening = self.text[i]
        of_object = opening == 0x7B
        closing = b"}" if of_object else b"]"
        self.out.append(opening)
        i += 1
        pairs: list[tuple[bytes, int, int]] | None = [] if of_object and self.layout.sort_keys else None
        count = 0
        while found := (_IN_OBJECT if of_object else _NEXT).search(self.text, i):
            i = found.start()
            if self.text[i] == closing[0]:
                if pairs:
                    self._sort(pairs)
                if count:
                    self._break()
                if self.out[-1] != opening:
                    self._tabs(tabs)
                self.out += closing
                return i + 1
            if count:
                self.out += b"," if of_object or self.layout.width == -1 else b", "
            self._break()
            begin, key = len(self.out), b""
            self._tabs(tabs + 1)
            if of_object:
                after = self._copy(_STRING, i)
                key, i = self.text[i:after], after
                self.out += b": "
            i = self.value(i, tabs + 1)
            if pairs is not None:
                pairs.append((key, begin, len(self.out)))
            count += 1
        return len(self.text)

    def _break(self) -> None:
        self.line = len(self.out)
        if self.out[-1:] == b" ":
            self.out[-1:] = b"\n"
        else:
            self.out += b"\n"

    def _tabs(self, tabs: int) -> None:
        self.out += self.layout.prefix + self.layout.indent * tabs

    def _sort(self, pairs: list[tuple[bytes, int, int]]) -> None:
        begin, end = pairs[0][1], pairs[-1][2]
        members = [(key, bytes(self.out[first:last])) for key, first, last in pairs]
        ordered = sorted(members, key=cmp_to_key(_compare))
        if ordered != members:
            self.out[begin:end] = b",\n".join(member for _, member in ordered)


def _compare(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> int:
    first, second = _rank(one[0]), _rank(other[0])
    if first == second:
        first, second = _rank(_member_value(*one)), _rank(_member_value(*other))
    return (first > second) - (first < second)


def _member_value(key: bytes, member: bytes) -> bytes:
    value = member.strip()
    return value[len(key) + 1 :].strip() if len(value) >= len(key) + 1 else value


def _rank(value: bytes) -> tuple[int, float, bytes]:
    """Null, false, numbers, strings, true, objects and arrays; within a kind by value."""
    kind = value[:1]
    if kind == b'"':
        return 3, 0.0, parse(Text.of(value)).utf8 if b"\\" not in value or valid(value) else b""
    if kind in (b"", b"n"):
        return 0, 0.0, value
    if kind == b"f":
        return 1, 0.0, value
    if kind == b"t":
        return 4, 0.0, value
    if kind in (b"{", b"["):
        return 5, 0.0, value
    return 2, parse_float(value), b""
