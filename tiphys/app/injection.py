"""Where text of an event becomes code: parameters followed from a dependency into a script, a shell's command or a manifest.

Argo Workflows puts `{{inputs.parameters.x}}` into the text of a template before anything runs. In an element of `args` that is a value
like any other, but in `script.source`, in what follows `sh -c`, and in a `resource.manifest` it is code, and quotes around it do not hold.

Only what is certain is said: the way is followed over arguments of steps and tasks, `templateRef` and `workflowTemplateRef` among the
documents; a value that a transform, a pattern, an anchored filter or a function of a template may have cleaned is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from dispatcher.artifact import parse_objects
from dispatcher.workflowtemplates import kind_of
from tiphys.app.admission import identity
from tiphys.app.neighbours import NeighbouringTemplates, Neighbours
from tiphys.app.workflowcode import Owner, direct, exposed
from tiphys.schema.loader import Document

__all__ = ["Injections"]

_REQUESTS: Final = frozenset(
    (
        "webhook",
        "github",
        "gitlab",
        "bitbucket",
        "bitbucketserver",
        "gerrit",
        "slack",
        "sns",
        "stripe",
        "storageGrid",
        "git",
        "minio",
    )
)
_SERVICES: Final = frozenset(("github", "gitlab", "bitbucket", "bitbucketserver", "gerrit", "git"))
_FIXED: Final = re.compile(
    r"(?:\A|\.)(?:id|node_id|number|sha|after|before|login|size|timestamp|created_at|updated_at|action|pull_request\.html_url)\Z"
)
"""Paths whose values the service behind an authenticated route makes: no text of a user."""
_OF_A_SERVICE: Final = re.compile(
    r"body\.(?:ref|head_commit|commits|pull_request|issue|comment|release|object_attributes|repository|project)(?:\.|\Z)"
)
"""What shows that an event is a Git service's, where its EventSource is not among the documents."""
_INPUT: Final = re.compile(r"\.Input\.([\w.]+)")
_CLEANING: Final = re.compile(
    r"\b(b64enc|b32enc|sha\d+sum|adler32sum|int|int64|float64|atoi|len|eq|ne|regex\w+|mustRegex\w+|ternary|has)\b"
)
_ARGUMENT: Final = re.compile(r"spec\.arguments\.parameters\.(?:(\d+)|#\(name==\"?([\w-]+)\"?\))\.value\Z")
_ATOM: Final = r"(?:[\w/:@=,-]|\\[.dw/-]|\[(?:A-Z|a-z|0-9|A-F|a-f|[\w./:@=])+-?\])(?:[*+?]|\{\d+(?:,\d*)?\})?"
_ANCHORED: Final = re.compile(rf"\^(?:{_ATOM}|\((?:\?:)?(?:{_ATOM}|\|)*\)[*+?]?)*\$\Z")
"""A regular expression of nothing but letters, digits and what no interpreter reads, from the beginning to the end of the text."""


class _Origin(NamedTuple):
    """Where a dependency's events come from. `kind` is the key below the EventSource's `spec`, empty if it is not among the documents."""

    kind: str
    source: str
    event: str
    is_open: bool


class _Flow(NamedTuple):
    """Text of a dependency's event that becomes code: the parameter's path and name, and the place."""

    path: str
    dependency: str
    name: str
    place: str


class Injections:
    """Looks for them in documents taken as one installation; `namespace` is for those that name none."""

    def __init__(self, documents: Sequence[Document], namespace: str, neighbours: Neighbours) -> None:
        self._documents, self._namespace, self._neighbours = documents, namespace, neighbours
        self._open: set[tuple[int, str]] = set()

    def open_route(self, document: Document, path: str) -> None:
        """An event (`spec.webhook.example…`) of an EventSource takes requests from anybody."""
        for key, events in _map(document.object.get("spec")).items():
            for event in _map(events):
                at = f"spec.{key}.{event}"
                if path == at or path.startswith(f"{at}."):
                    self._open.add((id(document), str(event)))

    def found(self) -> Iterator[tuple[Document, str, str, bool]]:
        """The Sensor's document, the path of the parameter, what happens, and whether the text comes from an open route."""
        for document in self._documents:
            kind, space, _ = identity(document.object, self._namespace)
            if kind == "Sensor":
                yield from _Sensor(document, space, self._neighbours, self._open).found()


