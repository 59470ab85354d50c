"""Does an event come where a Sensor waits for it, and has it what the Sensor asks for? What shows only where the EventSource is among the
files: an event or a bus that it does not have, a path that its data never has, two routes in one place. argo-events looks at none of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from eventsource.manifest import ARGO_SOURCES
from eventsource.source import registered
from tiphys.app.admission import identity
from tiphys.app.neighbours import Neighbours
from tiphys.app.notices import Level, Notice
from tiphys.errors import FaultKind, shorten
from tiphys.schema.loader import Document

__all__ = ["route_clashes", "unreached"]

_PLAIN: Final = re.compile(r"[\w-]+")
_OF_A_HEADER: Final = re.compile(r"headers?\.[\w-]+")
_BUS: Final = "default"


def unreached(document: Document, namespace: str, neighbours: Neighbours) -> Iterator[Notice]:
    """What a Sensor waits for in vain. Paths from the object; nothing is said of a dependency whose EventSource is not to be found."""
    spec = _map(document.object.get("spec"))
    _, space, _ = identity(document.object, namespace)
    members: dict[str, tuple[str, frozenset[str]]] = {}
    for index, dependency in enumerate(map(_map, _list(spec.get("dependencies")))):
        path = f"spec.dependencies[{index}]"
        name, event = dependency.get("eventSourceName"), dependency.get("eventName")
        source = neighbours.find("EventSource", space, name, document, strictly=True) if isinstance(name, str) and name else None
        if source is None and isinstance(name, str) and (alike := neighbours.alike("EventSource", name, document)):
            text = f"{shorten(name)} is no EventSource among these files; did you mean {alike}?"
            yield _notice("warning", f"{path}.eventSourceName", text, FaultKind.SOURCE_MISMATCH)
        if source is None or not isinstance(event, str):
            continue
        listed = {
            key: value for key, value in _map(source.object.get("spec")).items() if key in ARGO_SOURCES or key in registered()
        }
        yield from _other_bus(str(name), _bus(_map(source.object.get("spec"))), _bus(spec), path)
        kinds = {
            one: str(key) for key, entries in listed.items() for one in _map(entries) if isinstance(_map(entries)[one], Mapping)
        }
        if event not in kinds:
            if kinds and not any(mark in event for mark in "*?["):
                text = (
                    f"{shorten(event)} is no event of EventSource {name}, so nothing ever comes; it has {', '.join(sorted(kinds))}"
                )
                yield _notice("error", f"{path}.eventName", text, FaultKind.SOURCE_MISMATCH)
            continue
        kind = registered().get(kinds[event])
        if kind is None or not kind.members or dependency.get("transform"):
            continue
        members[str(dependency.get("name"))] = (kind.key, kind.members)
        yield from _filters(_map(dependency.get("filters")), kind.key, kind.members, f"{path}.filters")
    for where, source_ in _parameters(spec):
        known = members.get(str(source_.get("dependencyName")))
        key = source_.get("dataKey")
        if (
            known
            and isinstance(key, str)
            and not source_.get("all")
            and not source_.get("dataTemplate")
            and source_.get("value") is None
        ):
            yield from _path(key, *known, f"{where}.src.dataKey", "every firing fails")


def _other_bus(source: str, its: str, mine: str, path: str) -> Iterator[Notice]:
    if its != mine:
        text = f"EventSource {source} is on bus {its} and this Sensor on {mine}, so nothing ever comes; write the same eventBusName in both"
        yield _notice("error", f"{path}.eventSourceName", text, FaultKind.SOURCE_MISMATCH)


def _filters(filters: Mapping[str, Any], kind: str, members: frozenset[str], path: str) -> Iterator[Notice]:
    for index, entry in enumerate(map(_map, _list(filters.get("data")))):
        asked = entry.get("path")
        if not isinstance(asked, str):
            continue
        where = f"{path}.data[{index}]"
        yield from _path(asked, kind, members, f"{where}.path", "it is an error for every event")
        if _OF_A_HEADER.fullmatch(asked) and asked.partition(".")[0] in members and _is_anchored(entry):
            text = f'never holds: a header\'s values are a list, such as ["{_bare(entry)}"]; write {asked}.0'
            yield _notice("error", f"{where}.path", text, FaultKind.NEVER_TRUE)
    for index, entry in enumerate(map(_map, _list(filters.get("exprs")))):
        for number, field in enumerate(map(_map, _list(entry.get("fields")))):
            if isinstance(field.get("path"), str):
                where = f"{path}.exprs[{index}].fields[{number}].path"
                yield from _path(field["path"], kind, members, where, "it is an error for every event")


def _is_anchored(entry: Mapping[str, Any]) -> bool:
    """Whether a data filter's values begin or end with the text, which is in brackets where it is a list."""
    values = _list(entry.get("value"))
    anchored = [
        isinstance(value, str) and (value.startswith("^") or (value.endswith("$") and value[-2:] != "\\$")) for value in values
    ]
    return (
        bool(values)
        and all(anchored)
        and not any("[" in str(value)[:3] or ".*" in str(value) or "|" in str(value) for value in values)
        and entry.get("type") == "string"
        and entry.get("comparator") in (None, "", "=")
        and not entry.get("template")
    )


