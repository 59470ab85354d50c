"""`path`: gjson get, sjson set and setraw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.golden.compare import refused, same_json
from tiphys.errors import PathError
from tiphys.languages import gjson, sjson


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    document = asked["json"].encode("utf-8", "surrogatepass")
    try:
        if asked["op"] == "get":
            return _get(document, asked["path"])
        place = sjson.compile(asked["path"])
        value = asked["value"].encode("utf-8", "surrogatepass")
        made = place.set(document, value) if asked["op"] == "set" else place.set_raw(document, value)
    except PathError as error:
        return {"error": str(error)}
    return {"text": gjson.decode(made), "valid": gjson.valid(made)}


def _get(document: bytes, path: str) -> Mapping[str, Any]:
    compiled = gjson.compile(path)
    found = compiled.get(document)
    payload = gjson.parse(document).value if gjson.valid(document) else None
    quick = compiled.get_from(payload, document)
    if (quick.type, quick.raw, quick.string, quick.index) != (found.type, found.raw, found.string, found.index):
        return {"error": f"the quick way found {quick!r}, the other {found!r}"}
    if not found.exists:
        return {"exists": False, "type": str(found.type)}
    return {
        "exists": True,
        "type": str(found.type),
        "raw": gjson.decode(found.raw),
        "string": found.string,
        "bool": found.bool,
        "float": found.float,
        "value": found.value,
    }


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if refused(expected):
        return "error" in found
    exact = [key for key in ("exists", "type", "raw", "string", "text", "valid") if key in expected]
    return (
        "error" not in found
        and all(expected[key] == found.get(key) for key in exact)
        and all(same_json(expected[key], found.get(key)) for key in ("bool", "float", "value") if key in expected)
    )