class _Owners(dict[tuple[str, str], Owner]):
    """The WorkflowTemplates that a Sensor's text may come to, as they are asked for."""

    def __init__(self, templates: NeighbouringTemplates) -> None:
        super().__init__()
        self._templates = templates

    def __missing__(self, key: tuple[str, str]) -> Owner:
        space, name = key
        document = self._templates.document(space, name, not space)
        if document is None:
            raise KeyError(key)
        owner = Owner(_map(document.object.get("spec")), space, f"{kind_of(not space)} {name}", document)
        self[key] = owner
        return owner

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """As of any mapping."""
        try:
            return self[key]
        except KeyError:
            return default


class _Sensor:
    def __init__(self, document: Document, namespace: str, neighbours: Neighbours, opened: set[tuple[int, str]]) -> None:
        self._document, self._namespace = document, namespace
        self._templates = _Owners(neighbours.templates(document))
        self._spec = _map(document.object.get("spec"))
        self._dependencies = {str(one.get("name")): one for one in map(_map, _list(self._spec.get("dependencies")))}
        self._origins: dict[str, _Origin] = {}
        for name, one in self._dependencies.items():
            source, event = str(one.get("eventSourceName")), str(one.get("eventName"))
            there = neighbours.find("EventSource", namespace, source, document)
            listed = _map(there.object.get("spec")) if there is not None else {}
            kind = next((str(key) for key, events in listed.items() if event in _map(events)), "")
            self._origins[name] = _Origin(kind, source, event, (id(there), event) in opened)

    def found(self) -> Iterator[tuple[Document, str, str, bool]]:
        for index, trigger in enumerate(map(_map, _list(self._spec.get("triggers")))):
            template, base = _map(trigger.get("template")), f"spec.triggers[{index}]"
            flows: list[_Flow] = []
            for key in ("k8s", "argoWorkflow"):
                asked = _map(template.get(key))
                at = f"{base}.template.{key}"
                flows += self._into_object(asked, _parameters(asked, at, ""))
                flows += self._into_object(asked, _parameters(trigger, base, f"{key}.source.resource."))
            flows += self._into_template(_map(template.get("workflow")), f"{base}.template.workflow")
            yield from self._findings(flows)

    def _into_object(self, asked: Mapping[str, Any], parameters: Iterator[tuple[str, str, Mapping[str, Any]]]) -> Iterator[_Flow]:
        obj = _object(_map(asked.get("source")))
        if not obj or asked.get("operation") in ("submit-from", "delete"):
            return
        spec = _map(obj.get("spec"))
        names = [str(_map(one).get("name")) for one in _list(_map(spec.get("arguments")).get("parameters"))]
        reached = self._reached(obj, spec)
        for path, dest, src in parameters:
            dependency = str(src.get("dependencyName"))
            if not self._is_text_of_a_request(src, dependency):
                continue
            match = _ARGUMENT.match(dest)
            number = int(match[1]) if match and match[1] else names.index(match[2]) if match and match[2] in names else len(names)
            if number < len(names):
                name = names[number]
                if name in reached:
                    yield _Flow(path, dependency, name, reached[name])
            elif place := direct(obj, dest):
                yield _Flow(path, dependency, dest, place)

    def _reached(self, obj: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, str]:
        """The parameters of a Workflow that become code, and where."""
        if obj.get("kind") != "Workflow":
            return {}
        entrypoint = str(spec.get("entrypoint") or "")
        space = str(_map(obj.get("metadata")).get("namespace") or self._namespace)
        reference = _map(spec.get("workflowTemplateRef"))
        if reference:
            owner = self._templates.get(("" if reference.get("clusterScope") is True else space, str(reference.get("name"))))
            return exposed(owner, entrypoint, space, self._templates) if owner else {}
        return exposed(Owner(spec, space, "the Workflow", None), entrypoint, space, self._templates)

    def _into_template(self, asked: Mapping[str, Any], base: str) -> Iterator[_Flow]:
        """The short form `workflow`."""
        reference = asked.get("templateRef") or asked.get("clusterTemplateRef")
        space = str(asked.get("namespace") or self._namespace)
        owner = self._templates.get(("" if asked.get("clusterTemplateRef") else space, str(_map(reference).get("name"))))
        if owner is None:
            return
        reached = exposed(owner, str(asked.get("entrypoint") or ""), space, self._templates)
        for name, value in _map(asked.get("arguments")).items():
            if name not in reached:
                continue
            for dependency in self._sources_of(value):
                yield _Flow(f"{base}.arguments.{name}", dependency, name, reached[name])
                break

    def _sources_of(self, value: Any) -> Iterator[str]:
        """The dependencies whose text an argument of the short form takes as it is."""
        if isinstance(value, Mapping):
            dependency = str(value.get("from"))
            src = {"dataKey": value.get("path")}
            if value.get("from") and not value.get("pattern") and self._is_text_of_a_request(src, dependency):
                yield dependency
        elif isinstance(value, str) and not _CLEANING.search(value):
            for dependency in self._dependencies:
                for path in re.findall(rf"\{{\{{-?\s*\.{re.escape(dependency.replace('-', '_'))}\.([\w.]+)", value):
                    if self._is_text_of_a_request({"dataKey": path}, dependency):
                        yield dependency

    def _is_text_of_a_request(self, src: Mapping[str, Any], dependency: str) -> bool:
        asked = self._dependencies.get(dependency)
        if asked is None or asked.get("transform"):
            return False
        key, template = src.get("dataKey"), src.get("dataTemplate")
        if not key and not template and (src.get("contextKey") or src.get("contextTemplate") or src.get("value") is not None):
            return False
        if isinstance(template, str) and template and (".Input" not in template or _CLEANING.search(template)):
            return False
        paths = (
            _INPUT.findall(template) if isinstance(template, str) and template else [key] if isinstance(key, str) and key else []
        )
        origin = self._origins[dependency]
        if origin.kind not in _REQUESTS and (origin.kind or not any(map(_OF_A_SERVICE.match, paths))):
            return False
        cleaned = [path for path in paths if self._is_fixed(origin, path) or _is_held_to(asked, path)]
        return not paths or len(cleaned) < len(paths)

    def _is_fixed(self, origin: _Origin, path: str) -> bool:
        """Whether the service makes the value, and nobody else could have sent the event."""
        of_a_service = not origin.kind or origin.kind in _SERVICES
        return of_a_service and not origin.is_open and bool(_FIXED.search(path))

    def _findings(self, flows: Sequence[_Flow]) -> Iterator[tuple[Document, str, str, bool]]:
        """One for each dependency and place, with the names of all parameters that come there."""
        groups: dict[tuple[str, str], list[_Flow]] = {}
        for flow in flows:
            groups.setdefault((flow.dependency, flow.place), []).append(flow)
        for (dependency, place), group in groups.items():
            origin = self._origins[dependency]
            whose = (
                f"of anybody who can reach event {origin.event} of EventSource {origin.source}"
                if origin.is_open
                else "of the event"
            )
            names = ", ".join(dict.fromkeys(flow.name for flow in group))
            yield (
                self._document,
                group[0].path,
                f"text {whose} ({dependency}) becomes code through {names}: {place}",
                origin.is_open,
            )


