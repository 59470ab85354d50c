"""`workflow`: our short form. Run a WorkflowTemplate with arguments from events.

    template:
      name: ci
      workflow:
        templateRef: {name: ci}                    # or clusterTemplateRef
        arguments:
          revision: "{{ .push.body.after }}"       # a template over the dependencies' data, or
          branch: {from: push, path: body.ref, default: main, pattern: git-ref}

It makes a Workflow with a `workflowTemplateRef`. The arguments are checked against what the template declares: when the manifest loads, as
far as the template is known, and again for each firing. What does not agree is an error with the argument's name, never a Workflow that
fails later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from dispatcher import objects
from dispatcher.arguments import Argument, ArgumentSpec, ArgumentValue, fixed_values
from dispatcher.naming import label_value
from dispatcher.parameters.showing import show
from dispatcher.trigger import Declared, Request, Services, Templates, Trigger, Work, register
from dispatcher.workflowtemplates import API_VERSION, Catalogue, disagreement, kind_of
from tiphys.bus.event import Event, template_root
from tiphys.bus.firing import Firing, Target
from tiphys.errors import FaultKind, FieldError, TriggerError, shorten
from tiphys.schema.model import Model, problem

__all__ = ["TemplateRef", "Workflow", "WorkflowSpec"]

_TEMPLATE_LABEL = "workflows.argoproj.io/workflow-template"
_CLUSTER_TEMPLATE_LABEL = "workflows.argoproj.io/cluster-workflow-template"


class TemplateRef(Model):
    """Names a WorkflowTemplate of the Workflow's namespace, or a ClusterWorkflowTemplate."""

    name: str = Field(min_length=1)


class WorkflowSpec(Model):
    """`workflow` of a trigger's template: one of `templateRef` and `clusterTemplateRef`, and the `arguments` by name.

    `namespace` (default: the Sensor's) and `generateName` (default: the template's name and a dash) are the Workflow's, as are `labels`;
    `entrypoint` and `serviceAccountName` go to its spec.
    """

    template_ref: TemplateRef | None = None
    cluster_template_ref: TemplateRef | None = None
    arguments: dict[str, ArgumentValue] = Field(default_factory=dict)
    namespace: str = ""
    generate_name: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    entrypoint: str = ""
    service_account_name: str = ""

    @model_validator(mode="after")
    def _one_template(self) -> WorkflowSpec:
        if (self.template_ref is None) == (self.cluster_template_ref is None):
            raise problem(
                "must name one template", "set either templateRef: {name: …} or clusterTemplateRef: {name: …}", FaultKind.MISSING
            )
        return self

    @property
    def cluster_scope(self) -> bool:
        """Whether the template is a ClusterWorkflowTemplate."""
        return self.cluster_template_ref is not None

    @property
    def template(self) -> str:
        """The template's name."""
        ref = self.cluster_template_ref or self.template_ref
        return ref.name if ref is not None else ""


