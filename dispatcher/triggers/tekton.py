"""`tekton`: our short form for Tekton. Run a Pipeline or a Task with params from events, and workspaces.

    template:
      name: build
      tekton:
        pipelineRef: {name: build}                 # or taskRef; or {resolver: git, params: {…}}
        params:
          revision: "{{ .push.body.after }}"       # a template over the dependencies' data, or
          branch: {from: push, path: body.ref, pattern: git-ref}
          platforms: [linux/amd64, linux/arm64]    # a param of the type array
        workspaces:
          source: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}

It makes a PipelineRun or a TaskRun (`tekton.dev/v1`). Params and workspaces are checked against what the Pipeline or Task declares: when
the manifest loads, as far as that is known, and again before a run is made. What a resolver fetches is not known here, and not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import Field, field_validator, model_validator

from dispatcher import objects
from dispatcher.pipelines import API_VERSION, DeclaredParam, DeclaredRun, KnownRuns, Pipelines, run_disagreement
from dispatcher.runparams import Param, ParamValue, Value, param_faults, typed
from dispatcher.trigger import Request, Services, Templates, Trigger, Work, register
from tiphys.bus.event import Event, template_root
from tiphys.bus.firing import Firing, Target
from tiphys.errors import DurationError, FaultKind, FieldError, TriggerError
from tiphys.languages import duration
from tiphys.schema.model import Model, problem

__all__ = ["RunRef", "Tekton", "TektonSpec"]

_BINDINGS: Final = ("emptyDir", "persistentVolumeClaim", "volumeClaimTemplate", "configMap", "secret", "projected", "csi")
_UNKNOWN: Final = DeclaredParam()


class RunRef(Model):
    """A Pipeline or Task of the run's namespace by `name`; or what a `resolver` of Tekton fetches, with `params` of its own."""

    name: str = ""
    resolver: str = ""
    params: dict[str, ParamValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> RunRef:
        if bool(self.name) == bool(self.resolver):
            raise problem("must have either name or resolver", "write {name: …} or {resolver: git, params: {…}}", FaultKind.MISSING)
        if self.params and not self.resolver:
            raise problem("has params, which are for a resolver", "put those of the run beside pipelineRef", FaultKind.WRONG_PLACE)
        return self


class TektonSpec(Model):
    """`tekton` of a trigger's template: one of `pipelineRef` and `taskRef`, the `params` by name and the `workspaces` by name, each as in
    a run but for its name.

    `namespace` (default: the Sensor's) and `generateName` (default: the Pipeline's or Task's name and a dash) are the run's, as are
    `labels`; `serviceAccountName` and `timeout` (a Go duration for the whole run) go to its spec.
    """

    pipeline_ref: RunRef | None = None
    task_ref: RunRef | None = None
    params: dict[str, ParamValue] = Field(default_factory=dict)
    workspaces: dict[str, dict[str, Any]] = Field(default_factory=dict)
    namespace: str = ""
    generate_name: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    service_account_name: str = ""
    timeout: str = ""

    @field_validator("timeout")
    @classmethod
    def _is_duration(cls, value: str) -> str:
        try:
            if value:
                duration.parse(value)
        except DurationError as error:
            raise problem(f"is no duration: {error.problem}", error.remedy) from error
        return value

    @model_validator(mode="after")
    def _one_ref(self) -> TektonSpec:
        if (self.pipeline_ref is None) == (self.task_ref is None):
            raise problem(
                "must name one thing to run", "set either pipelineRef: {name: …} or taskRef: {name: …}", FaultKind.MISSING
            )
        if self.ref.resolver and not self.generate_name:
            raise problem("needs generateName beside a resolver", "add generateName: build-", FaultKind.MISSING)
        return self

    @property
    def ref(self) -> RunRef:
        """What is run."""
        return self.pipeline_ref or self.task_ref or RunRef(name="")

    @property
    def kind(self) -> str:
        """`Pipeline` or `Task`."""
        return "Pipeline" if self.pipeline_ref is not None else "Task"


@register
class Tekton(Trigger[TektonSpec]):
    """Creates one PipelineRun or TaskRun for each firing."""

    key: ClassVar[str] = "tekton"
    spec: ClassVar[type[Model]] = TektonSpec
    server: ClassVar[str] = "kubernetes"
    makes_objects: ClassVar[bool] = True
    refuses: ClassVar[bool] = True

    def __init__(self, spec: TektonSpec, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        super().__init__(spec, namespace, services, impersonate=impersonate)
        self._params = [Param(name, value) for name, value in spec.params.items()]
        self._ref_params = [Param(name, value) for name, value in spec.ref.params.items()]
        every = [argument for param in (*self._params, *self._ref_params) for argument in param.arguments]
        self._asks_all = any(argument.asks_all for argument in every)
        self._pipelines = Pipelines(services)

    @classmethod
    def check(cls, spec: TektonSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """Templates, paths and patterns that do not compile, dependencies that the sensor does not have, and workspaces that are bound
        to nothing or to several things."""
        where = "pipelineRef.params" if spec.pipeline_ref is not None else "taskRef.params"
        faults = param_faults(spec.params, dependencies, "params") + param_faults(spec.ref.params, dependencies, where)
        for name, binding in spec.workspaces.items():
            bound = [key for key in _BINDINGS if key in binding]
            if len(bound) != 1:
                text = f"has {' and '.join(bound)}" if bound else "is bound to nothing"
                faults.append(FieldError(f"workspaces.{name}", text, f"set one of {', '.join(_BINDINGS)}", kind=FaultKind.MISSING))
            if "name" in binding:
                faults.append(
                    FieldError(f"workspaces.{name}.name", "stands before it already", "take it out", kind=FaultKind.IGNORED)
                )
        return faults

    @classmethod
    def check_templates(cls, spec: TektonSpec, namespace: str, templates: Templates) -> list[FieldError]:
        """Params and workspaces that the Pipeline or Task does not declare, or lacks; nothing if it is not known."""
        if not isinstance(templates, KnownRuns) or not spec.ref.name:
            return []
        declared = templates.declared_run(spec.kind, spec.namespace or namespace, spec.ref.name)
        if declared is None:
            return []
        return [
            FieldError(path, text, remedy, kind=FaultKind.TEMPLATE_MISMATCH)
            for path, text, remedy in run_disagreement(declared, f"{spec.kind} {spec.ref.name}", spec.params, spec.workspaces)
        ]

    def refusal(self, events: Mapping[str, Event]) -> TriggerError | None:
        """The first param that has no value or one that its pattern does not let through."""
        try:
            self._values(self._params, events)
            self._values(self._ref_params, events)
        except TriggerError as error:
            return error
        return None

    async def render(self, work: Work) -> Request:
        """The run with its params, checked against what it runs."""
        settings = self.settings
        values, ref = self._values(self._params, work.events), self._values(self._ref_params, work.events)
        if settings.ref.name:
            namespace = settings.namespace or self.namespace
            declared = await self._pipelines.fetch(settings.kind, namespace, settings.ref.name)
            if declared is not None:
                try:
                    values = self._agreed(declared, values)
                except TriggerError:  # it may have been changed a moment ago
                    fresh = await self._pipelines.fetch(settings.kind, namespace, settings.ref.name, fresh=True)
                    values = self._agreed(fresh or declared, values)
        return await objects.request_for(self._object(values, ref), work, settings.namespace or self.namespace, self.services.kube)

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Create the run."""
        return await objects.create(self.services.kube, request, firing, self.impersonate)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """The run, if this firing made it."""
        return await objects.look(self.services.kube, target, firing)

    def _values(self, params: Sequence[Param], events: Mapping[str, Event]) -> dict[str, Value]:
        root = template_root(events, all_too=self._asks_all)
        return {param.name: param.value(events, root) for param in params}

    def _agreed(self, declared: DeclaredRun, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values in the types that are declared. Raises `TriggerError`: one that waiting may heal (the Pipeline or the sensor will be
        corrected), or one of the value's own."""
        title = f"{self.settings.kind} {self.settings.ref.name}"
        for path, text, remedy in run_disagreement(declared, title, values, self.settings.workspaces):
            raise TriggerError("ArgumentsDisagree", f"{path} {text}; {remedy}", transient=True)
        return {name: typed(name, value, declared.params.get(name, _UNKNOWN)) for name, value in values.items()}

    def _object(self, values: Mapping[str, Value], ref: Mapping[str, Value]) -> dict[str, Any]:
        settings = self.settings
        reference: dict[str, Any] = {"name": settings.ref.name} if settings.ref.name else {"resolver": settings.ref.resolver}
        if ref:
            reference["params"] = _listed(ref)
        is_pipeline = settings.pipeline_ref is not None
        spec: dict[str, Any] = {"pipelineRef" if is_pipeline else "taskRef": reference}
        if settings.ref.name and not is_pipeline:
            reference["kind"] = "Task"
        if values:
            spec["params"] = _listed(values)
        if settings.workspaces:
            spec["workspaces"] = [{"name": name} | binding for name, binding in settings.workspaces.items()]
        if account := settings.service_account_name:
            spec |= {"taskRunTemplate": {"serviceAccountName": account}} if is_pipeline else {"serviceAccountName": account}
        if settings.timeout:
            spec |= {"timeouts": {"pipeline": settings.timeout}} if is_pipeline else {"timeout": settings.timeout}
        metadata = {"generateName": settings.generate_name or f"{settings.ref.name}-", "labels": dict(settings.labels)}
        return {"apiVersion": API_VERSION, "kind": f"{settings.kind}Run", "metadata": metadata, "spec": spec}


def _listed(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in values.items()]