def _object(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that a source holds in the manifest itself, empty if it is none or several."""
    inline = source.get("inline")
    if isinstance(inline, str) and inline:
        texts, _ = parse_objects(inline)
        return _map(orjson.loads(texts[0])) if len(texts) == 1 else {}
    return _map(source.get("resource"))


def _is_held_to(dependency: Mapping[str, Any], key: str) -> bool:
    """Whether a data filter lets only values of a written form pass at this path."""
    filters = _map(dependency.get("filters"))
    if "or" in (filters.get("dataLogicalOperator"), dependency.get("filtersLogicalOperator")):
        return False
    return any(
        entry.get("path") == key
        and entry.get("comparator") in (None, "", "=")
        and entry.get("type") == "string"
        and not entry.get("template")
        and _list(entry.get("value"))
        and all(isinstance(value, str) and _ANCHORED.match(value) for value in _list(entry.get("value")))
        for entry in map(_map, _list(filters.get("data")))
    )


def _parameters(holder: Mapping[str, Any], base: str, prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for index, entry in enumerate(map(_map, _list(holder.get("parameters")))):
        dest = entry.get("dest")
        if isinstance(dest, str) and dest.startswith(prefix):
            yield f"{base}.parameters[{index}]", dest.removeprefix(prefix), _map(entry.get("src"))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