@register
class Workflow(Trigger[WorkflowSpec]):
    """Creates one Workflow for each firing."""

    key: ClassVar[str] = "workflow"
    spec: ClassVar[type[Model]] = WorkflowSpec
    server: ClassVar[str] = "kubernetes"
    makes_objects: ClassVar[bool] = True
    refuses: ClassVar[bool] = True

    def __init__(self, spec: WorkflowSpec, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        super().__init__(spec, namespace, services, impersonate=impersonate)
        self._arguments = [Argument(name, value) for name, value in spec.arguments.items()]
        self._asks_all = any(argument.asks_all for argument in self._arguments)
        self._catalogue = Catalogue(services)

    @classmethod
    def makes_workflows(cls, spec: WorkflowSpec) -> bool:
        """As `Trigger.makes_workflows`."""
        return True

    @classmethod
    def check(cls, spec: WorkflowSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """Templates, paths and patterns that do not compile, and dependencies that the sensor does not have."""
        return [
            fault
            for name, value in spec.arguments.items()
            for fault in Argument.faults(name, value, dependencies, f"arguments.{name}")
        ]

    @classmethod
    def check_templates(cls, spec: WorkflowSpec, namespace: str, templates: Templates) -> list[FieldError]:
        """Arguments that the template does not declare, lacks or does not allow; nothing if the template is not known."""
        declared = templates.declared(spec.namespace or namespace, spec.template, spec.cluster_scope)
        if declared is None:
            return []
        title = f"{kind_of(spec.cluster_scope)} {spec.template}"
        faults = []
        for name, text, remedy in disagreement(declared, title, spec.arguments, spec.entrypoint):
            faults.append(
                FieldError(name if name == "entrypoint" else f"arguments.{name}", text, remedy, kind=FaultKind.TEMPLATE_MISMATCH)
            )
        fixed = [(name, value) for name, written in spec.arguments.items() for value in fixed_values(written)]
        faults += [
            FieldError(f"arguments.{name}", outside, "choose one of these", shorten(value), kind=FaultKind.TEMPLATE_MISMATCH)
            for name, value in fixed
            if (outside := _outside(declared, name, value)) is not None
        ]
        return faults

    def refusal(self, events: Mapping[str, Event]) -> TriggerError | None:
        """The first argument that has no value or an unallowed one, as far as the template is known."""
        try:
            values = self._values(events)
            declared = self._catalogue.known(self._namespace, self.settings.template, self.settings.cluster_scope)
            if declared is not None:
                self._verify(declared, values)
        except TriggerError as error:
            return error
        return None

    async def render(self, work: Work) -> Request:
        """The Workflow with its arguments, checked against the template."""
        settings = self.settings
        values = self._values(work.events)
        declared = await self._catalogue.fetch(self._namespace, settings.template, settings.cluster_scope)
        if declared is not None:
            try:
                self._verify(declared, values)
            except TriggerError:  # the template may have been changed a moment ago
                fresh = await self._catalogue.fetch(self._namespace, settings.template, settings.cluster_scope, fresh=True)
                self._verify(fresh or declared, values)
        return await objects.request_for(self._object(values), work, self._namespace, self.services.kube)

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Create the Workflow."""
        return await objects.create(self.services.kube, request, firing, self.impersonate)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """The Workflow, if this firing made it."""
        return await objects.look(self.services.kube, target, firing)

    @property
    def _namespace(self) -> str:
        return self.settings.namespace or self.namespace

    def _values(self, events: Mapping[str, Event]) -> dict[str, str]:
        root = template_root(events, all_too=self._asks_all)
        return {argument.name: argument.value(events, root) for argument in self._arguments}

    def _verify(self, declared: Declared, values: Mapping[str, str]) -> None:
        """Raises `TriggerError`: one that waiting may heal (the template or the sensor will be corrected), or one of the value's own."""
        title = f"{kind_of(self.settings.cluster_scope)} {self.settings.template}"
        for name, text, remedy in disagreement(declared, title, values, self.settings.entrypoint):
            what = name if name == "entrypoint" else f"argument {name!r}"
            raise TriggerError("ArgumentsDisagree", f"{what} {text}; {remedy}", transient=True)
        for name, value in values.items():
            if (outside := _outside(declared, name, value)) is not None:
                raise TriggerError(
                    "ArgumentRefused",
                    f"argument {name!r}: {self._shown(name, value)} {outside}; filter such events out, or extend the enum",
                )

    def _shown(self, name: str, value: str) -> str:
        written = self.settings.arguments.get(name)
        return show(value, name, written.path if isinstance(written, ArgumentSpec) else str(written))

    def _object(self, values: Mapping[str, str]) -> dict[str, Any]:
        settings = self.settings
        ref: dict[str, Any] = {"name": settings.template}
        if settings.cluster_scope:
            ref["clusterScope"] = True
        given = {"entrypoint": settings.entrypoint, "serviceAccountName": settings.service_account_name}
        spec: dict[str, Any] = {"workflowTemplateRef": ref} | {key: value for key, value in given.items() if value}
        if values:
            spec["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in values.items()]}
        label = _CLUSTER_TEMPLATE_LABEL if settings.cluster_scope else _TEMPLATE_LABEL
        metadata = {
            "generateName": settings.generate_name or f"{settings.template}-",
            "labels": {label: label_value(settings.template)} | settings.labels,
        }
        return {"apiVersion": API_VERSION, "kind": "Workflow", "metadata": metadata, "spec": spec}


def _outside(declared: Declared, name: str, value: str) -> str | None:
    parameter = declared.parameters.get(name)
    if parameter is None or not parameter.enum or value in parameter.enum:
        return None
    return f"is not one of {', '.join(map(repr, parameter.enum))}"
