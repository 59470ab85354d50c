"""The `EventSource`, composed from the registry: every key below `spec` that a source registered (reference 3.1, 8.3).

Where argo-events ignores in silence, this says so: a field that nobody knows is reported with its path and the known field nearest in
spelling, and one that looks as if it should protect (`wehookSecret`, `auth`) is refused, since ignoring it would leave a door open.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

import eventsource.sources  # noqa: F401  all of them, now: the first manifest is read on the event loop, where importing would block
from eventsource import filter as filters
from eventsource.source import Listener, Notice, registered
from tiphys.bus.event import DEFAULT_BUS
from tiphys.errors import FaultKind, FieldError, ManifestError, shorten
from tiphys.schema.model import Model, UnknownField, field_errors, unknown_fields

__all__ = ["Entry", "EventSource", "Examined", "Parsed", "examine", "parse"]

# fmt: off
ARGO_SOURCES: Final = frozenset((
    "amqp", "azureEventsHub", "azureQueueStorage", "azureServiceBus", "bitbucket", "bitbucketserver", "calendar", "emitter",
    "file", "generic", "gerrit", "github", "gitlab", "hdfs", "kafka", "minio", "mns", "mqtt", "nats", "nsq", "pubSub", "pulsar",
    "redis", "redisStream", "resource", "sftp", "slack", "sns", "sqs", "storageGrid", "stripe", "webhook",
))
"""Every source of argo-events."""
# fmt: on

_NO_EFFECT: Final[Mapping[str, str]] = {
    "template": "has no effect: no pod is made for an EventSource",
    "replicas": "has no effect: no pod is made for an EventSource",
    "service": "has an effect in a cluster only; every event is served at the ingress as well",
    "type": "has no effect: argo-events dropped it as well",
}
_PROTECTING_WORDS: Final = frozenset({"auth", "authentication", "authorization", "secret", "secrets", "signature", "hmac"})
_PROTECTING_FIELDS: Final = (
    "authSecret",
    "webhookSecret",
    "signature",
    "signingSecret",
    "serverCertSecret",
    "serverKeySecret",
    "tls",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: `key` is the source's (`webhook`), `event` its name, `spec` its settings."""

    key: str
    event: str
    listener: type[Listener[Any]]
    spec: Model


