"""Is a manifest acceptable, and what should its owner know? Pure: the service and `lint` ask the same.

`admit` reads a document of kind EventSource or Sensor into what the rooms run. All faults come at once, each with its place in the text
where the origin has one. What is accepted although it deserves a word (a field without effect, a source without authentication, a
condition that is nearly always true) comes as notices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, Literal, cast

import orjson
from pydantic import ValidationError

from dispatcher.manifest import TriggerSpec, check, notices, trigger_model
from dispatcher.trigger import Templates
from eventsource.manifest import EventSource, parse
from sensors.manifest import SensorSpec
from sensors.program import SensorProgram
from tiphys.errors import FieldError, ManifestError, shorten
from tiphys.schema.loader import Document
from tiphys.schema.model import UnknownField, field_errors, join_path, unknown_fields

__all__ = ["API_VERSION", "KINDS", "Accepted", "Notice", "SensorPlan", "admit", "identity", "sensor_model"]

API_VERSION: Final = "argoproj.io/v1alpha1"
KINDS: Final = ("EventSource", "Sensor")
Level = Literal["error", "warning", "information"]
_TOLERATED: Final = frozenset(("group", "version", "resource"))
_WITHOUT_EFFECT: Final = {
    "replicas": "has no effect: one process runs every sensor",
    "revisionHistoryLimit": "has no effect: no Deployment is made",
    "errorOnFailedRound": "has no effect, as in argo-events",
    "loggingFields": "has no effect, as in argo-events",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about a manifest: its level, the path of the field, the text, and `file:line` where it is known."""

    level: Level
    path: str
    text: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class SensorPlan:
    """An accepted Sensor: its spec, and the account that it acts as (empty: none named)."""

    namespace: str
    name: str
    spec: SensorSpec[TriggerSpec]
    account: str

    def program(self, *, revision: int = 0, since: int = 0) -> SensorProgram:
        """Compile what decides. It has been compiled once by `admit`, so it raises nothing."""
        return SensorProgram.compile(self.namespace, self.name, self.spec, revision=revision, since=since)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted manifest. `body` is what is kept: the manifest as JSON, without status and the API server's bookkeeping."""

    kind: str
    namespace: str
    name: str
    body: bytes
    plan: EventSource | SensorPlan
    notices: tuple[Notice, ...]
    generation: int = 0


def identity(obj: dict[str, Any], namespace: str) -> tuple[str, str, str]:
    """Kind, namespace and name of any object; empty where it has none."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return str(obj.get("kind") or ""), str(metadata.get("namespace") or namespace), str(metadata.get("name") or "")


def admit(document: Document, namespace: str, templates: Templates | None = None, *, strict: bool = False) -> Accepted:
    """Read a document of kind EventSource or Sensor; `namespace` is for one that names none.

    Raises `ManifestError` with every fault. `strict` refuses fields that nobody knows.
    """
    try:
        return _admit(document, namespace, templates, strict=strict)
    except ManifestError as error:
        raise ManifestError(document.locate(error.errors)) from error


def _admit(document: Document, namespace: str, templates: Templates | None, *, strict: bool) -> Accepted:
    obj = document.object
    if faults := list(_without_json_form(obj, "")):
        raise ManifestError(faults)
    version = obj.get("apiVersion")
    if version != API_VERSION:
        raise ManifestError([FieldError("apiVersion", f"must be {API_VERSION}", "write it so", shorten(version))])
    if obj.get("kind") == "EventSource":
        parsed = parse(obj, namespace)
        plan: EventSource | SensorPlan = parsed.manifest
        unknown = list(parsed.unknown)
        found = [Notice("warning", one.path, one.text) for one in parsed.notices]
    else:
        plan, unknown, found = _sensor(obj, namespace, templates)
    found += _unknown_notices(unknown, strict=strict)
    located = tuple(replace(one, where=document.where(one.path)) for one in found)
    kind, _, _ = identity(obj, namespace)
    return Accepted(kind, plan.namespace, plan.name, _body(obj), plan, located, _generation(obj))


@cache
def sensor_model() -> type[SensorSpec[TriggerSpec]]:
    """The whole Sensor, composed of both rooms' models."""
    return cast("type[SensorSpec[TriggerSpec]]", SensorSpec.__class_getitem__(trigger_model()))


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


