"""Params of a run of Tekton: from the manifest's text to a value of the type that is declared (string, array, object). Pure.

Each part of a param is an argument of the short form (`dispatcher.arguments`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from pydantic import Discriminator, RootModel, Tag

from dispatcher.arguments import Argument, ArgumentSpec, ArgumentValue, Scalar
from dispatcher.parameters.showing import show
from dispatcher.pipelines import DeclaredParam, ParamType
from tiphys.bus.event import Event
from tiphys.errors import FieldError, TriggerError
from tiphys.schema.model import Model

__all__ = ["ListValue", "ObjectValue", "Param", "ParamValue", "Value", "param_faults", "typed"]

Value = str | list[str] | dict[str, str]


class ObjectValue(Model):
    """A param of the type object: its values by key."""

    object: dict[str, ArgumentValue]


class ListValue(RootModel[list[ArgumentValue]]):
    """A param of the type array: its values."""


def _shape(value: Any) -> str | None:
    if isinstance(value, list | ListValue):
        return "[list]"
    if isinstance(value, ObjectValue) or (isinstance(value, Mapping) and "object" in value):
        return "[object]"
    if isinstance(value, Mapping | ArgumentSpec):
        return "[map]"
    return "[scalar]" if isinstance(value, Scalar) else None


ParamValue = Annotated[
    Annotated[Scalar, Tag("[scalar]")]
    | Annotated[ArgumentSpec, Tag("[map]")]
    | Annotated[ListValue, Tag("[list]")]
    | Annotated[ObjectValue, Tag("[object]")],
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
"""A param as it stands in a manifest."""


class Param:
    """A compiled param."""

    def __init__(self, name: str, written: Any) -> None:
        self.name = name
        self._list: list[Argument] | None = None
        self._object: dict[str, Argument] | None = None
        self._single: Argument | None = None
        if isinstance(written, ListValue):
            self._list = [Argument(f"{name}[{index}]", one) for index, one in enumerate(written.root)]
        elif isinstance(written, ObjectValue):
            self._object = {key: Argument(f"{name}.{key}", one) for key, one in written.object.items()}
        else:
            self._single = Argument(name, written)

    @property
    def arguments(self) -> Sequence[Argument]:
        """All that it consists of."""
        if self._single is not None:
            return [self._single]
        return self._list if self._list is not None else [*(self._object or {}).values()]

    def value(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> Value:
        """Its value for these events. Raises `TriggerError`."""
        if self._single is not None:
            return self._single.value(events, root)
        if self._list is not None:
            return [one.value(events, root) for one in self._list]
        return {key: one.value(events, root) for key, one in (self._object or {}).items()}


def param_faults(written: Mapping[str, Any], dependencies: frozenset[str], path: str) -> list[FieldError]:
    """What is wrong with params at load; `path` is that of all of them."""
    parts: list[tuple[str, Any]] = []
    for name, one in written.items():
        if isinstance(one, ListValue):
            parts += [(f"{path}.{name}[{index}]", each) for index, each in enumerate(one.root)]
        elif isinstance(one, ObjectValue):
            parts += [(f"{path}.{name}.object.{key}", each) for key, each in one.object.items()]
        else:
            parts.append((f"{path}.{name}", one))
    return [fault for where, one in parts for fault in Argument.faults(where, one, dependencies, where)]


def typed(name: str, value: Value, declared: DeclaredParam) -> Value:
    """A value as its param takes it: the text of a list or of an object is one where that is declared. Raises `TriggerError`."""
    if isinstance(value, str) and declared.type != "string":
        value = _parsed(name, value, declared.type)
    found: ParamType = "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "string"
    if found != declared.type:
        text = f"params.{name} is of the type {found}, and {declared.type} is declared; correct one of the two"
        raise TriggerError("ArgumentsDisagree", text, transient=True)
    if declared.enum and value not in declared.enum:
        allowed = ", ".join(map(repr, declared.enum))
        text = f"params.{name}: {show(str(value), name)} is not one of {allowed}; filter such events out, or extend the enum"
        raise TriggerError("ArgumentRefused", text)
    if isinstance(value, dict) and (missing := sorted(declared.keys - value.keys())):
        text = f"params.{name} lacks {', '.join(missing)}; add it, or give it a default"
        raise TriggerError("ArgumentsDisagree", text, transient=True)
    return value


def _parsed(name: str, text: str, wanted: ParamType) -> list[str] | dict[str, str]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if wanted == "array" and isinstance(value, list):
        return [_text(one) for one in value]
    if wanted == "object" and isinstance(value, dict):
        return {key: _text(one) for key, one in value.items()}
    shape = "list" if wanted == "array" else "object"
    problem_text = f"params.{name}: {show(text, name)} is no JSON {shape}, and {wanted} is declared; correct its path"
    raise TriggerError("ArgumentRefused", problem_text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
