"""A path's syntax, taken apart.

gjson reads a path while it walks, and reads the same text differently in an object and in an array (`a\\.b`, `#`), so a path is a chain
of parts that are each read once, when first needed, in the way they are needed. Nothing is read again for the next document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tiphys.languages.gjson import modifiers
from tiphys.languages.gjson.quoting import quote
from tiphys.languages.gjson.scan import closed_end, squash, trim, unescape
from tiphys.languages.gjson.validity import valid

if TYPE_CHECKING:
    from tiphys.languages.gjson.modifiers import Modifier

__all__ = ["ArrayPart", "Built", "Changed", "Fixed", "ObjectPart", "Query", "Route"]


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """A part as an object understands it: a key, with wildcards if `wild`; then `rest` below it, or `pipe` on what was found."""

    key: bytes
    wild: bool
    rest: Route | None
    pipe: Route | None


@dataclass(frozen=True, slots=True)
class Query:
    """`#(path op value)`; `every` if a second `#` follows. `tilde` is what follows `~` in the value, else `None`."""

    path: Route
    operator: bytes
    value: bytes
    tilde: bytes | None
    every: bool


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """A part as an array understands it.

    `index` is the element, -1 for none; `hash` whether there is a `#`; `counts` if it stands alone; `each` what to collect of every
    element (`#.name`) and `each_pipe` what to do with the collection; `query` a query. `rest` and `pipe` as in `ObjectPart`,
    `rest_pipe` a pipe within `rest` behind a query.
    """

    index: int
    hash: bool
    counts: bool
    each: Route | None
    each_pipe: Route | None
    query: Query | None
    rest: Route | None
    rest_pipe: Route | None
    pipe: Route | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A path that begins with a modifier, or with `@dig` and the path it digs for; `rest` goes on with what it makes."""

    modifier: Modifier | None
    dig: Route | None
    rest: Route | None


@dataclass(frozen=True, slots=True)
class Fixed:
    """A path that begins with a literal (`!"x"`)."""

    text: bytes
    rest: Route | None


@dataclass(frozen=True, slots=True)
class Built:
    """A multipath: `{name:path,…}` with each name as JSON and a colon, or `[path,…]` with empty names."""

    opening: bytes
    closing: bytes
    members: tuple[tuple[bytes, Route], ...]
    rest: Route | None


