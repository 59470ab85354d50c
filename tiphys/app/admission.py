"""Is a manifest acceptable, and what should its owner know? Pure: the service, the admission webhook and `lint` ask the same.

`examine` reads a document of kind EventBus, EventSource or Sensor, and says everything about it at once: every fault, each with its place
in the text where the origin has one, and as notices what is accepted although it deserves a word (a field without effect, a source without
authentication, a condition that is nearly always true). A fault hides no other: a part that cannot be read is left out, and what stands
beside it is looked at. `admit` is the same for who wants acceptable manifests only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from dispatcher.trigger import Templates
from eventsource.manifest import EventSource
from eventsource.manifest import examine as examine_event_source
from tiphys.app.notices import Level, Notice, warning
from tiphys.app.sensorplan import SensorPlan, examine_sensor, sensor_model
from tiphys.bus.manifest import EventBus
from tiphys.bus.manifest import examine as examine_event_bus
from tiphys.errors import FaultKind, FieldError, ManifestError, shorten
from tiphys.schema.loader import Document
from tiphys.schema.model import UnknownField, join_path

__all__ = [
    "API_VERSION",
    "BUS_KIND",
    "KINDS",
    "Accepted",
    "Examined",
    "Level",
    "Notice",
    "SensorPlan",
    "admit",
    "examine",
    "identity",
    "sensor_model",
]

API_VERSION: Final = "argoproj.io/v1alpha1"
BUS_KIND: Final = "EventBus"
KINDS: Final = (BUS_KIND, "EventSource", "Sensor")
_OF_THE_POD: Final = frozenset(("serviceAccountName", "nodeSelector", "tolerations", "volumes", "container", "affinity"))
_ANTI_AFFINITY: Final = "spec.nats.native.antiAffinity"
_TOLERATED: Final = frozenset(("group", "version", "resource"))


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted manifest. `body` is what is kept: the manifest as JSON, without status and the API server's bookkeeping."""

    kind: str
    namespace: str
    name: str
    body: bytes
    plan: EventBus | EventSource | SensorPlan
    notices: tuple[Notice, ...]
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Examined:
    """All there is to say about a manifest. With `errors` it is refused, and `accepted` is `None`."""

    errors: tuple[FieldError, ...]
    notices: tuple[Notice, ...]
    accepted: Accepted | None = None


def identity(obj: dict[str, Any], namespace: str) -> tuple[str, str, str]:
    """Kind, namespace and name of any object; empty where it has none."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(obj.get("kind") or ""), str(metadata.get("namespace") or namespace), str(metadata.get("name") or "")


def admit(document: Document, namespace: str, templates: Templates | None = None, *, strict: bool = False) -> Accepted:
    """Read a document of kind EventBus, EventSource or Sensor; `namespace` is for one that names none.

    Raises `ManifestError` with every fault. `strict` refuses fields that nobody knows.
    """
    found = examine(document, namespace, templates, strict=strict)
    if found.accepted is None:
        raise ManifestError(found.errors)
    return found.accepted


def examine(document: Document, namespace: str, templates: Templates | None = None, *, strict: bool = False) -> Examined:
    """As `admit`, and says as much about what is refused. Raises nothing."""
    obj = document.object
    faults = list(_without_json_form(obj, ""))
    version = obj.get("apiVersion")
    if version != API_VERSION and not faults:
        faults = [FieldError("apiVersion", f"must be {API_VERSION}", "write it so", shorten(version), kind=FaultKind.WRONG_TYPE)]
    if faults:
        return Examined(tuple(document.locate(faults)), ())
    plan, faults, notices, unknown = _read(obj, namespace, templates)
    refused, tolerated = _of_unknown(unknown, strict=strict)
    located = tuple(replace(one, where=document.where(one.path)) for one in (*notices, *tolerated))
    if plan is None or faults or refused:
        return Examined(tuple(document.locate([*faults, *refused])), located)
    kind, _, _ = identity(obj, namespace)
    accepted = Accepted(kind, plan.namespace, plan.name, _body(obj), plan, located, _generation(obj))
    return Examined((), located, accepted)


_Read = tuple[EventBus | EventSource | SensorPlan | None, list[FieldError], list[Notice], list[UnknownField]]


def _read(obj: dict[str, Any], namespace: str, templates: Templates | None) -> _Read:
    """What the kind's own reader says: the plan, faults, notices, and fields that nobody knows."""
    kind, namespace, name = identity(obj, namespace)
    if kind == "Sensor":
        sensor = examine_sensor(obj, namespace, name, templates)
        return sensor.plan, sensor.faults, sensor.notices, sensor.unknown
    if kind == "EventSource":
        source = examine_event_source(obj, namespace)
        noticed = [Notice("warning", one.path, one.text, kind=one.kind) for one in source.notices]
        return source.manifest, list(source.errors), noticed, list(source.unknown)
    bus = examine_event_bus(obj, namespace)
    told = [warning(one) for one in bus.notices]
    if bus.manifest is not None:
        text = f"asks for {bus.manifest.asks_for}, which is neither run nor joined; its events are kept in the service's own log"
        told.append(Notice("information", "spec", text, kind=FaultKind.EMBEDDED_BUS))
    return bus.manifest, list(bus.errors), told, list(bus.unknown)


