"""What arrives in a dry run, read from files: an event as the log would have it, or a raw HTTP request.

An event is a CloudEvent in structured JSON (what `tiphys test --record` writes), what `tiphys events ID -o json` shows, a map with
`source`, `event` and `data`, or the data alone; then the manifests, or `--as`, say whose it is. Data of CloudEvents, and data alone, is
kept byte for byte, since parameters may copy it so.

A request is what goes over the wire, as `curl -v` shows it or an editor's REST client has it: line ends, `Content-Length` and the version
may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tiphys.bus import wire
from tiphys.errors import SettingsError, WireError
from tiphys.schema.loader import load_documents

__all__ = [
    "Arrival",
    "GivenEvent",
    "GivenRequest",
    "check_keys",
    "event_of",
    "read_arrival",
    "read_event",
    "read_request",
    "request_of",
]

_REQUEST: Final = re.compile(rb"(?:\s*(?:#[^\n]*)?\n)*([A-Z]+)[ \t]+(\S+)(?:[ \t]+HTTP/1\.[01])?[ \t]*\r?(?:\n|\Z)")
_JSON: Final = "application/json"
_ATTRIBUTES: Final = frozenset(("source", "event", "subject", "type", "id", "time", "namespace", "bus", "data", "datacontenttype"))
_OF_THE_JOURNAL: Final = frozenset(("position", "stored", "worldid", "size", "decided", "deciding", "outcomes"))


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """An event as it would stand in the log. What is empty is filled in by the manifests: `source` and `event` by the only dependency that
    there is, the others by the EventSource."""

    data: bytes | None
    source: str = ""
    event: str = ""
    namespace: str = ""
    bus: str = ""
    type: str = ""
    id: str = ""
    time: str = ""
    datacontenttype: str = _JSON
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GivenRequest:
    """A request: the head's lines without their ends, and the body. `host` is its Host header, `path` has no query. With `sign` it gets
    what its route asks for: a signature or a token."""

    head: tuple[str, ...]
    body: bytes
    host: str
    path: str
    sign: bool = False

    def raw(self, more: Mapping[str, str]) -> bytes:
        """The bytes, with these headers in place of its own of the same names."""
        names = {name.lower() for name in more}
        kept = [line for line in self.head if line.partition(":")[0].strip().lower() not in names]
        lines = [*kept, *(f"{name}: {value}" for name, value in more.items()), "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that arrives: `label` names it to people; `at` is Unix seconds, `None`: when the clock of the dry run stands."""

    label: str
    what: GivenEvent | GivenRequest
    at: float | None = None

    def belongs_to(self, address: str) -> Arrival:
        """The same event as if it came from `SOURCE/EVENT`. Raises `SettingsError`."""
        source, slash, event = address.partition("/")
        if not (source and slash and event):
            raise SettingsError("--as", f"{address!r} names no event", "write EVENTSOURCE/EVENT")
        return replace(self, what=replace(self.what, source=source, event=event)) if isinstance(self.what, GivenEvent) else self

    def signed(self) -> Arrival:
        """The same request with what its route asks its senders for."""
        return replace(self, what=replace(self.what, sign=True)) if isinstance(self.what, GivenRequest) else self


def read_arrival(text: bytes, label: str) -> Arrival:
    """A file that holds either. Raises `SettingsError`."""
    return Arrival(label, read_request(text, label) if _is_request(text) else read_event(text, label))


def _is_request(text: bytes) -> bool:
    return text.lstrip()[:1] not in (b"{", b"[", b'"') and _REQUEST.match(text) is not None


# -- events


def read_event(text: bytes, label: str) -> GivenEvent:
    """An event of a JSON or YAML file. Raises `SettingsError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value, text = _from_yaml(text, label)
    if not isinstance(value, dict):
        return GivenEvent(text.strip())
    return event_of(value, label, text)


def _from_yaml(text: bytes, label: str) -> tuple[dict[str, Any], bytes]:
    loaded = load_documents(text, label)
    if loaded.errors:
        raise SettingsError(label, f"is neither JSON nor YAML: {loaded.errors[0].problem}", "give an event or a request")
    if len(loaded.documents) != 1:
        raise SettingsError(label, f"holds {len(loaded.documents)} documents", "give one event")
    value = loaded.documents[0].object
    check_keys(value, label)
    return value, orjson.dumps(value)


def check_keys(value: Any, label: str) -> None:
    """Raises `SettingsError` where a key of YAML was meant as a text and is a boolean, as the `y` of coordinates is."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("true", "false"):
                words = "y, yes and on" if key == "true" else "n, no and off"
                raise SettingsError(label, f"has a key that is {key}: that is what {words} are in YAML", "put the key in quotes")
            check_keys(item, label)
    elif isinstance(value, list):
        for item in value:
            check_keys(item, label)


