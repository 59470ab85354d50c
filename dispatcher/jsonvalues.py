"""Arguments for targets that take JSON: like those of the short form, and a number stays a number.

A value is a scalar or a template, what stands at a path of an event, a list of those, or an object of those. What is found in an event is
passed on as the JSON that stands there, with all its digits, unless `type` asks for something else. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Discriminator, RootModel, Tag

from dispatcher.arguments import Argument, ArgumentSpec, Scalar
from dispatcher.parameters.showing import show
from tiphys.bus.event import Event
from tiphys.errors import FieldError, TriggerError
from tiphys.schema.model import Model

__all__ = ["JsonArgument", "JsonArgumentSpec", "JsonList", "JsonObject", "JsonValue", "json_faults"]

JsonType = Literal["string", "integer", "number", "boolean", "json"]
_INTEGER: Final = re.compile(r"-?(0|[1-9]\d*)")
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WANTED: Final[Mapping[JsonType, str]] = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "json": "JSON",
}


class JsonArgumentSpec(ArgumentSpec):
    """A value written as a map, as `ArgumentSpec`. `type` is what it becomes from its text: `string`, `integer`, `number`, `boolean`, or
    `json` for what the text holds as JSON. Without it a value stays what it is."""

    type: JsonType | None = None


def _leaf(value: Any) -> str | None:
    if isinstance(value, Mapping | JsonArgumentSpec):
        return "[map]"
    return "[scalar]" if isinstance(value, Scalar) else None


JsonLeaf = Annotated[
    Annotated[Scalar, Tag("[scalar]")] | Annotated[JsonArgumentSpec, Tag("[map]")],
    Discriminator(
        _leaf,
        custom_error_type="problem",
        custom_error_message="{text}",
        custom_error_context={
            "text": "must be a text, a number, true, false or a map",
            "remedy": "write text, or {from: a-dependency, path: body.x}",
        },
    ),
]


class JsonObject(Model):
    """An object: its values by key."""

    object: dict[str, JsonLeaf]


class JsonList(RootModel[list[JsonLeaf]]):
    """A list: its values."""


def _shape(value: Any) -> str | None:
    if isinstance(value, list | JsonList):
        return "[list]"
    if isinstance(value, JsonObject) or (isinstance(value, Mapping) and "object" in value):
        return "[object]"
    return _leaf(value)


JsonValue = Annotated[
    Annotated[Scalar, Tag("[scalar]")]
    | Annotated[JsonArgumentSpec, Tag("[map]")]
    | Annotated[JsonList, Tag("[list]")]
    | Annotated[JsonObject, Tag("[object]")],
    Discriminator(
        _shape,
        custom_error_type="problem",
        custom_error_message="{text}",
        custom_error_context={
            "text": "must be a text, a number, true, false, a list or a map",
            "remedy": "write text, {from: a-dependency, path: body.x}, a list of those, or {object: {key: text}}",
        },
    ),
]
"""A value as it stands in a manifest."""


class JsonArgument:
    """A compiled value."""

    def __init__(self, name: str, written: Any) -> None:
        """Raises `LanguageError` for a template, path or pattern that does not compile."""
        self._list: list[_Leaf] | None = None
        self._object: dict[str, _Leaf] | None = None
        self._single: _Leaf | None = None
        if isinstance(written, JsonList):
            self._list = [_Leaf(f"{name}[{index}]", one) for index, one in enumerate(written.root)]
        elif isinstance(written, JsonObject):
            self._object = {key: _Leaf(f"{name}.{key}", one) for key, one in written.object.items()}
        else:
            self._single = _Leaf(name, written)

    @property
    def asks_all(self) -> bool:
        """Whether one of its templates wants the lists of all events."""
        return any(leaf.argument.asks_all for leaf in self._leaves())

    def json(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> bytes:
        """Its JSON text for these events; `root` as for `Argument.value`. Raises `TriggerError` with the argument's name."""
        if self._single is not None:
            return self._single.json(events, root)
        if self._list is not None:
            return b"[%b]" % b",".join(leaf.json(events, root) for leaf in self._list)
        members = (b"%b:%b" % (orjson.dumps(key), leaf.json(events, root)) for key, leaf in (self._object or {}).items())
        return b"{%b}" % b",".join(members)

    def _leaves(self) -> Iterator[_Leaf]:
        if self._single is not None:
            yield self._single
        yield from self._list or ()
        yield from (self._object or {}).values()


class _Leaf:
    """One value of it that is neither a list nor an object of the manifest's."""

    def __init__(self, name: str, written: Scalar | JsonArgumentSpec) -> None:
        self.argument = Argument(name, written)
        self._written = written
        self._type = written.type if isinstance(written, JsonArgumentSpec) else None

    def json(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> bytes:
        text = self.argument.value(events, root)  # with its pattern, and with an error where nothing is there
        if self._type is not None:
            return _converted(self.argument.name, text, self._type)
        written = self._written
        if not isinstance(written, JsonArgumentSpec):
            return _dumped(text if isinstance(written, str) else written)
        if written.value is not None:
            return _dumped(written.value)
        found = self.argument.found_json(events)
        return _dumped(written.default) if found is None else found


def _converted(name: str, text: str, wanted: JsonType) -> bytes:
    if wanted == "string":
        return _dumped(text)
    plain = text.strip()
    found: bytes | None = plain.encode("utf-8", "surrogatepass")
    if wanted == "json":
        try:
            orjson.loads(found or b"")
        except orjson.JSONDecodeError:
            found = None
    elif wanted == "boolean":
        found = found if plain in ("true", "false") else None
    else:
        found = found if (_INTEGER if wanted == "integer" else _NUMBER).fullmatch(plain) else None
    if found is None:
        text = f"argument {name!r}: {show(text, name)} is no {_WANTED[wanted].removeprefix('a ')}; correct its path or its type"
        raise TriggerError("ArgumentRefused", text)
    return found


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer of more than 64 bits, which a manifest may have
        return orjson.dumps(value.encode("utf-8", "replace").decode()) if isinstance(value, str) else str(value).encode()


def json_faults(written: Any, dependencies: frozenset[str], path: str) -> list[FieldError]:
    """What is wrong with a value at load; `path` is its own."""
    parts: list[tuple[str, Any]] = [(path, written)]
    if isinstance(written, JsonList):
        parts = [(f"{path}[{index}]", one) for index, one in enumerate(written.root)]
    elif isinstance(written, JsonObject):
        parts = [(f"{path}.object.{key}", one) for key, one in written.object.items()]
    found = [fault for where, one in parts for fault in Argument.faults(where, one, dependencies, where)]
    for where, one in parts:
        if isinstance(one, JsonArgumentSpec) and one.type is not None:
            for key, fixed in (("value", one.value), ("default", one.default)):
                if fixed is not None and not _fits(fixed, one.type):
                    found.append(FieldError(f"{where}.{key}", f"is no {one.type}", "correct one of the two", repr(fixed)))
    return found


def _fits(fixed: Scalar, wanted: JsonType) -> bool:
    text = ("true" if fixed else "false") if isinstance(fixed, bool) else str(fixed)
    try:
        _converted("", text, wanted)
    except TriggerError:
        return False
    return True
