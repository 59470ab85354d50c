"""argo-events' wire form, so that either side of a bus can be swapped while both run.

An EventSource of argo-events puts one CloudEvents 1.0 document in structured JSON into a message; its data is always in
`data_base64`. Its Sensor reads that (or a plain `data`) and shows the event to parameters as `{"context": {…}, "data": "<base64>"}`
with the time in whole seconds. The texts here are the same to the byte, escapes of Go's encoder included, since parameters copy
them into objects.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from tiphys.bus.event import DEFAULT_BUS, Event
from tiphys.bus.uriref import uri_reference
from tiphys.errors import WireError

__all__ = ["context_json", "from_wire", "sensor_event_json", "to_document", "to_wire"]

_SPECVERSION: Final = "1.0"
_ATTRIBUTES: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
)
_JSON_TYPES: Final = frozenset({"", "application/json", "text/json"})
_EXTENSION_NAME: Final = re.compile(r"[a-z0-9]+\Z")
_HTML: Final = re.compile(rb"[<>&]|\xe2\x80[\xa8\xa9]")
_HTML_ESCAPES: Final = {
    b"<": b"\\u003c",
    b">": b"\\u003e",
    b"&": b"\\u0026",
    b"\xe2\x80\xa8": b"\\u2028",
    b"\xe2\x80\xa9": b"\\u2029",
}
_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])([01]\d|2[0-4]):([0-5]\d|60))\Z",
    re.ASCII,
)
_GO_ZERO_TIME: Final = "0001-01-01T00:00:00"
_JSON_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]')


def to_wire(event: Event) -> bytes:
    """The event as a message on the bus. A `source` that is no URI reference becomes empty, as there. Extensions come last.

    Raises `WireError` if `event.time` is no RFC 3339 text.
    """
    document: dict[str, str] = {
        "specversion": _SPECVERSION,
        "id": event.id,
        "source": uri_reference(event.source) or "",
        "type": event.type,
    }
    if event.subject:
        document["subject"] = event.subject
    if event.datacontenttype:
        document["datacontenttype"] = event.datacontenttype
    if time := _utc(event.time, fraction=True):
        document["time"] = time
    if event.data is not None:
        document["data_base64"] = base64.b64encode(event.data).decode()
    for name, value in event.extensions.items():
        document.setdefault(name, value)
    return _go_json(document)


def to_document(event: Event) -> bytes:
    """The event as a CloudEvent for people and files: data that is JSON stands there byte for byte, and the namespace and the bus are
    extension attributes. `from_wire` reads it."""
    attributes: dict[str, str] = {"specversion": _SPECVERSION, "id": event.id, "source": event.source, "type": event.type}
    attributes |= {"subject": event.subject, "time": event.time, "datacontenttype": event.datacontenttype}
    attributes |= {name: value for name, value in event.extensions.items() if name not in attributes}
    attributes |= {"namespace": event.namespace, "bus": event.bus}
    members = [b"%b: %b" % (orjson.dumps(name), orjson.dumps(value)) for name, value in attributes.items() if value]
    if event.data is not None:
        members.append(_data_member(event.data, event.datacontenttype))
    return b"{\n  %b\n}\n" % b",\n  ".join(members)


def _data_member(data: bytes, content_type: str) -> bytes:
    """`data` where a reader finds the same bytes in it, else `data_base64`."""
    if content_type.partition(";")[0].strip().lower() in _JSON_TYPES and data == data.strip():
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
        else:
            return b'"data": %b' % data
    return b'"data_base64": "%b"' % base64.b64encode(data)


def from_wire(message: bytes, namespace: str, bus: str = DEFAULT_BUS) -> Event:
    """The event in a message of a bus. `data_base64` wins over a plain `data`, whose JSON text is kept byte for byte.

    Raises `WireError` on what the Sensor of argo-events cannot read: no JSON object, no or another `specversion`, a `source` that
    is no URI reference or is empty, a `time` that is not RFC 3339, an attribute that is no text, bad base64.
    """
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise _unreadable(message, f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise _unreadable(message, "it is not a JSON object")
    if (version := document.get("specversion")) != _SPECVERSION:
        raise _unreadable(message, f"its specversion is {version!r}", "send CloudEvents 1.0 in structured JSON")
    texts = {name: _text(message, document, name) for name in ("id", "source", "type", "subject", "time", "datacontenttype")}
    source = uri_reference(texts["source"])
    if not source:
        raise _unreadable(message, f"its source {texts['source']!r} is no URI reference")
    _utc(texts["time"], fraction=True)
    return Event(
        id=texts["id"],
        source=source,
        type=texts["type"],
        subject=texts["subject"],
        namespace=namespace,
        data=_data(message, document, texts["datacontenttype"]),
        time=texts["time"],
        datacontenttype=texts["datacontenttype"],
        bus=bus,
        extensions=_extensions(message, document),
    )


def context_json(event: Event) -> bytes:
    """The context as parameters see it: all lower-case keys in argo-events' order, `time` in whole seconds or `null`."""
    return _go_json(_context(event))


