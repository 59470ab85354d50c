"""The patches that the Kubernetes API takes: JSON merge patch (RFC 7396), JSON patch (RFC 6902) and strategic merge.

Strategic merge knows the merge keys of the lists that kubectl meets in the kinds served here, by field name, and the directives that
`kubectl apply` sends; custom resources have no strategic merge in Kubernetes either (415). Server-side apply is not served.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from tiphys.emulator.kinds import Kind
from tiphys.emulator.statuses import ApiError, bad_request, invalid, wrong

__all__ = ["compile_patch", "json_patch", "merge_patch", "strategic_merge"]

Patch = Callable[[dict[str, Any]], Any]

_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_TYPES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


def compile_patch(kind: Kind, content_type: str, body: bytes) -> Patch:
    """A function from an object to the patched one (its argument is left alone). Raises `ApiError` 400, 415 or, when run, 422."""
    if content_type not in _TYPES or (kind.custom and content_type == _TYPES[2]):
        known = ", ".join(_TYPES[:2] if kind.custom else _TYPES)
        raise ApiError(
            "UnsupportedMediaType",
            f"the body of the request was in an unknown format - accepted media types include: {known}",
        )
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if content_type == _TYPES[0]:
        if not isinstance(patch, list) or not all(isinstance(step, dict) for step in patch):
            raise bad_request("error decoding patch: a JSON patch is a list of operations")
        return lambda obj: json_patch(kind, copy.deepcopy(obj), patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    merge = merge_patch if content_type == _TYPES[1] else strategic_merge
    return lambda obj: merge(obj, patch)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396. Returns the result; neither argument is changed, both may be shared with it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Any, field: str = "") -> Any:
    """Strategic merge: as a merge patch, but lists with a merge key are merged by it. Returns the result, as `merge_patch`."""
    if isinstance(patch, list):
        return _merge_list(target if isinstance(target, list) else [], patch, field)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        directive, _, of = key.partition("/")
        if directive == "$deleteFromPrimitiveList":
            result[of] = [item for item in result.get(of) or () if item not in value]
        elif key == "$retainKeys":
            result = {kept: result[kept] for kept in result if kept in value}
        elif key.startswith("$"):
            continue  # $setElementOrder: the order of a merged list is the order in which it grew
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            result.pop(key, None)
        else:
            result[key] = strategic_merge(result.get(key), value, key)
    return result


def _merge_list(target: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field == "finalizers":
        return target + [item for item in patch if item not in target]
    key = next(
        (k for k in _MERGE_KEYS.get(field, ()) if all(isinstance(item, dict) and k in item for item in (*target, *patch))), ""
    )
    if not key:
        return [item for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    merged = {item[key]: item for item in target}
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = strategic_merge(merged.get(item[key]), item)
    return list(merged.values())


def json_patch(kind: Kind, document: Any, steps: Sequence[Mapping[str, Any]]) -> Any:
    """RFC 6902 as kube-apiserver reads it; changes `document` and returns it. Raises `ApiError` 422 for a step that does not apply."""
    for step in steps:
        try:
            document = _step(document, step)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise invalid(
                kind, "", [wrong("patch", orjson.dumps(step).decode(), f"the operation does not apply: {error}")]
            ) from error
    return document


def _step(document: Any, step: Mapping[str, Any]) -> Any:
    op, path = step["op"], _pointer(step["path"])
    if op == "test":
        if _read(document, path) != step["value"]:
            raise ValueError("testing path failed")
        return document
    if op == "add":
        return _add(document, path, copy.deepcopy(step["value"]))
    if op == "remove":
        return _remove(document, path)
    if op == "replace":
        return _replace(document, path, copy.deepcopy(step["value"]))
    if op in {"move", "copy"}:
        source = _pointer(step["from"])
        value = copy.deepcopy(_read(document, source))
        return _add(_remove(document, source) if op == "move" else document, path, value)
    raise ValueError(f"unknown operation {op!r}")


def _pointer(text: object) -> list[str]:
    if not isinstance(text, str):
        raise TypeError("a path is a JSON pointer")
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(items: list[Any], part: str, *, end: bool = False) -> int:
    if end and part == "-":
        return len(items)
    if not (part.isascii() and part.isdecimal()) or int(part) > len(items) - (0 if end else 1):
        raise IndexError(f"no index {part}")
    return int(part)


def _read(node: Any, path: Sequence[str]) -> Any:
    for part in path:
        node = node[_index(node, part)] if isinstance(node, list) else node[part]
    return node


def _add(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent = _read(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], end=True), value)
    else:
        parent[path[-1]] = value
    return document


def _replace(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent = _read(document, path[:-1])
    if isinstance(parent, list):
        parent[_index(parent, path[-1])] = value
    else:
        parent[path[-1]] = value  # one that is absent is added: RFC 6902 says otherwise, kube-apiserver does this
    return document


def _remove(document: Any, path: Sequence[str]) -> Any:
    parent = _read(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(parent, path[-1])]
    else:
        del parent[path[-1]]
    return document