@dataclass(frozen=True, slots=True)
class EventSource:
    """An accepted EventSource. `created` is the object's creationTimestamp as it stands there, empty if it has none."""

    namespace: str
    name: str
    bus: str
    entries: tuple[Entry, ...]
    created: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An EventSource with what status and `lint` shall say about it: fields that nobody knows, and notices."""

    manifest: EventSource
    unknown: tuple[UnknownField, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """All there is to say about an EventSource; with `errors` there is no `manifest`."""

    manifest: EventSource | None
    errors: tuple[FieldError, ...]
    unknown: tuple[UnknownField, ...]
    notices: tuple[Notice, ...]


def parse(manifest: Mapping[str, Any], namespace: str = "default") -> Parsed:
    """Read an object of kind EventSource; `namespace` is for one that names none. Raises `ManifestError` with every fault."""
    found = examine(manifest, namespace)
    if found.manifest is None:
        raise ManifestError(found.errors)
    return Parsed(found.manifest, found.unknown, found.notices)


def examine(manifest: Mapping[str, Any], namespace: str = "default") -> Examined:
    """As `parse`, with what there is to say also about one that is refused. Raises nothing."""
    return _Reading(manifest, namespace).result()


class _Reading:
    def __init__(self, manifest: Mapping[str, Any], namespace: str) -> None:
        self.errors: list[FieldError] = []
        self.unknown: list[UnknownField] = []
        self.notices: list[Notice] = []
        metadata = self._map(manifest.get("metadata"), "metadata")
        spec = self._map(manifest.get("spec"), "spec")
        name = self._text(metadata, "name", "metadata.name", "")
        if not name:
            self.errors.append(FieldError("metadata.name", "is missing", "give the object a name", kind=FaultKind.MISSING))
        bus = self._text(spec, "eventBusName", "spec.eventBusName", DEFAULT_BUS)
        entries = tuple(self._entries(spec))
        self.manifest = EventSource(
            self._text(metadata, "namespace", "metadata.namespace", namespace),
            name,
            bus,
            entries,
            self._text(metadata, "creationTimestamp", "metadata.creationTimestamp", ""),
        )
        if not entries and not self.errors:
            text = f"has no event source; write one of {', '.join(sorted(registered()))}"
            self.notices.append(Notice("spec", text, FaultKind.MISSING))

    def result(self) -> Examined:
        return Examined(None if self.errors else self.manifest, tuple(self.errors), tuple(self.unknown), tuple(self.notices))

    def _map(self, value: Any, path: str) -> Mapping[str, Any]:
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        remedy = "write 'key: value' lines below it"
        self.errors.append(FieldError(path, "must be a map", remedy, shorten(value), kind=FaultKind.WRONG_TYPE))
        return {}

    def _text(self, within: Mapping[str, Any], key: str, path: str, default: str) -> str:
        value = within.get(key)
        if value is None or value == "":
            return default
        if isinstance(value, str):
            return value
        self.errors.append(FieldError(path, "must be a string", "put it in quotes", shorten(value), kind=FaultKind.WRONG_TYPE))
        return default

    def _entries(self, spec: Mapping[str, Any]) -> Iterator[Entry]:
        known = registered()
        seen: dict[str, str] = {}
        for key, value in spec.items():
            path = f"spec.{key}"
            if key in known:
                yield from self._of_type(key, known[key], self._map(value, path), seen)
            elif key in _NO_EFFECT:
                if value:
                    self.notices.append(Notice(path, _NO_EFFECT[key], FaultKind.HARMLESS))
            elif key in ARGO_SOURCES:
                remedy = f"take it out, or keep it in argo-events; supported are {', '.join(sorted(known))}"
                text = "is an event source that is not supported yet"
                self.errors.append(FieldError(path, text, remedy, kind=FaultKind.NOT_SUPPORTED))
            elif key != "eventBusName":
                near = difflib.get_close_matches(str(key), [*known, *ARGO_SOURCES, *_NO_EFFECT, "eventBusName"], n=1, cutoff=0.7)
                self._unknown(UnknownField(path, near[0] if near else ""))

    def _of_type(self, key: str, listener: type[Listener[Any]], events: Mapping[str, Any], seen: dict[str, str]) -> Iterator[Entry]:
        for event, settings in events.items():
            path = f"spec.{key}.{event}"
            if not isinstance(settings, Mapping):
                remedy = f"write the event's name and below it its settings: {key}: {{example: {{{event}: …}}}}"
                problem = "should be a map: an event's name to its settings"
                self.errors.append(FieldError(path, problem, remedy, shorten(settings), kind=FaultKind.WRONG_TYPE))
                continue
            if event in seen:
                remedy = "choose another name: sensors find an event by the EventSource and this name alone"
                text = f"is the name of an event below {seen[event]} as well"
                self.errors.append(FieldError(path, text, remedy, kind=FaultKind.DUPLICATE_NAME))
                continue
            seen[event] = f"spec.{key}"
            for field in unknown_fields(listener.spec, settings, path):
                self._unknown(field, listener.spec)
            try:
                spec = listener.spec.model_validate(settings)
            except ValidationError as error:
                self.errors += field_errors(error, path)
                continue
            faults = [*listener.check(spec), *filters.faults(spec)]
            self.errors += [replace(fault, path=_below(path, fault.path)) for fault in faults]
            notices = listener.notices(spec) if faults else [*listener.notices(spec), *filters.notices(spec)]
            self.notices += [notice._replace(path=_below(path, notice.path)) for notice in notices]
            if not faults:
                yield Entry(key, str(event), listener, spec)

    def _unknown(self, field: UnknownField, model: type[Model] | None = None) -> None:
        name = field.path.rpartition(".")[2]
        if not _protects(name):
            self.unknown.append(field)
            return
        known = [info.alias or key for key, info in model.model_fields.items()] if model else []
        protecting = [key for key in known if key in _PROTECTING_FIELDS] or ["authSecret"]
        hint = difflib.get_close_matches(name, protecting, n=1, cutoff=0.0)[0]
        remedy = f"did you mean {hint}? write that, or take it out"
        text = "is no field, and looks as if it should protect"
        self.errors.append(FieldError(field.path, text, remedy, kind=FaultKind.MISSPELT_PROTECTION))


def _below(path: str, relative: str) -> str:
    return f"{path}.{relative}" if relative else path


def _protects(name: str) -> bool:
    """Whether a name without meaning is near to one that protects."""
    if difflib.get_close_matches(name, _PROTECTING_FIELDS, n=1, cutoff=0.75):
        return True
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    return not words.isdisjoint(_PROTECTING_WORDS)
