"""JSON Schemas of the manifests, from the models that read them, for editors (`tiphys schema`) and for the CRDs (`tiphys.app.crds`).

A field's description is what its model's docstring says of it: the sentences that name it in backquotes. So a schema can say nothing
that the models and the registries of sources, triggers and artifacts do not, and a new source is in it without another line.

Followed: JSON Schema draft 07, which is what editors understand best.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import orjson
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from dispatcher.manifest import ARGO_TYPES
from dispatcher.trigger import registered as registered_triggers
from eventsource.manifest import ARGO_SOURCES
from eventsource.source import registered as registered_sources
from tiphys.app.admission import API_VERSION, sensor_model
from tiphys.bus.manifest import EventBusSpec
from tiphys.errors import SettingsError

__all__ = ["KINDS", "any_kind_schema", "kind_schema", "model_schema", "schema_text"]

KINDS: Final = ("EventBus", "EventSource", "Sensor")
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_NOT_YET: Final = "argo-events has it; Tiphys does not support it yet, and refuses a manifest that uses it."
_PLACE: Final = "#/definitions/{model}"
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {}, ())
_SENTENCE: Final = re.compile(r"(?<=[.;])\s+(?=[A-Z`])|(?<=\)),\s+(?=`)|(?<=ours:)\s+(?=`)")
_PARAGRAPH: Final = re.compile(r"\n\s*\n")


class _Generator(GenerateJsonSchema):
    """pydantic's, with `null` as absent, without titles, and with the words of the docstrings."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if made.get("default") in _NOTHING:
            made.pop("default", None)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("title", None)
        made["description"] = _about(schema["cls"])
        if schema["cls"].model_config.get("extra") != "allow":
            made["additionalProperties"] = False
        for name, field in made.get("properties", {}).items():
            if "description" not in field and (text := _about_field(schema["cls"], name)):
                _describe(made["properties"], name, text)
        return made


def _describe(properties: dict[str, Any], name: str, text: str) -> None:
    """What stands beside a `$ref` is not read in draft 07, so it goes into an `allOf` then."""
    field = properties[name]
    properties[name] = {"allOf": [field], "description": text} if "$ref" in field else {**field, "description": text}


def _about(model: type[BaseModel]) -> str:
    return " ".join(_plain(inspect.getdoc(model) or "").split())


@cache
def _sentences(model: type[BaseModel]) -> tuple[str, ...]:
    """The sentences of a model's docstring and of those that it comes from, its own first."""
    found: list[str] = []
    for one in model.__mro__:
        text = one.__dict__.get("__doc__") if issubclass(one, BaseModel) and one is not BaseModel else None
        for paragraph in _PARAGRAPH.split(inspect.cleandoc(text or "")):
            found += _SENTENCE.split(" ".join(paragraph.split()))
    return tuple(dict.fromkeys(found))


def _about_field(model: type[BaseModel], name: str) -> str:
    return " ".join(_plain(text) for text in _sentences(model) if f"`{name}`" in text or f"`{name}:" in text)


