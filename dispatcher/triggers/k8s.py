"""`k8s`: make or change any Kubernetes object from an artifact, with event data set in it (reference 6.9).

Where argo-events guesses the resource from the kind, we ask the server, so that every kind it serves can be used and only those that live
in namespaces get one. A source may hold several objects (ours): each is a firing of its own (`Firing.document`), after the one before it
has succeeded, so that what a later one refers to is there. What an operation does is in `dispatcher.objects` (create) and
`dispatcher.changes` (the others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, Literal

import orjson
from pydantic import Field, create_model, field_validator

from dispatcher import changes, objects
from dispatcher.argo.agreement import disagreements
from dispatcher.artifact import Source, as_object, check_object, chosen, may_set, read_source, source_model
from dispatcher.naming import object_name
from dispatcher.parameters import TriggerParameter, apply
from dispatcher.rehearsal import name_flaws, rehearse
from dispatcher.trigger import Notice, Request, Templates, Trigger, Work, register
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target
from tiphys.clients.kube import KubeObject
from tiphys.errors import FaultKind, FieldError, TriggerError, shorten
from tiphys.schema.model import Model, problem

__all__ = ["K8s", "K8sSpec"]

_NUMBERED: Final = re.compile(r"(0|[1-9]\d{0,2})(?:\.|$)")
_STRATEGIES: Final = (changes.MERGE_PATCH, changes.JSON_PATCH, changes.STRATEGIC_MERGE, changes.APPLY)


class K8sSpec(Model):
    """`k8s` of a trigger's template: the object's `source`, and the `parameters` that are set in it in order.

    `operation` is `create` (the default), `update` (the object is merged over the one that is there), `patch` (with `patchStrategy`, by
    default a JSON merge patch) or `delete`. With `liveObject`, an update's parameters are set in the object as it is in the cluster.
    Ours: the steps of a JSON patch stand in the object as the list `patch`; and where a source holds several objects, a parameter's
    `dest` begins with the number of its object, from 0.
    """

    source: Source
    operation: Literal["create", "update", "patch", "delete"] = "create"
    parameters: list[TriggerParameter] = Field(default_factory=list)
    patch_strategy: str = ""
    live_object: bool = False

    @field_validator("operation", mode="before")
    @classmethod
    def _create_by_default(cls, value: Any) -> Any:
        return value or "create"

    @field_validator("patch_strategy")
    @classmethod
    def _known_strategy(cls, value: str) -> str:
        if value and value not in _STRATEGIES:
            raise problem("is no way to patch", f"use one of {', '.join(_STRATEGIES)}")
        return value

    @property
    def strategy(self) -> str:
        """The media type of a patch."""
        return self.patch_strategy or changes.MERGE_PATCH


@register
class K8s(Trigger[K8sSpec]):
    """Makes or changes one object for each firing."""

    key: ClassVar[str] = "k8s"
    spec: ClassVar[type[Model]] = create_model("K8sSpec", __base__=K8sSpec, __doc__=K8sSpec.__doc__, source=(source_model(), ...))
    server: ClassVar[str] = "kubernetes"
    makes_objects: ClassVar[bool] = True

    @classmethod
    def check(cls, spec: K8sSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """Faults of the artifact, and what no parameter can mend in an object that stands in the manifest."""
        artifact, value = chosen(spec.source)
        path = f"source.{artifact.key}"
        faults = [_below(path, fault) for fault in artifact.check(value)]
        known = None if faults else artifact.known(value)
        dests = [parameter.dest for parameter in spec.parameters]
        if known is not None and len(known) == 1:
            faults += _incomplete(known[0], path, dests, spec)
        elif known is not None:
            faults += _unnumbered(dests, len(known))
            for number, obj in enumerate(known):
                faults += _incomplete(obj, f"{path}[{number}]", _of(dests, number), spec)
        return faults

    @classmethod
    def makes_workflows(cls, spec: K8sSpec) -> bool:
        """As `Trigger.makes_workflows`; an object that is fetched is looked at when it is there."""
        artifact, value = chosen(spec.source)
        known = artifact.known(value)
        return spec.operation == "create" and (known is None or all(one.get("kind", "Workflow") == "Workflow" for one in known))

    @classmethod
    def notices(cls, spec: K8sSpec) -> list[Notice]:
        """Where several artifacts stand side by side, and a strategy without a patch."""
        artifact, value = chosen(spec.source)
        found = [notice._replace(path=f"source.{artifact.key}.{notice.path}") for notice in artifact.notices(value)]
        others = [key for key in type(spec.source).model_fields if key != artifact.key and getattr(spec.source, key) is not None]
        if others:
            found.append(
                Notice(
                    "source",
                    f"{artifact.key} is used and {', '.join(others)} ignored, as in argo-events; keep one",
                    kind=FaultKind.IGNORED,
                )
            )
        if spec.patch_strategy and spec.operation != "patch":
            found.append(Notice("patchStrategy", f"has no effect with operation: {spec.operation}", kind=FaultKind.IGNORED))
        if spec.live_object and spec.operation != "update":
            found.append(
                Notice("liveObject", f"has no effect with operation: {spec.operation}; it is for update", kind=FaultKind.IGNORED)
            )
        return found

    @classmethod
    def prospects(cls, spec: K8sSpec, namespace: str, templates: Templates | None) -> list[Notice]:
        """Parameters that cannot be set in the objects that the manifest holds, names that only one object can have, and Workflows that
        Argo Workflows would not run."""
        artifact, value = chosen(spec.source)
        known = None if artifact.check(value) else artifact.known(value)
        if known is None or spec.live_object or (spec.operation == "patch" and spec.strategy == changes.JSON_PATCH):
            return []
        found: list[Notice] = []
        for number, obj in enumerate(known):
            dests = list(enumerate(one.dest for one in spec.parameters))
            made, unset = rehearse(obj, _own(dests, number) if len(known) > 1 else dests)
            found += unset
            if made is None or spec.operation != "create":
                continue
            path = f"source.{artifact.key}" if len(known) == 1 else f"source.{artifact.key}[{number}]"
            told = [*name_flaws(made), *disagreements(made, namespace, templates)]
            found += [one._replace(path=f"{path}.{one.path}") for one in told]
        return found

    @classmethod
    def parameters(cls, spec: K8sSpec) -> Sequence[tuple[str, TriggerParameter]]:
        """The resource-level parameters."""
        return [(f"parameters[{index}]", parameter) for index, parameter in enumerate(spec.parameters)]

    async def documents(self, work: Work) -> int:
        """How many objects the source holds."""
        return len(await read_source(self.settings.source, work, self.namespace, self.services))

    async def render(self, work: Work) -> Request:
        """The object with its parameters, and what will be done with it."""
        settings, kube = self.settings, self.services.kube
        texts = list(await read_source(settings.source, work, self.namespace, self.services))
        number = work.firing.document
        if number >= len(texts):
            text = f"the source holds {len(texts)} objects now, and none with the number {number} (from 0) that is due"
            raise TriggerError("NoSuchDocument", text)
        live = await self._live(as_object(texts[number])) if settings.live_object and settings.operation == "update" else None
        if live:
            texts[number] = orjson.dumps(live)
        warnings: list[str] = []
        obj = self._with_parameters(texts, number, work.events, warnings)
        if settings.operation == "create":
            request = await objects.request_for(obj, work, self.namespace, kube)
        else:
            request = await self._change(await self._named(obj), work, live)
        return replace(request, warnings=tuple(warnings), documents=len(texts))

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Create or change the object."""
        if self.settings.operation == "create":
            return await objects.create(self.services.kube, request, firing, self.impersonate)
        return await changes.execute(self.services.kube, request, firing, self.impersonate)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """Whether an earlier attempt of this firing did it."""
        return await objects.look(self.services.kube, target, firing)

    def _with_parameters(self, texts: Sequence[bytes], number: int, events: Mapping[str, Event], warnings: list[str]) -> KubeObject:
        """The object of that number. All parameters are set, so that the first object is not made where a later one cannot be."""
        parameters = self.settings.parameters
        if not parameters:
            return as_object(texts[number])
        if len(texts) == 1:
            return as_object(apply(parameters, texts[0], events, warnings))
        if faults := _unnumbered([parameter.dest for parameter in parameters], len(texts)):
            raise TriggerError("ParameterNotSet", str(faults[0]), transient=True)
        whole = apply(parameters, b"[%b]" % b",".join(texts), events, warnings)
        try:
            return check_object(orjson.loads(whole)[number])
        except orjson.JSONDecodeError as error:
            raise TriggerError("InvalidObject", f"the objects are no JSON after their parameters were set ({error})") from error

    async def _change(self, obj: KubeObject, work: Work, live: KubeObject | None) -> Request:
        kube = self.services.kube
        match self.settings.operation:
            case "update":
                return await changes.update(obj, work, kube, self.impersonate, live)
            case "patch":
                return await changes.patch(obj, self.settings.strategy, work, kube, self.impersonate)
            case _:
                return await changes.delete(obj, kube, self.impersonate)

    async def _named(self, obj: KubeObject) -> KubeObject:
        """The object with its namespace; it must have a name. Raises `TriggerError` `InvalidObject`."""
        obj = await objects.place(obj, self.namespace, self.services.kube)
        if not obj["metadata"].get("name"):
            raise TriggerError("InvalidObject", f"metadata has no name, so nothing can be found to {self.settings.operation}")
        object_name(obj["metadata"], "")
        return obj

    async def _live(self, obj: KubeObject) -> KubeObject | None:
        """The object as it is in the cluster; `None` without one to ask. Raises `TriggerError` `NotFound`."""
        named = await self._named(obj)
        found = await changes.read(self.services.kube, named, self.impersonate)
        if found is None and self.services.kube is not None:
            raise TriggerError("NotFound", f"there is no {obj['kind']} {named['metadata']['name']} to update", transient=True)
        return found


