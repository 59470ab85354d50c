"""The rules of a structural schema, and what such a schema accepts: enough of an API server to test CRDs without one.

Followed: "Specifying a structural schema" of the Kubernetes documentation, and `apiextensions-apiserver/pkg/apiserver/schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ALLOWED = {
    "type", "description", "properties", "additionalProperties", "items", "required", "enum", "minItems", "minLength", "maxLength",
    "format", "nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string", "x-kubernetes-validations",
}  # fmt: skip
TYPES: Mapping[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


def flaws(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What makes a schema no structural one."""
    if extra := schema.keys() - ALLOWED:
        yield f"{path}: {sorted(extra)} have no place in it"
    kind, opened = schema.get("type"), schema.get("x-kubernetes-preserve-unknown-fields")
    if kind is None and not opened and not schema.get("x-kubernetes-int-or-string"):
        yield f"{path}: has no type"
    if kind == "array" and "items" not in schema:
        yield f"{path}: is a list of nothing"
    if "properties" in schema and "additionalProperties" in schema:
        yield f"{path}: has both properties and additionalProperties"
    if missing := set(schema.get("required", ())) - schema.get("properties", {}).keys():
        yield f"{path}: requires {missing}, which it does not have"
    for name, part in schema.get("properties", {}).items():
        if name == "metadata" and not path:
            if part != {"type": "object"}:
                yield "metadata: must not be specified"
            continue
        yield from flaws(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from flaws(schema[key], f"{path}.{key}")


def refusals(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Why an API server refuses a value. Nulls of properties are dropped before, and CEL is not run."""
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{path} must be of type {kind}: {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} must be one of {schema['enum']}: {value!r}"
    if len(value) < max(schema.get("minItems", 0), schema.get("minLength", 0)) if isinstance(value, list | str) else False:
        yield f"{path} is too short"
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            if value.get(name) is None:
                yield f"{path}.{name} is required"
        for name, item in value.items():
            part = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            if part is not None and item is not None:
                yield from refusals(part, item, f"{path}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from refusals(schema["items"], item, f"{path}[{number}]")


def pruned(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """The fields that an API server would drop as unknown."""
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        for name, item in value.items():
            part = parts.get(name, schema.get("additionalProperties"))
            if not path and name == "metadata":
                continue  # the API server has a schema of its own for it
            if part is not None:
                yield from pruned(part, item, f"{path}.{name}")
            elif not schema.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{name}"
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from pruned(schema["items"], item, f"{path}[{number}]")
