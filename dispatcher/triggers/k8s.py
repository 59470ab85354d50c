"""`k8s`: make any Kubernetes object from an artifact, with event data set in it (reference 6.9).

Only `create` so far. Where argo-events guesses the resource from the kind, we ask the server, so that every kind it serves can be made and
only those that live in namespaces get one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field, create_model, field_validator

from dispatcher import objects
from dispatcher.artifact import Source, as_object, chosen, source_model
from dispatcher.parameters import TriggerParameter, apply
from dispatcher.trigger import Notice, Request, Trigger, Work, register
from tiphys.bus.firing import Firing, Target
from tiphys.errors import FieldError, shorten
from tiphys.schema.model import Model, problem

__all__ = ["K8s", "K8sSpec"]

_LATER = "argo-events knows it; Tiphys creates objects only for now: leave it out"


class K8sSpec(Model):
    """`k8s` of a trigger's template: the object's `source`, and the `parameters` that are set in it in order."""

    source: Source
    operation: str = "create"
    parameters: list[TriggerParameter] = Field(default_factory=list)
    patch_strategy: str = ""
    live_object: bool = False

    @field_validator("operation")
    @classmethod
    def _creates(cls, value: str) -> str:
        if value in ("update", "patch", "delete"):
            raise problem(
                "is not supported yet", "argo-events knows it; Tiphys creates objects only for now: use operation: create"
            )
        if value not in ("", "create"):
            raise problem("is no operation", "use operation: create")
        return "create"

    @field_validator("patch_strategy", "live_object")
    @classmethod
    def _not_yet(cls, value: Any) -> Any:
        if value:
            raise problem("is not supported yet", _LATER)
        return value


@register
class K8s(Trigger[K8sSpec]):
    """Creates one object for each firing."""

    key: ClassVar[str] = "k8s"
    spec: ClassVar[type[Model]] = create_model("K8sSpec", __base__=K8sSpec, __doc__=K8sSpec.__doc__, source=(source_model(), ...))
    server: ClassVar[str] = "kubernetes"

    @classmethod
    def check(cls, spec: K8sSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """Faults of the artifact, and what no parameter can mend in an object that stands in the manifest."""
        artifact, value = chosen(spec.source)
        path = f"source.{artifact.key}"
        faults = [_below(path, fault) for fault in artifact.check(value)]
        known = None if faults else artifact.known(value)
        if known is not None:
            faults += _incomplete(known, path, [parameter.dest for parameter in spec.parameters])
        return faults

    @classmethod
    def notices(cls, spec: K8sSpec) -> list[Notice]:
        """Where several artifacts stand side by side."""
        artifact, _ = chosen(spec.source)
        others = [key for key in type(spec.source).model_fields if key != artifact.key and getattr(spec.source, key) is not None]
        if not others:
            return []
        return [Notice("source", f"{artifact.key} is used and {', '.join(others)} ignored, as in argo-events; keep one")]

    @classmethod
    def parameters(cls, spec: K8sSpec) -> Sequence[tuple[str, TriggerParameter]]:
        """The resource-level parameters."""
        return [(f"parameters[{index}]", parameter) for index, parameter in enumerate(spec.parameters)]

    async def render(self, work: Work) -> Request:
        """The object with its parameters, name and labels."""
        artifact, value = chosen(self.settings.source)
        text = await artifact.read(value)
        warnings: list[str] = []
        if self.settings.parameters:
            text = apply(self.settings.parameters, text, work.events, warnings)
        request = await objects.request_for(as_object(text), work, self.namespace, self.services.kube)
        return replace(request, warnings=tuple(warnings)) if warnings else request

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Create the object."""
        return await objects.create(self.services.kube, request, firing, self.impersonate)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """The object, if this firing made it."""
        return await objects.look(self.services.kube, target, firing)


def _below(path: str, fault: FieldError) -> FieldError:
    return FieldError(f"{path}.{fault.path}" if fault.path else path, fault.problem, fault.remedy, fault.shown, fault.where)


def _incomplete(known: Mapping[str, Any], path: str, dests: Sequence[str]) -> list[FieldError]:
    """What the object lacks and no parameter sets."""
    faults = []
    for key, example in (("apiVersion", "argoproj.io/v1alpha1"), ("kind", "Workflow")):
        if known.get(key) is None and not _set(dests, key):
            faults.append(FieldError(f"{path}.{key}", "is missing", f"add {key}, for example {example}"))
        elif known.get(key) is not None and not isinstance(known[key], str):
            faults.append(FieldError(f"{path}.{key}", "must be a string", "put it in quotes", shorten(known[key])))
    metadata = known.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        faults.append(FieldError(f"{path}.metadata", "must be a map", "write 'key: value' lines below it", shorten(metadata)))
        return faults
    named = any((metadata or {}).get(key) for key in ("name", "generateName"))
    if not named and not any(_set(dests, dest) for dest in ("metadata.name", "metadata.generateName")):
        faults.append(FieldError(f"{path}.metadata", "has neither a name nor a generateName", "add generateName: my-prefix-"))
    return faults


def _set(dests: Sequence[str], path: str) -> bool:
    """Whether a parameter may set that path: it names it, or something above it, or its last name is not plain."""
    return any(dest == path or path.startswith(f"{dest}.") or any(mark in dest for mark in "*?#|@\\:") for dest in dests)
