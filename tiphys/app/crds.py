"""The CustomResourceDefinitions of `EventBus`, `EventSource` and `Sensor`, made from the models (`tiphys crds`).

Two rules shape them:

* *Whatever argo-events accepts is accepted*, also where only argo-events runs the object (`--adopt labelled`) and where we do not
  support a field yet: what our models ask beyond argo-events is the admission webhook's to say, and the status's. So a schema has the types
  that argo-events itself must decode, and of conditions only those in `_RULES`, which argo-events has as well (reference 8.2 to 8.4).
* *Nothing is pruned*: a field that nobody knows must reach us, for its owner to be told. Pruning begins anew below each object that lists
  its properties, so each of them says `x-kubernetes-preserve-unknown-fields`.

Followed: "Specifying a structural schema" of the Kubernetes documentation, `apiextensions.k8s.io/v1`. A structural schema has no
references, no unions of types and no recursion: parts are written out, a union is left open, and a model within itself is an open object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

import orjson
import yaml

from tiphys.app.admission import API_VERSION
from tiphys.app.schemas import KINDS, kind_schema

__all__ = ["crd", "crds", "crds_text"]

_OPEN: Final = {"x-kubernetes-preserve-unknown-fields": True}
_NAMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "EventBus": ("eventbus", "eventbus", "eb"),
    "EventSource": ("eventsources", "eventsource", "es"),
    "Sensor": ("sensors", "sensor", "sn"),
}
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "EventBus": ("Configured", "Deployed"),
    "EventSource": ("Ready", "Listening"),
    "Sensor": ("Ready", "Acting"),
}
_LONGEST_MESSAGE: Final = 32768


def _rule(text: str, message: str) -> dict[str, str]:
    return {"rule": text, "message": message}


_SOME: Final = {"minItems": 1}
_NAMED: Final = {"minLength": 1}
_OPERATOR: Final = {"enum": ["", "and", "or"]}
_RULES: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "EventBus": {
        "spec": {
            "x-kubernetes-validations": [
                _rule(
                    "has(self.nats) || has(self.jetstream) || has(self.jetstreamExotic) || has(self.kafka)",
                    "says of no bus: set one of nats, jetstream, jetstreamExotic and kafka",
                )
            ]
        },
        "spec.nats": {
            "x-kubernetes-validations": [
                _rule("has(self.native) != has(self.exotic)", "needs one of native and exotic, and not both"),
            ]
        },
    },
    "Sensor": {
        "spec": {"required": ["dependencies", "triggers"]},
        "spec.dependencies": _SOME,
        "spec.dependencies[]": {"required": ["eventName", "eventSourceName", "name"]},
        "spec.dependencies[].name": _NAMED,
        "spec.dependencies[].eventSourceName": _NAMED,
        "spec.dependencies[].eventName": _NAMED,
        "spec.dependencies[].filtersLogicalOperator": _OPERATOR,
        "spec.dependencies[].filters.dataLogicalOperator": _OPERATOR,
        "spec.dependencies[].filters.exprLogicalOperator": _OPERATOR,
        "spec.dependencies[].filters.data[].comparator": {"enum": ["", ">=", ">", "=", "!=", "<", "<="]},
        "spec.triggers": _SOME,
        "spec.triggers[]": {
            "required": ["template"],
            "x-kubernetes-validations": [
                _rule(
                    "!has(self.dlqTrigger) || !has(self.atLeastOnce) || self.atLeastOnce",
                    "a dlqTrigger needs at least once, and atLeastOnce is false",
                )
            ],
        },
        "spec.triggers[].template": {"required": ["name"]},
        "spec.triggers[].template.name": _NAMED,
    },
}
"""What is asked beyond types, by kind and path; `[]` is an item of a list."""


def crds() -> list[dict[str, Any]]:
    """All of them, by kind. The same models make the same text."""
    return [crd(kind) for kind in KINDS]


def crds_text(form: str) -> str:
    """All of them as `yaml`, ready for `kubectl apply -f -`, or as a `json` List."""
    if form == "json":
        return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": crds()}, option=orjson.OPT_INDENT_2).decode() + "\n"
    return yaml.dump_all(crds(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=132, explicit_start=True)


class _Dumper(yaml.SafeDumper):
    """Without anchors: a part that stands in two places is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    group, _, version = API_VERSION.partition("/")
    plural, singular, short = _NAMES[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular, "shortNames": [short]},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema(kind)},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(kind),
                }
            ],
        },
    }