def _plain(text: str) -> str:
    """Without the marks of a docstring that mean nothing to a user of manifests."""
    return re.sub(r" \((?:reference|DESIGN)[^)]*\)", "", text)


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one model, with its parts below `definitions`."""
    made = model.model_json_schema(by_alias=True, ref_template=_PLACE, schema_generator=_Generator)
    if parts := made.pop("$defs", None):
        made["definitions"] = parts
    tidy: dict[str, Any] = _tidy(made)
    return tidy


def _tidy(value: Any) -> Any:
    """Without what pydantic puts in where a model gives a schema of its own: titles, `null`, and defaults that say nothing."""
    if isinstance(value, list):
        return [_tidy(item) for item in value if item != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    made = {
        key: _tidy(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str)) and not (key == "default" and item in _NOTHING)
    }
    choices = made.get("anyOf")
    if isinstance(choices, list) and len(choices) == 1:
        del made["anyOf"]
        made = {**choices[0], **made}
    return made


@cache
def _kind(kind: str) -> dict[str, Any]:
    spec = {"EventBus": _event_bus, "EventSource": _event_source, "Sensor": _sensor}[kind]()
    definitions = spec.pop("definitions", {})
    return {
        "$schema": DRAFT,
        "title": kind,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string", "enum": [API_VERSION]},
            "kind": {"type": "string", "enum": [kind]},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": {"type": "object", "description": "Written by the service."},
        },
        "additionalProperties": False,
        **({"definitions": dict(sorted(definitions.items()))} if definitions else {}),
    }


def kind_schema(kind: str) -> dict[str, Any]:
    """The schema of whole objects of a kind: `EventBus`, `EventSource` or `Sensor`. Do not change it."""
    return _kind(kind)


def any_kind_schema() -> dict[str, Any]:
    """One schema for a file of any of the kinds."""
    parts: dict[str, Any] = {}
    choices = []
    for kind in KINDS:
        made = {name: value for name, value in kind_schema(kind).items() if name != "$schema"}
        own = made.pop("definitions", {})
        parts.update({f"{kind}.{name}": _moved(value, kind) for name, value in own.items()})
        parts[kind] = _moved(made, kind)
        asked = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        choices.append({"if": asked, "then": {"$ref": f"#/definitions/{kind}"}})
    kinds = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": list(KINDS)}}}
    return {"$schema": DRAFT, "title": "Manifests of Tiphys", **kinds, "allOf": choices, "definitions": dict(sorted(parts.items()))}


def schema_text(kind: str = "") -> str:
    """The schema of a kind (in any case), or of all of them, as JSON. Raises `SettingsError` for another kind."""
    known = {one.lower(): one for one in KINDS}
    if kind and kind.lower() not in known:
        raise SettingsError("KIND", f"{kind} is no kind of manifest", f"write one of {', '.join(KINDS)}")
    found = kind_schema(known[kind.lower()]) if kind else any_kind_schema()
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"


def _moved(value: Any, kind: str) -> Any:
    """With references to `definitions` of the kind's own."""
    if isinstance(value, Mapping):
        return {
            name: item.replace("#/definitions/", f"#/definitions/{kind}.") if name == "$ref" else _moved(item, kind)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_moved(item, kind) for item in value]
    return value


def _sensor() -> dict[str, Any]:
    spec = model_schema(sensor_model())
    template = spec["definitions"]["Template"]["properties"]
    for key in ARGO_TYPES:
        if key not in registered_triggers():
            template[key] = {"type": "object", "description": _NOT_YET}
    return spec


def _event_source() -> dict[str, Any]:
    sources = dict(sorted(registered_sources().items()))
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(listener.spec, "validation") for listener in sources.values()]
    entries, parts = models_json_schema(models, by_alias=True, ref_template=_PLACE, schema_generator=_Generator)
    properties: dict[str, Any] = {
        "eventBusName": {
            "type": "string",
            "default": "default",
            "description": "The EventBus of this namespace that takes the events.",
        }
    }
    for key, listener in sources.items():
        properties[key] = {
            "type": "object",
            "description": f"Events of type {listener.event_type}, each by its name.",
            "additionalProperties": entries[listener.spec, "validation"],
        }
    for key in sorted(ARGO_SOURCES - sources.keys()):
        properties[key] = {"type": "object", "description": _NOT_YET}
    for key, text in _pods():
        properties[key] = {"type": "integer" if key == "replicas" else "object", "description": text}
    return {"type": "object", "properties": properties, "additionalProperties": False, "definitions": _tidy(parts["$defs"])}


def _pods() -> Iterator[tuple[str, str]]:
    yield "template", "How argo-events shapes its pod. It has no effect here: no pod is made for an EventSource."
    yield "replicas", "It has no effect here: no pod is made for an EventSource."
    yield "service", "The ports of the Service NAME-eventsource-svc, its labels and annotations."


def _event_bus() -> dict[str, Any]:
    return model_schema(EventBusSpec)
