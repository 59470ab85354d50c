"""The rules of objects: what is checked and what the server sets when one is created or changed. Pure functions over plain dicts.

They follow k8s.io/apiserver `registry/rest` and apimachinery `api/validation`: the metadata rules that hold for every kind. What a
kind's own schema says is not checked here: the embedded API keeps whatever specification it is given.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import orjson

from tiphys.emulator.kinds import Kind
from tiphys.emulator.statuses import ApiError, Cause, bad_request, conflict, invalid, required, wrong

__all__ = ["check_kept", "created", "now", "parse_object", "same", "typed", "updated"]

KubeObject = dict[str, Any]

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_SUFFIX: Final = "bcdfghjklmnpqrstvwxz2456789"  # k8s.io/apimachinery util/rand: no vowels, nothing that looks alike
_PREFIX: Final = 58  # of generateName: 63 less the suffix
_QUALIFIED: Final = re.compile(
    r"(?:(?P<prefix>[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)/)?(?P<name>[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)"
)
_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_ANNOTATIONS: Final = 262_144  # bytes of all of them
_SET_ONCE: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation")
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_PATH_RULE: Final = "may not be '.' or '..' and may not contain '/' or '%'"
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_RULE: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_NAMES: Final[Mapping[str, tuple[re.Pattern[str], int, str]]] = {
    "subdomain": (re.compile(_SUBDOMAIN), 253, _SUBDOMAIN_RULE),
    "label": (re.compile(_LABEL), 63, _LABEL_RULE),
    "path": (re.compile(r"(?!\.{1,2}$)[^/%]+"), 253, _PATH_RULE),
}


def now() -> str:
    """The time as Kubernetes writes it: UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def parse_object(kind: Kind, body: bytes, namespace: str) -> KubeObject:
    """The object of a POST or PUT, with apiVersion, kind and namespace as the path says (`namespace` is empty for cluster-scoped
    kinds). Raises `ApiError` 400 or 422."""
    try:
        obj = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): {error}") from error
    if not isinstance(obj, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): a JSON object is expected")
    typed(kind, obj)
    metadata = obj["metadata"]
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    return obj


def typed(kind: Kind, obj: KubeObject) -> None:
    """Check that an object is of its kind and that its metadata has the types that it must have. Raises `ApiError` 400 or 422."""
    _check_type(kind, obj)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    metadata = obj["metadata"]
    if not isinstance(metadata, dict):
        raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: metadata must be an object')
    _check_metadata_types(metadata)


def _check_type(kind: Kind, obj: KubeObject) -> None:
    if kind.custom and not obj.get("kind"):
        raise bad_request(f"Object 'Kind' is missing in '{orjson.dumps(obj).decode()[:200]}'")
    version = obj.setdefault("apiVersion", kind.api_version)
    if version != kind.api_version:
        raise bad_request(f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})")
    if obj.setdefault("kind", kind.kind) != kind.kind:
        if kind.custom:
            name = (obj.get("metadata") or {}).get("name", "")
            raise invalid(kind, name, [wrong("kind", obj["kind"], f"must be {kind.kind}")])
        raise bad_request(
            f'{obj["kind"]} in version "{kind.version}" cannot be handled as a {kind.kind}: converting ({kind.api_version}, '
            f"Kind={obj['kind']}) to ({kind.api_version}, Kind={kind.kind}): unknown conversion"
        )


