"""The walk: a path against JSON text. What gjson does, in its order, and so with its answers to text that is no JSON as well."""

from __future__ import annotations

import re
from typing import Final

from tiphys.languages.gjson.budget import Budget
from tiphys.languages.gjson.comparison import holds
from tiphys.languages.gjson.result import NOTHING, Result, Text, Type, parse
from tiphys.languages.gjson.scan import OBJECT_OR_ARRAY, string_end, unescape
from tiphys.languages.gjson.syntax import ArrayPart, Built, Changed, ObjectPart, Query, Route
from tiphys.languages.gjson.values import extent, is_array, is_object, members, parse_any, value
from tiphys.languages.gjson.wildcard import matches

__all__ = ["search"]

_KEY: Final = re.compile(rb'["}]')
_MEMBER: Final = re.compile(rb'["{\[ntf+\-0-9iIN]')
_ELEMENT: Final = re.compile(rb'["{\[ntf+\-0-9iIN\]]')
_JSON_SPACE: Final = re.compile(rb"[ \t\r\n]*+")


def search(text: Text, route: Route, budget: Budget) -> Result:
    """What is at `route` in `text`. Raises `PathError` when the budget is used up."""
    budget.spend(text.end - text.start)
    budget.enter(4)
    found = _search(text, route, budget)
    budget.depth -= 4
    return found


def _search(text: Text, route: Route, budget: Budget) -> Result:
    head = route.head
    if head is None:
        return _Walk(text, budget).run(route.walk)
    if isinstance(head, Built):
        return _build(text, head, budget)
    if isinstance(head, Changed):
        made = head.modifier(text, budget) if head.modifier else _dig(text, head.dig or route, budget)
        budget.spend(made.end - made.start)
    else:
        made = Text.of(head.text)
    return parse(made) if head.rest is None else search(made, head.rest, budget).at(0, None)


def _within(outer: Result, route: Route, budget: Budget) -> Result:
    """Search in a result; places are then those in what `outer` was found in."""
    found = search(outer.text, route, budget)
    if found.indexes is None:
        return found.at(found.index + outer.index, None) if outer.index else found
    return found.at(found.index, [index + outer.index for index in found.indexes])


def _build(text: Text, head: Built, budget: Budget) -> Result:
    parts = []
    for name, route in head.members:
        found = search(text, route, budget)
        if found.exists:
            parts.append(name + (found.raw or found.utf8 or b"null"))
    made = Text.of(head.opening + b",".join(parts) + head.closing)
    budget.spend(made.end)
    result = Result(Type.JSON, made)
    return result if head.rest is None else _without_index(_within(result, head.rest, budget))


def _without_index(found: Result) -> Result:
    return found.at(0, found.indexes)


def _dig(text: Text, route: Route, budget: Budget) -> Text:
    """`@dig`: what is at `route` in the document and in everything in it, from the outside in."""
    found: list[bytes] = []
    levels = [iter([(NOTHING, parse(text))])]
    while levels:
        _, item = next(levels[-1], (NOTHING, None))
        if item is None:
            levels.pop()
            continue
        here = search(item.text, route, budget)
        if here.exists:
            found.append(here.raw)
        if is_array(item) or is_object(item):
            levels.append(members(item))
    return Text.of(b"[%b]" % b",".join(found))


