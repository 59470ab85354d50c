"""What every manifest model is made of.

Types are strict as Go's JSON decoder is: a number is no string, a string no boolean. `null` is the same as absent. Unknown
fields do not stop a manifest here; `unknown_fields` finds them, and what to do about them is for the caller (DESIGN section 4).
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from tiphys.errors import FaultKind, FieldError, shorten

__all__ = ["Model", "UnknownField", "field_errors", "problem", "unknown_fields"]


class Model(BaseModel):
    """Base of all manifest models: strict, frozen, camelCase in YAML, `null` as absent."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,  # a model is compiled when the first manifest asks for it; most are never asked
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            return {key: value for key, value in data.items() if value is not None}
        return data


def problem(text: str, remedy: str = "", kind: FaultKind = FaultKind.INVALID) -> PydanticCustomError:
    """What a validator raises: `text` says what is wrong, `remedy` what to do. Braces in them stand for themselves."""
    return PydanticCustomError("problem", "{text}", {"text": text, "remedy": remedy, "kind": kind})


_REMEDIES: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is missing", "add it"),
    "string_too_short": ("is empty", "write something, or take it out"),
    "string_type": ("must be a string", "put it in quotes"),
    "int_type": ("must be a whole number", "write it without quotes"),
    "int_from_float": ("must be a whole number", "write it without a fraction"),
    "float_type": ("must be a number", "write it without quotes"),
    "bool_type": ("must be true or false", "write it without quotes"),
    "list_type": ("must be a list", "put it on a line of its own after '- '"),
    "tuple_type": ("must be a list", "put it on a line of its own after '- '"),
    "dict_type": ("must be a map", "write 'key: value' lines below it"),
    "model_type": ("must be a map", "write 'key: value' lines below it"),
    "model_attributes_type": ("must be a map", "write 'key: value' lines below it"),
}


_KINDS: Final[Mapping[str, FaultKind]] = {
    **dict.fromkeys(_REMEDIES, FaultKind.WRONG_TYPE),
    **dict.fromkeys(("missing", "string_too_short"), FaultKind.MISSING),
}
"""What pydantic's errors are; the others are of values."""


def join_path(prefix: str, location: tuple[str | int, ...]) -> str:
    """`("triggers", 0, "template")` below `spec` as `spec.triggers[0].template`."""
    path = prefix
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def field_errors(error: ValidationError, prefix: str = "") -> list[FieldError]:
    """pydantic's errors as ours: paths as in the manifest, below `prefix`."""
    found = []
    for item in error.errors(include_url=False):
        type_, context = item["type"], item.get("ctx", {})
        kind = _KINDS.get(type_, FaultKind.INVALID)
        if type_ == "problem":
            text, remedy, kind = str(context["text"]), str(context["remedy"]), FaultKind(context["kind"])
        elif type_ in ("literal_error", "enum"):
            text, remedy = f"must be one of {context['expected']}", "choose one of these"
        else:
            text, remedy = _REMEDIES.get(type_, (item["msg"], ""))
        # pydantic names the branch of a union in the location (`int`, `function-before[…]`); no manifest has such a key
        location = tuple(part for part in item["loc"] if isinstance(part, int) or not _is_branch(part))
        shown = "" if type_ == "missing" else shorten(item["input"])
        found.append(FieldError(join_path(prefix, location), text, remedy, shown, kind=kind))
    return found


def _is_branch(part: str) -> bool:
    return part in ("str", "int", "float", "bool", "[key]") or "[" in part


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that no model knows: its path, the known field nearest in spelling (empty if none is near), and the path of a field of this
    very name a level above or below, where it may have been meant to stand (empty if there is none)."""

    path: str
    nearest: str
    elsewhere: str = ""


def unknown_fields(model: type[BaseModel], data: Any, prefix: str = "") -> list[UnknownField]:
    """The fields of `data` that `model` does not have, depth first; none where a field holds free content (`Any`, maps of it)."""
    return list(_unknown(model, data, prefix))


_Above = tuple[tuple[str, frozenset[str]], ...]
"""The models around a place, the nearest last: the path of each, and the names that it knows."""


def _unknown(model: type[BaseModel], data: Any, prefix: str, above: _Above = ()) -> Iterator[UnknownField]:
    if not isinstance(data, Mapping) or model.model_config.get("extra") == "allow":
        return
    known = _fields(model)
    here = (*above, (prefix, frozenset(known)))
    for key, value in data.items():
        path = join_path(prefix, (str(key),))
        if key in known:
            yield from _unknown_in(known[key], value, path, here)
        else:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.7)
            yield UnknownField(path, near[0] if near else "", _elsewhere(str(key), known, prefix, above))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _elsewhere(key: str, known: Mapping[str, Any], prefix: str, above: _Above) -> str:
    """Where a field of this name is known: in the nearest model around, else in one just below."""
    for path, names in reversed(above):
        if key in names:
            return f"{path}.{key}" if path else key
    for name, annotation in known.items():
        for choice in typing.get_args(annotation) or (annotation,):
            if isinstance(choice, type) and issubclass(choice, BaseModel) and key in _fields(choice):
                several = "[]" if typing.get_origin(annotation) in (list, tuple) else ""
                return join_path(prefix, (f"{name}{several}", key))
    return ""


def _unknown_in(annotation: Any, value: Any, path: str, above: _Above) -> Iterator[UnknownField]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from _unknown_in(arguments[0], value, path, above)
    elif origin in (typing.Union, types.UnionType):
        meant = [list(_unknown_in(choice, value, path, above)) for choice in arguments if _fits(choice, value)]
        # the one that explains most of it: what it does not know is least, and lies deepest
        yield from min(meant, key=lambda found: (len(found), -sum(len(one.path) for one in found)), default=())
    elif origin in (list, tuple) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_in(arguments[0], item, f"{path}[{index}]", above)
    elif origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield from _unknown_in(arguments[1], item, f"{path}.{key}", above)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _unknown_in(annotation.model_fields["root"].annotation, value, path, above)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _unknown(annotation, value, path, above)


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a value with fields may be meant to be of that type, one of several."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _fits(arguments[0], value)
    if annotation is Any:
        return True
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _fits(annotation.model_fields["root"].annotation, value)
    if isinstance(value, Mapping):
        return (isinstance(annotation, type) and issubclass(annotation, BaseModel)) or (origin or annotation) in (dict, Mapping)
    return isinstance(value, list) and (origin or annotation) in (list, tuple)
