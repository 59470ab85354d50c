"""Values into JSON text (reference 6.4). Text in, text out: whatever no parameter names keeps its bytes, numbers their digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dispatcher.parameters.manifest import PayloadParameter, TriggerParameter
from dispatcher.parameters.resolve import Resolved, Resolver
from tiphys.bus.event import Event
from tiphys.errors import PathError, TriggerError
from tiphys.languages import gjson, sjson

__all__ = ["apply", "construct_payload"]


def apply(
    parameters: Sequence[TriggerParameter], object_text: bytes, events: Mapping[str, Event], warnings: list[str] | None = None
) -> bytes:
    """The object with all parameters set, one after the other. A parameter whose dependency has no event and no default is left out,
    and so is one with `onMissing: skip` that finds nothing.

    Raises `TriggerError`: `ParameterNotFound`, `ParameterDataUnusable`, `ParameterNotSet` (its place does not fit the object),
    `ParameterNotConverted` and `ParameterRefused` (`type` and `validate`).
    `warnings` collects, for the record of the attempt, what argo-events passes over in silence: a `dest` that matches nothing, a template
    that failed before its fallback.
    """
    resolver = Resolver(events, warnings)
    for number, parameter in enumerate(parameters):
        where = f"parameters[{number}] for {parameter.dest}: "
        resolved = resolver.parameter(parameter, where)
        if resolved is not None:
            object_text = _set(object_text, parameter, resolved, where, warnings)
    return object_text


def construct_payload(payload: Sequence[PayloadParameter], events: Mapping[str, Event], warnings: list[str] | None = None) -> bytes:
    """The body that `payload` makes, empty if it is empty. The first entry with an empty `dest` and a value is the whole body.

    Raises `TriggerError` as `apply` does, and `ParameterNotFound` for a value that has a place but whose dependency has no event in this
    firing and no default: a body with a part missing is not what was asked for. `operation` has no meaning here.
    """
    resolver = Resolver(events, warnings)
    body = b""
    for number, parameter in enumerate(payload):
        where = f"payload[{number}] for {parameter.dest or 'the whole body'}: "
        resolved = resolver.parameter(parameter, where)
        if parameter.place is None:
            if resolved is not None:
                return resolved.value
            continue
        if resolved is None and parameter.on_missing == "skip":
            continue
        if resolved is None:
            name = parameter.src.dependency_name
            text = f"{where}dependency {name} has no event in this firing; add a default (value), or make the condition need it"
            raise TriggerError("ParameterNotFound", text)
        body = _put(body, parameter, parameter.place, resolved, where, warnings)
    return body


def _set(text: bytes, parameter: TriggerParameter, resolved: Resolved, where: str, warnings: list[str] | None) -> bytes:
    place = parameter.place
    if place is None:
        return text
    if parameter.operation in ("append", "prepend"):
        try:
            current = place.current(text)
        except PathError as error:
            raise TriggerError("ParameterNotSet", f"{where}{error}") from error
        if current.exists:
            parts = [current.utf8, resolved.value] if parameter.operation == "append" else [resolved.value, current.utf8]
            resolved = Resolved(gjson.Type.STRING, b"".join(parts))
    return _put(text, parameter, place, resolved, where, warnings)


def _put(
    text: bytes, parameter: PayloadParameter, place: sjson.Place, resolved: Resolved, where: str, warnings: list[str] | None
) -> bytes:
    raw = (parameter.src.use_raw_data or parameter.type is not None) and resolved.type is not gjson.Type.STRING
    try:
        made = place.set_raw(text, resolved.value) if raw else place.set(text, resolved.value)
    except PathError as error:
        raise TriggerError("ParameterNotSet", f"{where}{error}") from error
    if place.searches and made is text and warnings is not None:
        warnings.append(f"{where}dest matches nothing that can be set, so nothing was changed")
    return made