class Route:
    """A path or what is left of it."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    @cached_property
    def head(self) -> Changed | Fixed | Built | None:
        """What a path begins with if that is no key."""
        return self._head_and_walk[0]

    @cached_property
    def walk(self) -> Route:
        """Where there is no such head, what to look for in the document. A multipath that is never closed looks for nothing."""
        return self._head_and_walk[1]

    @cached_property
    def lines(self) -> Route | None:
        """What follows `..`, which takes the document for an array of its lines."""
        return Route(self.text[2:]) if self.text.startswith(b"..") else None

    @cached_property
    def _head_and_walk(self) -> tuple[Changed | Fixed | Built | None, Route]:
        text = self.text
        if len(text) > 1:
            if text[:1] == b"@":
                return _changed(text), self
            if text[:1] == b"!":
                return _fixed(text), self
            if text[:1] in (b"{", b"["):
                return _built(text)
        return None, self

    @property
    def flaw(self) -> str:
        """See `Path.flaw`."""
        route: Route | None = self
        while route is not None:
            text = route.text
            if text[:2] in (b"#(", b"#[") and _query(text) is None:
                return "has a query that is never closed"
            if text[:1] in (b"{", b"[") and len(text) > 1 and route.head is None:
                return "has a multipath that is never closed, or goes on without a dot"
            if route.head is not None:
                route = route.head.rest
            else:
                part = route.in_array
                route = part.rest or part.pipe or part.rest_pipe
        return ""

    @cached_property
    def in_object(self) -> ObjectPart:
        """The first part as an object reads it."""
        return _object_part(self.text)

    @cached_property
    def in_array(self) -> ArrayPart:
        """The first part as an array reads it."""
        return _array_part(self.text)


def _continued(text: bytes) -> Route | None:
    return Route(text[1:]) if text[:1] in (b"|", b".") else None


def _changed(text: bytes) -> Changed | None:
    found = re.match(rb"@([^:|.]*)(:?)", text)
    if found is None or found.group(1) not in modifiers.NAMES:
        return None
    name, rest, i = found.group(1), text[found.end() :], 0
    if found.group(2) and rest[:1] in (b"{", b"[", b'"'):
        i = closed_end(rest, 0, len(rest))
    elif found.group(2):
        while i < len(rest) and rest[i] != 0x7C:
            i = closed_end(rest, i, len(rest)) if rest[i] in b'{["(' else i + 1
    argument, after = rest[:i], _continued(rest[i:])
    if name == b"dig":
        return Changed(None, Route(argument), after)
    return Changed(modifiers.prepare(name, argument), None, after)


_WORDS: Final = frozenset((b"true", b"false", b"null", b"nan", b"inf"))


def _fixed(text: bytes) -> Fixed | None:
    if text[1:2] in (b"{", b"[", b'"', b"+", b"-", *(b"%d" % digit for digit in range(10))):
        # as in gjson, the first character counts as an opening bracket, whatever it is
        end = squash(text, 1, len(text))[1]
        return Fixed(text[1:end], _continued(text[end:]))
    found = re.match(rb"!([^|.]*)", text)
    if found is None or found.group(1).lower() not in _WORDS:
        return None
    return Fixed(found.group(1), _continued(text[found.end() :]))


_SELECTOR: Final = re.compile(rb'\\.?|"(?:\\.|[^"\\])*+"?|[@:,\[\](){}]', re.DOTALL)


def _built(text: bytes) -> tuple[Built | None, Route]:
    members: list[tuple[bytes, Route]] = []
    depth, start, colon, modifier = 1, 1, 0, False
    of_object = text[:1] == b"{"
    for token in _SELECTOR.finditer(text, 1):
        i, kind = token.start(), token.group()
        if kind == b"@":
            modifier = modifier or text[i - 1] in b".|"
        elif kind == b":":
            if not modifier and not colon and depth == 1:
                colon = i
        elif kind in (b"[", b"(", b"{"):
            depth += 1
        elif kind in (b"]", b")", b"}", b","):
            depth -= kind != b","
            if depth == 0 or (kind == b"," and depth == 1):
                name, path = (text[start:colon], text[colon + 1 : i]) if colon else (b"", text[start:i])
                members.append((_member_name(name, path) + b":" if of_object else b"", Route(path)))
                start, colon, modifier = i + 1, 0, False
            if depth == 0:
                rest = text[i + 1 :]
                if rest and rest[:1] not in (b"|", b"."):
                    return None, Route(rest)
                return Built(text[:1], b"}" if of_object else b"]", tuple(members), _continued(rest)), Route(rest)
    return None, Route(b"")


_NOT_SIMPLE: Final = re.compile(rb"[\x00-\x1f\[\]{}()#|!]")


def _member_name(name: bytes, path: bytes) -> bytes:
    if name:
        return name if name[:1] == b'"' and valid(name) else quote(name)
    last = re.split(rb"(?<!\\)[|.]", path)[-1]
    return quote(b"_" if _NOT_SIMPLE.search(last) else last)


def _pipes(rest: bytes) -> bool:
    """Whether what follows a dot is a modifier or a multipath, before which a dot is a pipe."""
    if rest[:1] == b"@":
        name = re.match(rb"@([^.|:]*)", rest)
        return name is not None and name.group(1) in modifiers.NAMES
    return rest[:1] in (b"[", b"{")


_OBJECT_SPECIAL: Final = re.compile(rb"[|.*?\\]")


def _object_part(text: bytes) -> ObjectPart:
    key, wild, i = bytearray(), False, 0
    while special := _OBJECT_SPECIAL.search(text, i):
        at, kind = special.start(), special.group()
        key += text[i:at]
        i = at + 1
        if kind == b"|":
            return ObjectPart(bytes(key), wild, None, Route(text[i:]))
        if kind == b".":
            rest = text[i:]
            if rest and _pipes(rest):
                return ObjectPart(bytes(key), wild, None, Route(rest))
            return ObjectPart(bytes(key), wild, Route(rest), None)
        if kind == b"\\":
            key += text[i : i + 1]
            i += 1
        else:
            wild = True
            key += kind
    return ObjectPart(bytes(key + text[i:]), wild, None, None)


_ARRAY_SPECIAL: Final = re.compile(rb"[|.#]")


def _array_part(text: bytes) -> ArrayPart:
    has_hash, each, query, i = False, None, None, 0
    part, rest, pipe = text, None, None
    while special := _ARRAY_SPECIAL.search(text, i):
        at, kind = special.start(), special.group()
        i = at + 1
        if kind == b"#":
            has_hash = True
            if at == 0 and text[1:2] == b".":
                each = text[2:]
            elif at == 0 and text[1:2] in (b"[", b"("):
                read = _query(text)
                if read is None:  # never closed: gjson asks nothing then, and everything passes
                    query = Query(Route(b""), b"", b"", None, every=False)
                    break
                query, i = read
            continue
        part, after = text[:at], text[i:]
        if kind == b"|" or (not has_hash and after and _pipes(after)):
            pipe = Route(after)
        else:
            rest = Route(after)
        break
    each_route = each_pipe = rest_pipe = None
    if each is not None:
        left, right = _split_pipe(each)
        each_route, each_pipe = Route(left), right
    if query is not None and rest is not None:
        left, rest_pipe = _split_pipe(rest.text)
        rest = Route(left)
    index = int(part) if not has_hash and re.fullmatch(rb"[0-9]{1,18}", part) else -1
    return ArrayPart(index, has_hash, has_hash and part == b"#", each_route, each_pipe, query, rest, rest_pipe, pipe)


_IN_QUERY: Final = re.compile(rb'\\.?|"(?:\\.|[^"\\])*+"?|[!=<>%\[\]()]', re.DOTALL)
_OPERATORS: Final = (b"!=", b"!%", b"<=", b">=", b"==", b"<", b">", b"=", b"%")


def _query(text: bytes) -> tuple[Query, int] | None:
    """The query that `text` begins with, and where it ends; `None` if it is never closed."""
    depth, operator_at, escapes = 1, 0, False
    for token in _IN_QUERY.finditer(text, 2):
        i, kind = token.start(), token.group()
        if kind in (b"[", b"("):
            depth += 1
        elif kind in (b"]", b")"):
            depth -= 1
            if depth == 0:
                break
        elif kind[:1] == b'"':
            escapes = escapes or b"\\" in kind
        elif depth == 1 and not operator_at and kind[:1] in b"!=<>%":
            operator_at = i
    else:
        return None
    path, operator, value = trim(text[2 : operator_at or i]), b"", b""
    if operator_at:
        value = trim(text[operator_at:i])
        operator = next((sign for sign in _OPERATORS if value.startswith(sign)), value[:1] if len(value) == 1 else b"")
        value = trim(value[len(operator) :])
        operator = b"=" if operator == b"==" else operator
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        value = unescape(value[1:-1]) if escapes else value[1:-1]
    tilde = value[1:] if value[:1] == b"~" else None
    return Query(Route(path), operator, value, tilde, text[i + 1 : i + 2] == b"#"), i + 1


_IN_PIPED: Final = re.compile(rb"\\.?|\.#.?|\||\.", re.DOTALL)  # gjson steps over what follows `.#`, a pipe as well
_IN_SELECTOR: Final = re.compile(rb'\\.?|"(?:\\.|[^"\\])*+"?|[\[\]()]', re.DOTALL)


def _split_pipe(text: bytes) -> tuple[bytes, Route | None]:
    """A path behind `#` and the pipe in it, which belongs to what `#` has collected."""
    if b"|" not in text:
        return text, None
    if text[:1] == b"{":
        end = closed_end(text, 1, len(text))
        if text[end : end + 1] == b"|":
            return text[:end], Route(text[end + 1 :])
        return text, None
    i = 0
    while found := _IN_PIPED.search(text, i):
        i = found.end()
        kind = found.group()
        if kind == b"|":
            return text[: found.start()], Route(text[i:])
        if kind in (b".#[", b".#("):
            i = _selector_end(text, i, kind[2:])
    return text, None


def _selector_end(text: bytes, i: int, opening: bytes) -> int:
    closing = b"]" if opening == b"[" else b")"
    depth = 1
    for token in _IN_SELECTOR.finditer(text, i):
        kind = token.group()
        depth += (kind == opening) - (kind == closing)
        if depth == 0:
            return token.end()
    return len(text)
