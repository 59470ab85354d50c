"""What WorkflowTemplates declare, and whether arguments agree with it: an argument that is wrong is found before a Workflow exists.

Argo Workflows itself accepts an argument that nobody declared and leaves a missing one for the run to fail on; with a short form that is
ours to define, both are errors here. Only `Catalogue.fetch` does I/O.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dispatcher.trigger import Declared, DeclaredParameter, Services
from tiphys.errors import Refused, shorten

__all__ = ["API_VERSION", "Catalogue", "declared_by", "disagreement", "kind_of"]

API_VERSION: Final = "argoproj.io/v1alpha1"
_FRESH: Final = 30.0
_READ: Final = re.compile(r"workflow\.parameters\.([\w-]+)")
_READS_ALL: Final = re.compile(r"workflow\.parameters(?![\w.-])|workflow\.parameters\.json")
"""The whole list of arguments is read, or one by an expression."""


def kind_of(cluster_scope: bool) -> str:
    """The kind that a reference means."""
    return "ClusterWorkflowTemplate" if cluster_scope else "WorkflowTemplate"


def declared_by(template: Mapping[str, Any]) -> Declared:
    """What a WorkflowTemplate or ClusterWorkflowTemplate (the whole object) declares. Parts of the wrong shape count as absent."""
    spec = _mapping(template.get("spec"))
    parameters = {}
    for entry in _list(_mapping(spec.get("arguments")).get("parameters")):
        name = _mapping(entry).get("name")
        if isinstance(name, str) and name:
            has_value = any(entry.get(key) is not None for key in ("value", "default", "valueFrom"))
            enum = tuple(_any_string(value) for value in _list(entry.get("enum")))
            parameters[name] = DeclaredParameter(name, not has_value, enum)
    templates = [_mapping(entry) for entry in _list(spec.get("templates"))]
    names = (entry.get("name") for entry in templates)
    entrypoint = spec.get("entrypoint")
    inputs = (_mapping(one).get("name") for entry in templates for one in _list(_mapping(entry.get("inputs")).get("parameters")))
    text = json.dumps(spec, default=str)
    return Declared(
        parameters,
        entrypoint if isinstance(entrypoint, str) else "",
        frozenset(name for name in names if isinstance(name, str)),
        frozenset(name for name in (*inputs, *_READ.findall(text)) if isinstance(name, str)),
        '"templateRef"' in text or bool(_READS_ALL.search(text)),
        next((key for key in ("parameters", "inputs") if spec.get(key)), ""),
    )


def disagreement(declared: Declared, template: str, given: Iterable[str], entrypoint: str) -> list[tuple[str, str, str]]:
    """Why these arguments cannot be passed to a template, whatever their values: (argument or `entrypoint`, problem, remedy)."""
    names = set(given)
    known = ", ".join(sorted(declared.parameters)) or "none"
    found = [(name, f"is no argument of {template}", f"it declares {known}") for name in sorted(names - declared.parameters.keys())]
    found += [
        (parameter.name, f"is required by {template} and not given", "add it to arguments")
        for parameter in declared.parameters.values()
        if parameter.required and parameter.name not in names
    ]
    start = entrypoint or declared.entrypoint
    if not start:
        found.append(("entrypoint", f"is missing, and {template} has none", "set entrypoint"))
    elif declared.templates and start not in declared.templates:
        found.append(
            ("entrypoint", f"{shorten(start)} is no template of {template}", f"it has {', '.join(sorted(declared.templates))}")
        )
    return found


class Catalogue:
    """Looks templates up: first in what the roof knows, then at the server, whose answers are kept for half a minute."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[tuple[str, str, bool], tuple[float, Declared]] = {}

    def known(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        """What is known at once, without asking anybody."""
        templates = self._services.templates
        return templates.declared(namespace, name, cluster_scope) if templates is not None else None

    async def fetch(self, namespace: str, name: str, cluster_scope: bool, *, fresh: bool = False) -> Declared | None:
        """What the template declares; `fresh` asks the server again. `None` where there is no server to ask.

        Raises `Refused` 404 if there is no such template, and whatever else `Kube.get` raises.
        """
        if not fresh and (found := self.known(namespace, name, cluster_scope)) is not None:
            return found
        kube = self._services.kube
        if kube is None:
            return self.known(namespace, name, cluster_scope)
        place = (namespace, name, cluster_scope)
        kept = self._kept.get(place)
        if not fresh and kept is not None and time.monotonic() - kept[0] < _FRESH:
            return kept[1]
        template = await kube.get(API_VERSION, kind_of(cluster_scope), name, None if cluster_scope else namespace)
        if template is None:
            where = name if cluster_scope else f"{namespace}/{name}"
            self._kept.pop(place, None)
            raise Refused(
                f"{kind_of(cluster_scope)} {where}",
                404,
                "NotFound",
                "there is no such template; create it or correct the reference",
            )
        declared = declared_by(template)
        self._kept[place] = (time.monotonic(), declared)
        return declared


def _any_string(value: Any) -> str:
    """A value as Argo Workflows' AnyString reads it: numbers and booleans as their JSON text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