class _Walk:
    """One pass over a text. `found` is what was found, `pipe` what is to be done with it; both may be set although the walk failed."""

    __slots__ = ("budget", "counted", "found", "pipe", "text")

    def __init__(self, text: Text, budget: Budget) -> None:
        self.text, self.budget = text, budget
        self.found = NOTHING
        self.pipe: Route | None = None
        self.counted = False

    def run(self, route: Route) -> Result:
        buf, start, end = self.text
        if route.lines is not None:
            self._array(start, route.lines.in_array)
        elif opening := OBJECT_OR_ARRAY.search(buf, start, end):
            i = opening.start()
            if buf[i] == 0x7B:
                self._object(i + 1, route.in_object)
            else:
                self._array(i + 1, route.in_array)
        if self.pipe is not None:
            return _without_index(_within(self.found, self.pipe, self.budget))
        if self.counted or not self.found.text.end > self.found.text.start:
            return self.found
        return self.found.at(self.found.text.offset_in(self.text), self.found.indexes)

    def _below(self, i: int, rest: Route) -> tuple[int, bool]:
        """Into the object or array that opens at `i`."""
        self.budget.enter(1)
        in_object = self.text.buf[i] == 0x7B
        found = self._object(i + 1, rest.in_object) if in_object else self._array(i + 1, rest.in_array)
        self.budget.depth -= 1
        return found

    def _object(self, i: int, part: ObjectPart) -> tuple[int, bool]:
        """Where to go on, and whether it was found. `i` is behind the opening bracket."""
        buf, _, end = self.text
        if part.pipe is not None:
            self.pipe = part.pipe
        key, wild, rest = part.key, part.wild, part.rest
        while i < end:
            found = _KEY.search(buf, i, end)
            if found is None:
                return end, False
            i = found.start()
            if buf[i] == 0x7D:
                return i + 1, False
            close = string_end(buf, i + 1, end)
            if close < 0:
                return end, False
            name = buf[i + 1 : close - 1]
            if b"\\" in name:
                name = unescape(name)
            hit = matches(name, key) if wild else name == key
            begin = _MEMBER.search(buf, close, end)
            if begin is None:
                return end, False
            i = begin.start()
            if hit and rest is not None and buf[i] in b"{[":
                i, done = self._below(i, rest)
                if done:
                    return i, True
                continue
            after, close, kind = extent(buf, i, end)
            if after < 0:
                return end, False
            if hit and rest is None:
                self.found = value(buf, i, close, kind)
                return after, True
            i = after
        return i, False

    def _array(self, i: int, part: ArrayPart) -> tuple[int, bool]:
        """As `_object`. An array whose text ends early is taken for closed there."""
        buf, _, end = self.text
        if part.pipe is not None:
            self.pipe = part.pipe
        collected = _Collected()
        starts: list[int] = []
        number, rest, query = -1, part.rest, part.query
        while i <= end:
            number += 1
            if part.each is not None:
                starts.append(i)
            found = _ELEMENT.search(buf, i, end)
            if found is None or buf[found.start()] == 0x5D:
                i = found.start() if found else end
                return i + 1, self._close(part, number, starts, collected)
            i = found.start()
            hit = number == part.index and not part.hash
            if hit and rest is not None and buf[i] in b"{[":
                i, done = self._below(i, rest)
                if done:
                    return i, True
                continue
            after, close, kind = extent(buf, i, end)
            if after < 0:
                return end, False
            if query is not None:
                if self._ask(value(buf, i, close, kind), part, query, collected):
                    return after, True
            elif hit and rest is None:
                self.found = value(buf, i, close, kind)
                return after, True
            i = after
        return i, False

    def _ask(self, element: Result, part: ArrayPart, query: Query, collected: _Collected) -> bool:
        """Put the query to one element. Whether that ends the walk."""
        if element.type is Type.JSON:
            answer = search(element.text, query.path, self.budget)
        elif query.path.text:
            return False
        else:
            answer = element
        if not holds(query, answer):
            return False
        found = element
        if part.rest is not None:
            if part.rest_pipe is not None:
                self.pipe = part.rest_pipe
            found = search(element.text, part.rest, self.budget)
        if not query.every:
            self.found = found
            return True
        raw = found.raw or found.utf8
        if raw:
            collected.parts.append(raw)
            collected.indexes.append(found.index + element.text.start - self.text.start)
        return False

    def _close(self, part: ArrayPart, count: int, starts: list[int], collected: _Collected) -> bool:
        """At the end of an array: the count, what `#` has collected, or what a query has."""
        if part.counts:
            if part.each is not None:
                if part.each_pipe is not None:
                    self.pipe = part.each_pipe
                self.found = self._each(starts, part.each)
            else:
                self.found = Result(Type.NUMBER, Text.of(b"%d" % count))
                self.counted = True
            return True
        if not self.found.exists and part.query is not None and part.query.every:
            self.found = Result(Type.JSON, Text.of(b"[%b]" % b",".join(collected.parts)), indexes=collected.indexes or None)
        return False

    def _each(self, starts: list[int], route: Route) -> Result:
        buf, _, end = self.text
        parts, indexes = [], []
        for place in starts:
            space = _JSON_SPACE.match(buf, place, end)
            i = space.end() if space else place
            if i < end and buf[i] != 0x5D:
                _, element = parse_any(self.text, i)
                if element is not None:
                    found = _within(element, route, self.budget)
                    if found.exists:
                        parts.append(found.raw or found.utf8)
                        indexes.append(found.index)
        return Result(Type.JSON, Text.of(b"[%b]" % b",".join(parts)), indexes=indexes)


class _Collected:
    """What a query has found so far."""

    __slots__ = ("indexes", "parts")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.indexes: list[int] = []