def _columns(kind: str) -> list[dict[str, Any]]:
    of = '.status.conditions[?(@.type=="{}")].{}'
    found: list[dict[str, Any]] = [
        {"name": name, "type": "string", "jsonPath": of.format(name, "status")} for name in _COLUMNS[kind]
    ]
    found.append({"name": "Message", "type": "string", "priority": 1, "jsonPath": of.format(_COLUMNS[kind][0], "message")})
    return [*found, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


def _schema(kind: str) -> dict[str, Any]:
    whole = kind_schema(kind)
    spec = _Structural(whole.get("definitions", {})).of(whole["properties"]["spec"])
    for path, asked in _RULES.get(kind, {}).items():
        _at(spec, path.split(".")[1:]).update(deepcopy(dict(asked)))
    return {
        "type": "object",
        "required": ["metadata", "spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _status(),
        },
    }


def _at(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        name, _, item = part.partition("[]")
        schema = schema["properties"][name] if not item and not part.endswith("[]") else schema["properties"][name]["items"]
    return schema


def _status() -> dict[str, Any]:
    """Conditions as Kubernetes has them; whatever else argo-events keeps in a status stays."""
    condition = {
        "type": {"type": "string"},
        "status": {"type": "string"},
        "reason": {"type": "string"},
        "message": {"type": "string", "maxLength": _LONGEST_MESSAGE},
        "lastTransitionTime": {"type": "string", "format": "date-time", "nullable": True},
        "observedGeneration": {"type": "integer", "format": "int64"},
    }
    return {
        "type": "object",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {
                "type": "array",
                "items": {"type": "object", "required": ["type", "status"], "properties": condition} | _OPEN,
            },
        },
        **_OPEN,
    }


class _Structural:
    """A JSON Schema as a structural one."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._within: list[str] = []

    def of(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The structural form of a schema."""
        described = {"description": text} if (text := _shown(node)) else {}
        if reference := _reference(node):
            return self._definition(reference, described)
        kind = node.get("type")
        if kind == "object":
            return described | self._object(node)
        if kind == "array":
            return described | {"type": "array", "items": self._item(node)}
        if kind in ("integer", "number", "string", "boolean"):
            return described | {"type": kind}
        if _types(node) == ["integer", "string"]:
            return described | {"x-kubernetes-int-or-string": True}
        return described | _OPEN

    def _definition(self, name: str, described: dict[str, Any]) -> dict[str, Any]:
        if name in self._within:
            return {"type": "object", **described, **_OPEN}
        self._within.append(name)
        try:
            return self.of(self._definitions[name]) | described
        finally:
            self._within.pop()

    def _object(self, node: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object"}
        values = node.get("additionalProperties")
        if properties := node.get("properties"):
            made["properties"] = {name: self.of(properties[name]) for name in sorted(properties)}
        elif isinstance(values, Mapping) and values:
            return made | {"additionalProperties": self.of(values)}
        return made | _OPEN

    def _item(self, node: Mapping[str, Any]) -> dict[str, Any]:
        items = node.get("items")
        return self.of(items) if isinstance(items, Mapping) else dict(_OPEN)


def _reference(node: Mapping[str, Any]) -> str:
    whole = node.get("allOf")
    target = node.get("$ref") or (whole[0].get("$ref", "") if isinstance(whole, list) and len(whole) == 1 else "")
    return str(target).removeprefix("#/definitions/")


def _types(node: Mapping[str, Any]) -> list[str]:
    return sorted(str(one.get("type")) for one in node.get("anyOf", ()))


def _shown(node: Mapping[str, Any]) -> str:
    """The description; values that are asked for are said there, and left to admission."""
    parts = [str(node["description"])] if node.get("description") else []
    if values := [str(value) for value in _values(node) if value != ""]:
        parts.append(f"One of: {', '.join(values)}.")
    return " ".join(parts)


def _values(node: Mapping[str, Any]) -> Iterator[Any]:
    yield from node.get("enum", ())
    if "const" in node:
        yield node["const"]