def _sensor(
    obj: dict[str, Any], namespace: str, templates: Templates | None
) -> tuple[SensorPlan, list[UnknownField], list[Notice]]:
    _, namespace, name = identity(obj, namespace)
    if not name:
        raise ManifestError([FieldError("metadata.name", "is missing", "give the object a name")])
    model = sensor_model()
    raw = obj.get("spec")
    if not isinstance(raw, dict):
        raise ManifestError([FieldError("spec", "must be a map", "write dependencies and triggers below it", shorten(raw))])
    try:
        spec = model.model_validate(raw)
    except ValidationError as error:
        raise ManifestError(field_errors(error, "spec")) from error
    names = frozenset(dependency.name for dependency in spec.dependencies)
    faults: list[FieldError] = []
    found: list[Notice] = []
    try:
        program = SensorProgram.compile(namespace, name, spec)
        found += [Notice("warning", one.path, f"{one.problem}; {one.remedy}") for one in program.notices]
    except ManifestError as error:
        faults += error.errors
    for index, trigger in enumerate(spec.triggers):
        path = f"spec.triggers[{index}]"
        faults += [replace(fault, path=_below(path, fault.path)) for fault in check(trigger, names, namespace, templates)]
        found += [Notice("warning", _below(path, one.path), one.text) for one in notices(trigger)]
    if faults:
        raise ManifestError(faults)
    found += _risks(spec, raw)
    account = (spec.template or {}).get("serviceAccountName")
    plan = SensorPlan(namespace, name, spec, account if isinstance(account, str) else "")
    return plan, unknown_fields(model, raw, "spec"), found


def _below(path: str, relative: str) -> str:
    return f"{path}.{relative}" if relative else path


def _risks(spec: SensorSpec[TriggerSpec], raw: dict[str, Any]) -> Iterator[Notice]:
    """What is accepted, and seldom meant."""
    for field, text in _WITHOUT_EFFECT.items():
        if raw.get(field):
            yield Notice("information", f"spec.{field}", text)
    for index, dependency in enumerate(spec.dependencies):
        path = f"spec.dependencies[{index}]"
        filters = dependency.filters
        if filters is None:
            continue
        kinds = (filters.exprs, filters.data, filters.context, filters.time, filters.git, filters.script)
        if dependency.filters_logical_operator == "or" and (filters.exprs or filters.data) and sum(map(bool, kinds)) > 1:
            text = "a path that an event does not have is an error, and drops the event, whatever the other kinds say"
            yield Notice("warning", f"{path}.filtersLogicalOperator", f"{text}; ask for paths that are always there")
        for number, entry in enumerate(filters.data):
            where = f"{path}.filters.data[{number}]"
            if entry.comparator == "!=" and len(entry.value) > 1:
                text = "holds where any value differs, which is nearly always; write one expression: ^(a|b)$"
                yield Notice("warning", f"{where}.value", text)
            if entry.type == "string" and entry.comparator not in ("", "=", "!="):
                yield Notice("warning", f"{where}.comparator", f"{entry.comparator} never holds for strings; use type: number")
            if entry.type == "bool" and entry.comparator not in ("", "="):
                yield Notice("warning", f"{where}.comparator", "is ignored for booleans, as in argo-events")


def _unknown_notices(unknown: list[UnknownField], *, strict: bool) -> list[Notice]:
    errors = []
    found = []
    for field in unknown:
        hint = f"did you mean {field.nearest}?" if field.nearest else "argo-events ignores it as well; take it out"
        leaf = field.path.rpartition(".")[2]
        if leaf in _TOLERATED and ".triggers[" in field.path:
            found.append(Notice("information", field.path, "has no effect; argo-events dropped it"))
        elif strict:
            errors.append(FieldError(field.path, "is no field", hint))
        else:
            found.append(Notice("error", field.path, f"is no field and has no effect; {hint}"))
    if errors:
        raise ManifestError(errors)
    return found
