"""Reading the protobuf bodies that kubectl sends for a few built-in kinds.

`kubectl create namespace|configmap|secret|serviceaccount` knows the kind and sends protobuf without asking. Those four are read here, by
tables of field numbers from the `generated.proto` files of k8s.io/api; everything else is taken as JSON only (415 with the way around).
The body is `k8s\\0` and a `runtime.Unknown`, whose `raw` is the object.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from tiphys.emulator.kinds import Kind
from tiphys.emulator.statuses import ApiError, bad_request

__all__ = ["CONTENT_TYPE", "to_json"]

CONTENT_TYPE: Final = "application/vnd.kubernetes.protobuf"

_MAGIC: Final = b"k8s\x00"


class _Field(NamedTuple):
    name: str
    form: Literal["text", "flag", "texts", "message", "messages", "textmap", "bytesmap", "ignored"]
    message: Mapping[int, _Field] = {}


_META: Final = {
    1: _Field("name", "text"),
    2: _Field("generateName", "text"),
    3: _Field("namespace", "text"),
    4: _Field("selfLink", "ignored"),
    5: _Field("uid", "text"),
    6: _Field("resourceVersion", "text"),
    7: _Field("generation", "ignored"),
    8: _Field("creationTimestamp", "ignored"),
    11: _Field("labels", "textmap"),
    12: _Field("annotations", "textmap"),
    14: _Field("finalizers", "texts"),
    17: _Field("managedFields", "ignored"),
}
_METADATA: Final = _Field("metadata", "message", _META)
_REFERENCE: Final = {1: _Field("name", "text")}
_MESSAGES: Final[Mapping[str, Mapping[int, _Field]]] = {
    "Namespace": {
        1: _METADATA,
        2: _Field("spec", "message", {1: _Field("finalizers", "texts")}),
        3: _Field("status", "ignored"),
    },
    "ConfigMap": {1: _METADATA, 2: _Field("data", "textmap"), 3: _Field("binaryData", "bytesmap"), 4: _Field("immutable", "flag")},
    "Secret": {
        1: _METADATA,
        2: _Field("data", "bytesmap"),
        3: _Field("type", "text"),
        4: _Field("stringData", "textmap"),
        5: _Field("immutable", "flag"),
    },
    "ServiceAccount": {
        1: _METADATA,
        3: _Field("imagePullSecrets", "messages", _REFERENCE),
        4: _Field("automountServiceAccountToken", "flag"),
    },
}
_TYPE: Final = {1: _Field("apiVersion", "text"), 2: _Field("kind", "text")}


def to_json(kind: Kind, body: bytes) -> bytes:
    """The JSON of a protobuf body. Raises `ApiError` 400 for one that is damaged, 415 for a kind or field that is not read."""
    fields = _MESSAGES.get(kind.kind) if not kind.group else None
    if fields is None:
        raise _unread(kind)
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_wire(body[len(_MAGIC) :]))
        obj = _message(kind, _TYPE, envelope.get(1, b""))
        obj |= _message(kind, fields, envelope.get(2, b""))
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise bad_request(f"the protobuf body cannot be decoded: {error}") from error
    return orjson.dumps(obj)


def _unread(kind: Kind) -> ApiError:
    way = "send JSON, with kubectl: kubectl create … --dry-run=client -o json | kubectl create -f -"
    return ApiError("UnsupportedMediaType", f"the embedded API does not read this protobuf of {kind.kind}; {way}")


def _message(kind: Kind, fields: Mapping[int, _Field], data: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _wire(data):
        field = fields.get(number)
        if field is None:
            raise _unread(kind)
        name = field.name
        match field.form:
            case "text":
                if value:
                    found[name] = value.decode()
            case "flag":
                found[name] = bool(value)
            case "texts":
                found.setdefault(name, []).append(value.decode())
            case "message":
                found[name] = _message(kind, field.message, value)
            case "messages":
                found.setdefault(name, []).append(_message(kind, field.message, value))
            case "textmap" | "bytesmap":
                entry = dict(_wire(value))
                key, item = entry.get(1, b"").decode(), entry.get(2, b"")
                found.setdefault(name, {})[key] = item.decode() if field.form == "textmap" else b64encode(item).decode()
            case "ignored":
                continue
    return found


def _wire(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and an integer or bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
        elif tag & 7 == 2:
            size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("a field ends behind the message")
            yield tag >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {tag & 7}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("an integer is too long")