def sensor_event_json(event: Event) -> bytes:
    """The whole event as a parameter without key and template sees it; data in base64, `null` without data."""
    data = None if event.data is None else base64.b64encode(event.data).decode()
    return _go_json({"context": _context(event), "data": data})


def _context(event: Event) -> dict[str, str | None]:
    return {
        "id": event.id,
        "source": uri_reference(event.source) or "",
        "specversion": _SPECVERSION,
        "type": event.type,
        "datacontenttype": event.datacontenttype,
        "subject": event.subject,
        "time": _utc(event.time, fraction=False) or None,
    }


def _go_json(value: Any) -> bytes:
    """JSON with the escapes of Go's encoder."""
    text = orjson.dumps(value)
    return _HTML.sub(lambda found: _HTML_ESCAPES[found.group()], text) if _HTML.search(text) else text


def _utc(text: str, *, fraction: bool) -> str:
    """An instant in UTC, to the nanosecond without closing zeros, or to the second; empty for none and for Go's zero time."""
    if not text:
        return ""
    if not (found := _RFC3339.match(text)):
        raise _no_time(text)
    year, month, day, hour, minute, second, part, sign, east_hours, east_minutes = found.groups()
    try:
        instant = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        if sign:
            offset = timedelta(hours=int(east_hours), minutes=int(east_minutes))
            instant += offset if sign == "-" else -offset
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error
    # isoformat and not strftime, which does not pad years below 1000
    seconds = instant.replace(tzinfo=None).isoformat(timespec="seconds")
    digits = (part or "")[:9].rstrip("0")
    if seconds == _GO_ZERO_TIME and not digits:
        return ""
    return f"{seconds}.{digits}Z" if fraction and digits else f"{seconds}Z"


def _no_time(text: str) -> WireError:
    return WireError(text, "it is not a time in RFC 3339", "write it as 2026-11-25T08:00:00Z")


def _unreadable(message: bytes, problem: str, remedy: str = "") -> WireError:
    return WireError(message[:200].decode("utf-8", "replace"), problem, remedy)


def _text(message: bytes, document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unreadable(message, f"its {name} is no text")
    return value


def _extensions(message: bytes, document: dict[str, Any]) -> dict[str, str]:
    """Extension attributes in the canonical text of their type; CloudEvents has text, booleans and integers in JSON."""
    extensions: dict[str, str] = {}
    for name, value in document.items():
        if name in _ATTRIBUTES or value is None:
            continue
        if not _EXTENSION_NAME.match(name):
            raise _unreadable(message, f"its extension {name!r} is misnamed", "use lower-case letters and digits")
        if isinstance(value, str):
            extensions[name] = value
        elif isinstance(value, bool):
            extensions[name] = "true" if value else "false"
        elif isinstance(value, int | float) and abs(value) < 2**31:
            extensions[name] = str(int(value))
        else:
            raise _unreadable(message, f"its extension {name} is no CloudEvents value")
    return extensions


def _data(message: bytes, document: dict[str, Any], content_type: str) -> bytes | None:
    if "data_base64" in document:
        encoded = document["data_base64"]
        if not isinstance(encoded, str):
            raise _unreadable(message, "its data_base64 is no text")
        try:
            # Go's decoder skips line breaks and nothing else
            return base64.b64decode(encoded.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise _unreadable(message, f"its data_base64 is no base64 ({error})") from error
    if "data" not in document:
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _JSON_TYPES:
        return _member(message, b"data")
    if not isinstance(document["data"], str):
        raise _unreadable(message, f"its data is no text, though it is said to be {media_type}")
    return document["data"].encode()


def _member(message: bytes, name: bytes) -> bytes:
    """The text of a member of the outer object, of a document that is known to be valid; of several, the last."""
    depth, start, key, value = 0, -1, b"", b""
    for token in _JSON_TOKEN.finditer(message):
        text = token.group()
        if text in b"{[":
            depth += 1
        elif depth == 1 and text == b":" and start < 0:
            start = token.end()
        elif depth == 1 and text in b",}":
            if start >= 0 and orjson.loads(key) == name.decode():
                value = message[start : token.start()].strip()
            start = -1
            depth -= text == b"}"
        elif text in b"}]":
            depth -= 1
        elif depth == 1 and start < 0:
            key = text
    return value