def _bare(entry: Mapping[str, Any]) -> str:
    return str(_list(entry.get("value"))[0]).strip("^$")


def _path(asked: str, kind: str, members: frozenset[str], where: str, so: str) -> Iterator[Notice]:
    first = asked.partition(".")[0]
    if _PLAIN.fullmatch(first) and first not in members:
        there = ", ".join(sorted(members))
        near = next((one for one in members if one.startswith(first) or first.startswith(one)), "")
        meant = f"{near}{asked[len(first) :]}" if near else f"body.{asked}" if "body" in members else ""
        hint = f"did you mean {meant}? " if meant else ""
        text = f"is not in the data of a {kind} event, so {so}; {hint}it has {there}"
        yield _notice("error", where, text, FaultKind.NO_SUCH_VALUE)


def _parameters(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path and the `src` of every parameter that must find something, those of templates and payloads included."""
    for index, trigger in enumerate(map(_map, _list(spec.get("triggers")))):
        base = f"spec.triggers[{index}]"
        holders = [(base, trigger)]
        holders += [(f"{base}.template.{key}", _map(value)) for key, value in _map(trigger.get("template")).items()]
        for path, holder in holders:
            for key in ("parameters", "payload", "dynamicHeaders"):
                for number, entry in enumerate(map(_map, _list(holder.get(key)))):
                    if entry.get("onMissing") in (None, "", "error"):
                        yield f"{path}.{key}[{number}]", _map(entry.get("src"))


class _Route(NamedTuple):
    document: Document
    path: str
    source: str
    kind: str


def route_clashes(documents: Iterable[Document], namespace: str) -> Iterator[tuple[Document, Notice]]:
    """Routes on the same port and path, each but the first with its document. Within one EventSource the second is unreachable in
    argo-events too; those of several share a port here, where argo-events has a pod for each."""
    routes: dict[tuple[str, str], list[_Route]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for document in documents:
        kind, space, name = identity(document.object, namespace)
        if kind != "EventSource" or (space, name) in seen:
            continue
        seen.add((space, name))
        for key, entries in _map(document.object.get("spec")).items():
            for event, settings in _map(entries).items():
                context = settings if key == "webhook" else _map(settings).get("webhook")
                port, endpoint = _map(context).get("port"), _map(context).get("endpoint")
                if isinstance(port, str) and isinstance(endpoint, str) and endpoint:
                    path = f"spec.{key}.{event}" + ("" if key == "webhook" else ".webhook")
                    route = _Route(document, f"{path}.endpoint", f"{space}/{name}", key)
                    routes[port, endpoint if endpoint.startswith("/") else f"/{endpoint}"].append(route)
    for (port, endpoint), found in routes.items():
        first, *others = found
        for route in others:
            where = first.document.where(first.path)
            if route.source == first.source:
                text = f"is on port {port} with {endpoint}, as the one at {where} is: only one of them is reached"
                yield route.document, _notice("error", route.path, f"{text}; give it another endpoint", FaultKind.SAME_ROUTE)
            elif route.document.origin == first.document.origin:
                text = f"is on port {port} with {endpoint}, as that of EventSource {first.source}: the younger is not served there"
                yield route.document, _notice("warning", route.path, f"{text}; give it another endpoint", FaultKind.SAME_ROUTE)


def _notice(level: Level, path: str, text: str, kind: FaultKind) -> Notice:
    return Notice(level, path, text, kind=kind)


def _bus(spec: Mapping[str, Any]) -> str:
    name = spec.get("eventBusName")
    return name if isinstance(name, str) and name else _BUS


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