def event_of(value: Mapping[str, Any], label: str, text: bytes = b"") -> GivenEvent:
    """An event that is read already; `text` is its JSON, where there is one. Raises `SettingsError`."""
    if "specversion" in value:
        return _cloud_event(text or _dumped(value), label)
    keys = value.keys()
    names = ("source" in keys) + (not keys.isdisjoint(("event", "subject")))
    if not keys <= _ATTRIBUTES | _OF_THE_JOURNAL or names + ("data" in keys) < 2:
        return GivenEvent(text.strip() or _dumped(value))
    for name in keys - {"data"} - _OF_THE_JOURNAL:
        if not isinstance(value[name], str):
            raise SettingsError(f"{label}: {name}", "must be a text", "put it in quotes")
    data = value.get("data")
    worldid = value.get("worldid")
    return GivenEvent(
        None if data is None else _dumped(data),
        source=value.get("source", ""),
        event=value.get("event") or value.get("subject", ""),
        namespace=value.get("namespace", ""),
        bus=value.get("bus", ""),
        type=value.get("type", ""),
        id=value.get("id", ""),
        time=value.get("time", ""),
        datacontenttype=value.get("datacontenttype", _JSON),
        extensions={"worldid": worldid} if isinstance(worldid, str) and worldid else {},
    )


def _cloud_event(text: bytes, label: str) -> GivenEvent:
    try:
        event = wire.from_wire(text, "")
    except WireError as error:
        raise SettingsError(label, f"is no CloudEvent: {error.problem}", error.remedy) from error
    extensions = dict(event.extensions)
    namespace, bus = extensions.pop("namespace", ""), extensions.pop("bus", "")
    return GivenEvent(
        event.data, event.source, event.subject, namespace, bus, event.type, event.id, event.time, event.datacontenttype, extensions
    )


def _dumped(value: Any) -> bytes:
    """Compact JSON, integers of any size with all their digits."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


# -- requests


def read_request(text: bytes, label: str) -> GivenRequest:
    """A raw request. Raises `SettingsError`."""
    first = _REQUEST.match(text)
    if first is None:
        raise SettingsError(label, "is no HTTP request", "begin with a line such as POST /push HTTP/1.1")
    head, _, body = _parted(text[first.end() :])
    lines = head.decode("utf-8", "surrogateescape").splitlines()
    return _request(first[1].decode(), first[2].decode("utf-8", "surrogateescape"), lines, body)


def _parted(rest: bytes) -> tuple[bytes, bytes, bytes]:
    """The head and the body, at the first empty line, whichever line ends the head has."""
    if rest.startswith((b"\n", b"\r\n")):
        return b"", b"", rest[2 if rest[:1] == b"\r" else 1 :]
    return min((rest.partition(end) for end in (b"\r\n\r\n", b"\n\n")), key=lambda parts: len(parts[0]))


def request_of(value: Mapping[str, Any], label: str) -> GivenRequest:
    """A request that a case writes as `method`, `path`, `headers` and `body`. Raises `SettingsError`."""
    if unknown := value.keys() - {"method", "path", "headers", "body"}:
        raise SettingsError(f"{label}: {min(unknown)}", "is no field of a request", "it has method, path, headers and body")
    headers, body, path = value.get("headers", {}), value.get("body"), value.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise SettingsError(f"{label}: path", "must be a path such as /push")
    if not isinstance(headers, dict):
        raise SettingsError(f"{label}: headers", "must be a map")
    lines = [f"{name}: {text}" for name, text in headers.items()]
    if body is not None and not isinstance(body, str) and "content-type" not in {name.lower() for name in headers}:
        lines.append(f"Content-Type: {_JSON}")
    sent = b"" if body is None else body.encode() if isinstance(body, str) else _dumped(body)
    return _request(str(value.get("method") or ("GET" if body is None else "POST")), path, lines, sent)


def _request(method: str, target: str, lines: list[str], body: bytes) -> GivenRequest:
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    host = headers.get("host", "")
    if "://" in target:
        parts = urlsplit(target)
        host, target = host or parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        body = _trimmed(body, headers.get("content-length", ""))
        lines = [line for line in lines if line.partition(":")[0].strip().lower() != "content-length"]
        if body or method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(body)}")
    return GivenRequest((f"{method} {target} HTTP/1.1", *lines), body, host, target.partition("?")[0])


def _trimmed(body: bytes, declared: str) -> bytes:
    """The body without the line end that an editor puts at the end of a file: a signature does not cover that."""
    if declared.isdecimal() and len(body) == int(declared[:12]):
        return body
    return body.removesuffix(b"\n").removesuffix(b"\r")