def _check_metadata_types(metadata: KubeObject) -> None:
    for field in ("name", "generateName", "namespace", "resourceVersion", "uid"):
        if metadata.get(field) is None:
            metadata.pop(field, None)
        elif not isinstance(metadata[field], str):
            raise bad_request(f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{field} of type string")
    for field in ("labels", "annotations"):
        found = metadata.get(field)
        if found is None:
            metadata.pop(field, None)
        elif not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise bad_request(f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{field} of type map[string]string")
    for field in ("finalizers", "ownerReferences"):
        found = metadata.get(field)
        if found is None:
            metadata.pop(field, None)
        elif not isinstance(found, list):
            raise bad_request(f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{field} of type []")


def created(kind: Kind, obj: KubeObject) -> KubeObject:
    """A new object, complete but for its resourceVersion: name made, checked, uid and time set. Raises `ApiError`.

    The argument is left alone, so that a generated name that is taken can be drawn again.
    """
    metadata = dict(obj["metadata"])
    if metadata.pop("resourceVersion", "") not in {"", "0"}:
        raise ApiError("", "resourceVersion should not be set on objects to be created", code=500)
    for field in _SET_ONCE:
        metadata.pop(field, None)
    prefix = metadata.get("generateName", "")
    if not metadata.get("name"):
        if not prefix:
            raise invalid(kind, "", [required("metadata.name", "name or generateName is required")])
        metadata["name"] = prefix[:_PREFIX] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
    if kind.generation:
        metadata["generation"] = 1
    result = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    result |= {key: value for key, value in obj.items() if key not in result and not (kind.status and key == "status")}
    _check(kind, result)
    _default(kind, result)
    return result


def updated(kind: Kind, old: KubeObject, new: KubeObject, *, subresource: str = "") -> KubeObject:
    """What becomes of `old` when a caller hands in `new` (its type checked): fields that the server owns kept, the generation counted.

    `subresource` `status` takes only the status (and, for custom resources, nothing of the metadata). Raises `ApiError`.
    """
    kept, metadata = old["metadata"], dict(new["metadata"])
    name = kept["name"]
    if metadata.get("uid", kept["uid"]) != kept["uid"]:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {kept['uid']}"
        raise conflict(kind, name, why)
    version = metadata.get("resourceVersion") or "0"
    if version != "0" and version != kept["resourceVersion"]:
        raise conflict(kind, name)
    if subresource == "status":
        result = dict(old)
        if "status" in new:
            result["status"] = new["status"]
        else:
            result.pop("status", None)
        return result
    for field in ("name", "namespace", *_SET_ONCE, "resourceVersion"):
        if field in kept:
            metadata[field] = kept[field]
        else:
            metadata.pop(field, None)
    result = {**new, "metadata": metadata}
    if kind.status:
        result.pop("status", None)
        if "status" in old:
            result["status"] = old["status"]
    if kind.generation and not same(_specification(kind, result), _specification(kind, old)):
        metadata["generation"] = kept.get("generation", 0) + 1
    _check(kind, result)
    _default(kind, result)
    return result


def same(one: KubeObject, other: KubeObject) -> bool:
    """Whether two objects are the same JSON; unlike `==`, which takes 1, 1.0 and true for one value."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def _specification(kind: Kind, obj: KubeObject) -> KubeObject:
    """What the generation counts: all but metadata, and but status where that is a subresource."""
    return {key: value for key, value in obj.items() if key != "metadata" and not (key == "status" and kind.status)}


def check_kept(kind: Kind, name: str, version: str) -> None:
    """A PUT to kinds that are never updated blindly must name a resourceVersion. Raises `ApiError` 422."""
    if not kind.unconditional and version in {"", "0"}:
        raise invalid(kind, name, [wrong("metadata.resourceVersion", 0, "must be specified for an update")])


def _default(kind: Kind, obj: KubeObject) -> None:
    if kind.group:
        return
    if kind.kind == "Secret":
        plain, data = obj.pop("stringData", None), obj.get("data") or {}
        for field, found in (("stringData", plain or {}), ("data", data)):
            if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
                raise bad_request(f"json: cannot unmarshal into Go struct field Secret.{field} of type map[string]string")
        if plain:
            data = {**data, **{key: b64encode(value.encode()).decode() for key, value in plain.items()}}
            obj["data"] = data
        obj.setdefault("type", "Opaque")
    elif kind.kind == "Namespace":
        metadata = obj["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
        obj.setdefault("spec", {"finalizers": ["kubernetes"]})
        obj.setdefault("status", {"phase": "Active"})


def _check(kind: Kind, obj: KubeObject) -> None:
    metadata = obj["metadata"]
    causes: list[Cause] = []
    pattern, longest, text = _NAMES[kind.names]
    name = metadata["name"]
    if "generateName" in metadata and pattern.fullmatch(metadata["generateName"].rstrip("-.") or "x") is None:
        causes.append(wrong("metadata.generateName", metadata["generateName"], text))
    if len(name) > longest:
        causes.append(wrong("metadata.name", name, f"must be no more than {longest} bytes"))
    elif pattern.fullmatch(name) is None:
        causes.append(wrong("metadata.name", name, text))
    for key, value in (metadata.get("labels") or {}).items():
        causes += _check_key("metadata.labels", key)
        if len(value) > 63:
            causes.append(wrong("metadata.labels", value, "must be no more than 63 bytes"))
        elif _VALUE.fullmatch(value) is None:
            causes.append(wrong("metadata.labels", value, _VALUE_RULE))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += _check_key("metadata.annotations", key, fold=True)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS:
        causes.append(Cause("metadata.annotations", "FieldValueTooLong", f"Too long: may not be more than {_ANNOTATIONS} bytes"))
    if causes:
        raise invalid(kind, name, causes)


def _check_key(field: str, key: str, *, fold: bool = False) -> list[Cause]:
    match = _QUALIFIED.fullmatch(key.lower() if fold else key)
    if match is None or len(match["name"]) > 63 or len(match["prefix"] or "") > 253:
        return [wrong(field, key, _KEY_RULE)]
    return []
