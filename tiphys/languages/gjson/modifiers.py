"""The modifiers, `@reverse` to `@group`. Each is a function of JSON text, made once for its argument; `@dig` searches and is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from tiphys.languages.gjson.budget import Budget
from tiphys.languages.gjson.pretty import Layout, pretty
from tiphys.languages.gjson.quoting import quote
from tiphys.languages.gjson.result import Result, Text, parse
from tiphys.languages.gjson.scan import trim
from tiphys.languages.gjson.validity import valid
from tiphys.languages.gjson.values import is_array, is_object, members

__all__ = ["NAMES", "Modifier", "prepare"]

Modifier = Callable[[Text, Budget], Text]


def prepare(name: bytes, argument: bytes) -> Modifier:
    """The modifier of that name for that argument."""
    return _MODIFIERS[name](argument)


def _options(argument: bytes) -> Mapping[str, Result]:
    return {key.string: value for key, value in members(parse(Text.of(argument)))} if argument else {}


def _flag(argument: bytes, name: str) -> bool:
    found = _options(argument).get(name)
    return found is not None and found.bool


def _without_argument(modifier: Callable[[Text], Text]) -> Callable[[bytes], Modifier]:
    return lambda _: lambda text, _: modifier(text)


def _joined(opening: bytes, parts: list[bytes], closing: bytes) -> Text:
    return Text.of(opening + b",".join(parts) + closing)


def _this(text: Text) -> Text:
    return text


_SPACE_OR_STRING: Final = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)|[\x00-\x20]++', re.DOTALL)


def _ugly(text: Text) -> Text:
    return Text.of(_SPACE_OR_STRING.sub(rb"\1", text.copy()))


def _pretty(argument: bytes) -> Modifier:
    layout = Layout()
    for name, value in _options(argument).items():
        match name:
            case "sortKeys":
                layout.sort_keys = value.bool
            case "indent":
                layout.indent = _only_space(value.utf8)
            case "prefix":
                layout.prefix = _only_space(value.utf8)
            case "width":
                layout.width = int(max(-1e9, min(value.float, 1e9)))
            case _:
                pass
    return lambda text, budget: Text.of(pretty(text.copy(), layout, budget))


def _only_space(text: bytes) -> bytes:
    return re.sub(rb"[^ \t\n\r]", b"", text)


def _reverse(text: Text) -> Text:
    found = parse(text)
    if is_array(found):
        return _joined(b"[", [value.raw for _, value in members(found)][::-1], b"]")
    if is_object(found):
        return _joined(b"{", [b"%b:%b" % (key.raw, value.raw) for key, value in members(found)][::-1], b"}")
    return text


def _unwrapped(text: bytes) -> bytes:
    text = trim(text)
    return text[1:-1] if len(text) >= 2 and text[:1] in (b"[", b"{") else text


def _flatten(argument: bytes) -> Modifier:
    deep = _flag(argument, "deep")

    def flatten(text: Text, budget: Budget) -> Text:
        found = parse(text)
        if not is_array(found):
            return text
        parts: list[bytes] = []
        levels = [members(found)]
        while levels:
            _, value = next(levels[-1], (None, None))
            if value is None:
                levels.pop()
            elif deep and is_array(value):
                budget.spend(value.text.end - value.text.start)
                levels.append(members(value))
            else:
                parts.append((_unwrapped(value.raw) if is_array(value) else value.raw).strip())
        return _joined(b"[", [part for part in parts if part], b"]")

    return flatten


def _keys(text: Text) -> Text:
    found = parse(text)
    of_object = is_object(found)
    return _joined(b"[", [key.raw if of_object else b"null" for key, _ in members(found)], b"]")


def _values(text: Text) -> Text:
    found = parse(text)
    return text if is_array(found) else _joined(b"[", [value.raw for _, value in members(found)], b"]")


def _join(argument: bytes) -> Modifier:
    preserve = _flag(argument, "preserve")

    def join(text: Text, _: Budget) -> Text:
        found = parse(text)
        if not is_array(found):
            return text
        objects = [value for _, value in members(found) if is_object(value)]
        if preserve:
            return _joined(b"{", [_unwrapped(value.raw) for value in objects], b"}")
        joined: dict[bytes, tuple[bytes, bytes]] = {}
        for item in objects:
            for key, value in members(item):
                first = joined.get(key.utf8)
                joined[key.utf8] = (first[0] if first else key.raw, value.raw)
        return _joined(b"{", [b"%b:%b" % member for member in joined.values()], b"}")

    return join


def _valid(text: Text) -> Text:
    return text if valid(text.copy()) else Text.of(b"")


def _fromstr(text: Text) -> Text:
    return Text.of(parse(text).utf8) if valid(text.copy()) else Text.of(b"")


def _tostr(text: Text) -> Text:
    return Text.of(quote(text.copy()))


def _group(text: Text) -> Text:
    found = parse(text)
    if not is_object(found):
        return Text.of(b"")
    groups: list[list[bytes]] = []
    for key, value in members(found):
        if is_array(value):
            for number, (_, item) in enumerate(members(value)):
                if number == len(groups):
                    groups.append([])
                groups[number].append(b"%b:%b" % (key.raw, item.raw))
    return _joined(b"[", [b"{%b}" % b",".join(group) for group in groups], b"]")


_MODIFIERS: Final[Mapping[bytes, Callable[[bytes], Modifier]]] = {
    b"pretty": _pretty,
    b"ugly": _without_argument(_ugly),
    b"reverse": _without_argument(_reverse),
    b"this": _without_argument(_this),
    b"flatten": _flatten,
    b"join": _join,
    b"valid": _without_argument(_valid),
    b"keys": _without_argument(_keys),
    b"values": _without_argument(_values),
    b"tostr": _without_argument(_tostr),
    b"fromstr": _without_argument(_fromstr),
    b"group": _without_argument(_group),
}

NAMES: Final = frozenset((*_MODIFIERS, b"dig"))
"""All modifiers, `@dig` included."""