def _below(path: str, fault: FieldError) -> FieldError:
    return replace(fault, path=f"{path}.{fault.path}" if fault.path else path)


def _unnumbered(dests: Sequence[str], count: int) -> list[FieldError]:
    """Parameters that do not say which of several objects they are for."""
    return [
        FieldError(
            f"parameters[{index}].dest",
            f"names none of the {count} objects of the source",
            f"begin it with the number of its object, from 0 to {count - 1}: 0.{dest}",
            repr(dest),
        )
        for index, dest in enumerate(dests)
        if (found := _NUMBERED.match(dest)) is None or int(found[1]) >= count
    ]


def _own(dests: Sequence[tuple[int, str]], number: int) -> list[tuple[int, str]]:
    """Those for the object of that number, as paths within it."""
    parts = [(index, dest.partition(".")) for index, dest in dests]
    return [(index, rest) for index, (first, _, rest) in parts if rest and first == str(number)]


def _of(dests: Sequence[str], number: int) -> list[str]:
    """What parameters set in the object of that number, as paths within it; one that sets the whole object may set anything."""
    return [dest.partition(".")[2] or "@this" for dest in dests if dest.partition(".")[0] == str(number)]


def _incomplete(known: Mapping[str, Any], path: str, dests: Sequence[str], spec: K8sSpec) -> list[FieldError]:
    """What the object lacks and no parameter sets."""
    faults = []
    for key, example in (("apiVersion", "argoproj.io/v1alpha1"), ("kind", "Workflow")):
        if not known.get(key) and not may_set(dests, key):
            faults.append(FieldError(f"{path}.{key}", "is missing", f"add {key}, for example {example}", kind=FaultKind.MISSING))
        elif known.get(key) and not isinstance(known[key], str):
            faults.append(
                FieldError(f"{path}.{key}", "must be a string", "put it in quotes", shorten(known[key]), kind=FaultKind.WRONG_TYPE)
            )
    metadata = known.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        faults.append(
            FieldError(
                f"{path}.metadata",
                "must be a map",
                "write 'key: value' lines below it",
                shorten(metadata),
                kind=FaultKind.WRONG_TYPE,
            )
        )
        return faults
    names = ("name", "generateName") if spec.operation == "create" else ("name",)
    if not any((metadata or {}).get(key) or may_set(dests, f"metadata.{key}") for key in names):
        remedy = "add generateName: my-prefix-" if spec.operation == "create" else f"name the object to {spec.operation}"
        faults.append(FieldError(f"{path}.metadata", f"has no {' and no '.join(names)}", remedy, kind=FaultKind.MISSING))
    if spec.operation == "patch" and spec.strategy == changes.JSON_PATCH and "patch" not in known and not may_set(dests, "patch"):
        text = f"has no patch, and {changes.JSON_PATCH} is a list of steps"
        faults.append(
            FieldError(
                path,
                text,
                "add patch: [{op: replace, path: /spec/replicas, value: 3}], or use the default strategy",
                kind=FaultKind.MISSING,
            )
        )
    return faults
