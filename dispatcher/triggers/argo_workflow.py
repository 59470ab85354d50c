"""`argoWorkflow`: submit, resubmit, resume, retry, suspend, stop or terminate a Workflow (reference 6.8).

argo-events runs the `argo` binary; we send what it would send to the Kubernetes API (`dispatcher.argo`, argo-workflows 4.1.2), so that no
binary is needed, `args` are checked when the manifest loads, a submission is one object per firing, and its answer says whether it was
made. Nodes of a Workflow that are in the database of Argo Workflows are out of reach; what needs them says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

import orjson
from pydantic import Field, create_model

from dispatcher import argo, changes, objects
from dispatcher.argo.agreement import disagreements
from dispatcher.argo.names import API_VERSION
from dispatcher.artifact import Source, as_object, chosen, may_set, parse_one, read_source, single, source_model
from dispatcher.parameters import TriggerParameter, apply
from dispatcher.rehearsal import is_stand_in, name_flaws, rehearse
from dispatcher.trigger import Notice, Request, Services, Templates, Trigger, Work, register
from dispatcher.workflowtemplates import Catalogue, kind_of
from tiphys.bus.firing import Firing, Target
from tiphys.clients.http import HttpRequest
from tiphys.clients.kube import KubeObject
from tiphys.errors import FaultKind, FieldError, Refused, TriggerError, shorten
from tiphys.schema.model import Model

__all__ = ["ArgoWorkflow", "ArgoWorkflowSpec"]

_TEMPLATES: Final = {
    "cronworkflow": "CronWorkflow",
    "workflowtemplate": "WorkflowTemplate",
    "clusterworkflowtemplate": "ClusterWorkflowTemplate",
}
_MAKES: Final = ("submit", "submit-from", "resubmit")


class ArgoWorkflowSpec(Model):
    """`argoWorkflow` of a trigger's template: the `operation`, the object that it is about (`source`, with `parameters` set in it), and
    `args`: options as the `argo` command line has them, for those operations that take any."""

    source: Source
    operation: Literal["submit", "submit-from", "resubmit", "resume", "retry", "suspend", "terminate", "stop"]
    parameters: list[TriggerParameter] = Field(default_factory=list)
    args: list[str] = Field(default_factory=list)


@register
class ArgoWorkflow(Trigger[ArgoWorkflowSpec]):
    """Does with one Workflow what the command line of Argo Workflows would."""

    key: ClassVar[str] = "argoWorkflow"
    spec: ClassVar[type[Model]] = create_model(
        "ArgoWorkflowSpec", __base__=ArgoWorkflowSpec, __doc__=ArgoWorkflowSpec.__doc__, source=(source_model(), ...)
    )
    server: ClassVar[str] = "kubernetes"
    makes_objects: ClassVar[bool] = True

    def __init__(self, spec: ArgoWorkflowSpec, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        super().__init__(spec, namespace, services, impersonate=impersonate)
        self._catalogue = Catalogue(services)

    @classmethod
    def check(cls, spec: ArgoWorkflowSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """Arguments that cannot be honoured, faults of the artifact, and a kind or a name that does not fit the operation."""
        faults = []
        try:
            argo.parse_options(spec.operation, spec.args)
        except TriggerError as error:
            faults.append(FieldError("args", error.problem, "correct it", shorten(spec.args)))
        artifact, value = chosen(spec.source)
        path = f"source.{artifact.key}"
        unread = artifact.check(value)
        faults += [replace(fault, path=f"{path}.{fault.path}" if fault.path else path) for fault in unread]
        known = None if unread else artifact.known(value)
        if known is not None and len(known) > 1:
            faults.append(FieldError(path, f"holds {len(known)} objects", f"there is one to {spec.operation}: keep that"))
        elif known is not None:
            faults += _misfits(known[0], path, spec)
        return faults

    @classmethod
    def makes_workflows(cls, spec: ArgoWorkflowSpec) -> bool:
        """As `Trigger.makes_workflows`."""
        return spec.operation in ("submit", "submit-from", "resubmit")

    @classmethod
    def notices(cls, spec: ArgoWorkflowSpec) -> list[Notice]:
        """Those of the artifact, and parameters of a submission that have no effect: of its source only name, namespace and kind count."""
        artifact, value = chosen(spec.source)
        found = [notice._replace(path=f"source.{artifact.key}.{notice.path}") for notice in artifact.notices(value)]
        if spec.operation == "submit":
            return found
        return found + [
            Notice(
                f"parameters[{index}]",
                f"has no effect: of the source, {spec.operation} uses kind, name and namespace only; use args",
                kind=FaultKind.IGNORED,
            )
            for index, parameter in enumerate(spec.parameters)
            if not parameter.dest.startswith(("metadata", "kind", "apiVersion"))
        ]

    @classmethod
    def prospects(cls, spec: ArgoWorkflowSpec, namespace: str, templates: Templates | None) -> list[Notice]:
        """Parameters that cannot be set, a name that only one Workflow can have, and what Argo Workflows would not run."""
        artifact, value = chosen(spec.source)
        known = None if artifact.check(value) else artifact.known(value)
        if known is None or len(known) != 1 or spec.operation not in ("submit", "submit-from"):
            return []
        made, found = rehearse(known[0], enumerate(one.dest for one in spec.parameters))
        try:
            options = argo.parse_options(spec.operation, spec.args)
        except TriggerError:
            return found
        if made is None or not isinstance(made.get("spec", {}), Mapping) or not isinstance(made.get("metadata", {}), Mapping):
            return found
        path = f"source.{artifact.key}"
        if spec.operation == "submit":
            try:
                made = argo.apply_options(made, options)
            except TriggerError:
                return found
            told = [*name_flaws(made), *disagreements(made, namespace, templates, complete=not options.parameter_file)]
            return found + [one._replace(path=f"{path}.{one.path}") for one in told]
        return found + [one._replace(path="args") for one in _lacking(made, namespace, templates, options)]

    @classmethod
    def parameters(cls, spec: ArgoWorkflowSpec) -> Sequence[tuple[str, TriggerParameter]]:
        """The resource-level parameters."""
        return [(f"parameters[{index}]", parameter) for index, parameter in enumerate(spec.parameters)]

    async def render(self, work: Work) -> Request:
        """The object that would be made, or the change."""
        text = single(await read_source(self.settings.source, work, self.namespace, self.services))
        warnings: list[str] = []
        if self.settings.parameters:
            text = apply(self.settings.parameters, text, work.events, warnings)
        request = await self._request(as_object(text), work)
        return replace(request, warnings=tuple(warnings)) if warnings else request

    @cached_property
    def _options(self) -> argo.Options:
        """What `args` ask for. Raises `TriggerError`: a template's parameter may have to set them first, so not before they are used."""
        return argo.parse_options(self.settings.operation, self.settings.args)

    async def _request(self, obj: KubeObject, work: Work) -> Request:
        operation = self.settings.operation
        if operation == "submit":
            if obj["kind"] != "Workflow":
                raise TriggerError(
                    "InvalidObject", f"only a Workflow can be submitted, not a {obj['kind']}; use submit-from for templates"
                )
            return await self._creation(argo.apply_options(obj, await self._all_options()), work)
        name, namespace = self._subject(obj)
        if operation == "submit-from":
            return await self._creation(await self._from(obj["kind"], name, namespace, work), work)
        workflow = await self._workflow(name, namespace)
        match operation:
            case "resubmit":
                return await self._creation(argo.resubmitted(workflow, self._options), work)
            case "retry":
                made = argo.retried(workflow, self._options.parameters)
                request = changes.replacement(made.workflow, workflow, work.firing)
                return replace(request, body=(*request.body, made.pods), preview={**request.preview, "deletedPods": made.pods})
            case "suspend":
                changed = argo.suspend(workflow)
            case "resume":
                changed = argo.resume(workflow)
            case _:
                changed = argo.shutdown(workflow, operation)
        return changes.small_patch(workflow, changed, work.firing)

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Make the Workflow, or change it; of a retry the pods of failed steps go first."""
        kube = self.services.kube
        if self.settings.operation in _MAKES:
            return await objects.create(kube, request, firing, self.impersonate)
        strategy, body, *pods = request.body
        for pod in pods[0] if pods else ():
            await objects.cluster(kube).delete("v1", "Pod", pod, request.target.namespace, impersonate=self.impersonate)
        return await changes.execute(kube, replace(request, body=(strategy, body)), firing, self.impersonate)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """Whether an earlier attempt of this firing did it."""
        return await objects.look(self.services.kube, target, firing)

    async def _creation(self, workflow: KubeObject, work: Work) -> Request:
        return await objects.request_for(workflow, work, self.namespace, self.services.kube)

    def _subject(self, obj: KubeObject) -> tuple[str, str]:
        """Name and namespace of what the operation is about."""
        metadata = obj.get("metadata") or {}
        name, namespace = metadata.get("name"), metadata.get("namespace") or self.namespace
        if not isinstance(name, str) or not name or not isinstance(namespace, str):
            raise TriggerError("InvalidObject", f"metadata has no name, so there is nothing to {self.settings.operation}")
        return name, namespace

    async def _workflow(self, name: str, namespace: str) -> KubeObject:
        """The Workflow as it is. Raises `Refused` 404."""
        return await self._read("Workflow", name, namespace)

    async def _read(self, kind: str, name: str, namespace: str) -> KubeObject:
        found = await objects.cluster(self.services.kube).get(API_VERSION, kind, name, namespace, impersonate=self.impersonate)
        if found is None:
            raise Refused(f"{kind} {namespace}/{name}", 404, "NotFound", f"there is no such {kind}")
        return found

    async def _from(self, kind: str, name: str, namespace: str, work: Work) -> KubeObject:
        """The Workflow of a template, which is checked to be there."""
        options = await self._all_options()
        known = _TEMPLATES.get(kind.lower())
        if known is None:
            raise TriggerError(
                "InvalidObject", f"nothing can be submitted from a {kind}; it is for {', '.join(_TEMPLATES.values())}"
            )
        if known == "CronWorkflow":
            event = work.events.get(work.firing.completed_by)
            made = argo.from_cron_workflow(await self._read(known, name, namespace), event.time if event else "")
        else:
            cluster_scope = known == "ClusterWorkflowTemplate"
            declared = await self._catalogue.fetch(namespace, name, cluster_scope)
            if declared is not None:
                argo.check_required(declared, f"{kind_of(cluster_scope)} {name}", options)
            made = argo.from_template(name, cluster_scope=cluster_scope)
        made["metadata"]["namespace"] = namespace
        return argo.apply_options(made, options)

    async def _all_options(self) -> argo.Options:
        """The options, with the parameters of `--parameter-file` after those of `--parameter`, as the command line has them."""
        options = self._options
        if not options.parameter_file:
            return options
        return replace(options, parameters=[*options.parameters, *await self._file(options.parameter_file)])

    async def _file(self, url: str) -> list[tuple[str, str]]:
        client = self.services.http
        if client is None:
            raise TriggerError("NoHttp", "the file of parameters cannot be fetched here", transient=True)
        answer = await client.send(HttpRequest("GET", url, timeout=30.0))
        if answer.status != 200:
            raise TriggerError("ParameterFile", f"the file of parameters was answered with {answer.status}", transient=True)
        if not answer.complete:
            raise TriggerError("ParameterFile", f"the file of parameters is larger than {len(answer.body):,} bytes", transient=True)
        text, faults = parse_one(answer.body.decode(errors="replace"))
        if faults:
            raise TriggerError("ParameterFile", f"the file of parameters: {faults[0]}", transient=True)
        found: dict[str, Any] = orjson.loads(text)
        return [(name, value if isinstance(value, str) else orjson.dumps(value).decode()) for name, value in found.items()]


def _misfits(known: Mapping[str, Any], path: str, spec: ArgoWorkflowSpec) -> list[FieldError]:
    """A kind or a name that the operation cannot do with, and that no parameter sets."""
    dests = [parameter.dest for parameter in spec.parameters]
    faults = []
    for key, flaw in (("apiVersion", _flaw_in_version(known)), ("kind", _flaw_in_kind(known.get("kind"), spec.operation))):
        if flaw and not may_set(dests, key):
            faults.append(FieldError(f"{path}.{key}", *flaw, shorten(known.get(key))))
    metadata = known.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    submits = spec.operation == "submit"
    names = ("name", "generateName") if submits else ("name",)
    optional = submits and any(text.startswith(("--name", "--generate-name")) for text in spec.args)
    if not optional and not any(metadata.get(name) or may_set(dests, f"metadata.{name}") for name in names):
        faults.append(
            FieldError(
                f"{path}.metadata",
                f"has no {' and no '.join(names)}",
                f"name the object to {spec.operation}",
                kind=FaultKind.MISSING,
            )
        )
    return faults


def _lacking(made: Mapping[str, Any], namespace: str, templates: Templates | None, options: argo.Options) -> Iterator[Notice]:
    """What a template that is submitted from requires and `args` do not give."""
    metadata = made.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    kind, name, space = str(made.get("kind")), metadata.get("name"), metadata.get("namespace") or namespace
    if templates is None or options.parameter_file or not isinstance(name, str) or is_stand_in(name) or is_stand_in(space):
        return
    cluster_scope = kind == kind_of(True)
    declared = templates.declared(str(space), name, cluster_scope) if kind in (kind_of(True), kind_of(False)) else None
    given = {name for name, _ in options.parameters}
    missing = [one.name for one in declared.parameters.values() if one.required and one.name not in given] if declared else []
    if missing:
        problem = f"lack {', '.join(missing)}, which {kind} {name} requires"
        yield Notice("", f"{problem}; add -p {missing[0]}=…", FaultKind.TEMPLATE_MISMATCH, fails=True)


def _flaw_in_version(known: Mapping[str, Any]) -> tuple[str, str] | None:
    return None if known.get("apiVersion") else ("is missing", f"add apiVersion: {API_VERSION}")


def _flaw_in_kind(kind: Any, operation: str) -> tuple[str, str] | None:
    if operation == "submit" and kind != "Workflow":
        return "must be Workflow for submit", "correct it; use submit-from for a template"
    if operation == "submit-from" and (not isinstance(kind, str) or kind.lower() not in _TEMPLATES):
        return f"must be one of {', '.join(_TEMPLATES.values())}", "correct it; use submit for a Workflow"
    return None if kind else ("is missing", "add kind: Workflow")