def _without_json_form(value: Any, path: str) -> Iterator[FieldError]:
    """Values that YAML can write and no JSON of an API server can hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _without_json_form(item, join_path(path, (str(key),)))
            if not _is_text(key):
                yield FieldError(path or "document", "has a key that is no text", "write it in UTF-8", shorten(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _without_json_form(item, f"{path}[{index}]")
    elif isinstance(value, int) and not -(1 << 63) <= value < (1 << 64):
        yield FieldError(path, "is a number beyond 64 bits", "put it in quotes", shorten(value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield FieldError(path, "is no finite number", "put it in quotes", shorten(value))
    elif isinstance(value, str) and not _is_text(value):
        yield FieldError(path, "is no text", "write it in UTF-8", shorten(value))


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _body(obj: dict[str, Any]) -> bytes:
    """What makes a version: the spec and the names. Status, resourceVersion and their like change without a change of meaning."""
    metadata = obj.get("metadata") or {}
    kept = {key: metadata[key] for key in ("name", "namespace", "annotations", "creationTimestamp") if metadata.get(key)}
    body = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept, "spec": obj.get("spec")}
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _generation(obj: dict[str, Any]) -> int:
    generation = (obj.get("metadata") or {}).get("generation")
    return generation if isinstance(generation, int) else 0


def _of_unknown(unknown: list[UnknownField], *, strict: bool) -> tuple[list[FieldError], list[Notice]]:
    """Fields that nobody knows: as faults with `strict`, else as notices. What argo-events once had and dropped does no harm."""
    errors: list[FieldError] = []
    found: list[Notice] = []
    for field in unknown:
        leaf = field.path.rpartition(".")[2]
        if field.elsewhere:
            hint = f"did you mean {field.elsewhere}?"
        elif leaf in _OF_THE_POD and field.path == f"spec.{leaf}":
            hint = f"did you mean spec.template.{leaf}?"
        else:
            hint = f"did you mean {field.nearest}?" if field.nearest else "argo-events ignores it as well; take it out"
        if (leaf in _TOLERATED and ".triggers[" in field.path) or field.path == _ANTI_AFFINITY:
            text = "has no effect; argo-events dropped it"
            found.append(Notice("information", field.path, text, kind=FaultKind.HARMLESS))
        elif strict:
            errors.append(FieldError(field.path, "is no field", hint, kind=FaultKind.UNKNOWN_FIELD))
        else:
            text = f"is no field and has no effect; {hint}"
            found.append(Notice("error", field.path, text, kind=FaultKind.UNKNOWN_FIELD))
    return errors, found
