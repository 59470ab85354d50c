"""One entry of a Sensor's `triggers` (reference 6.1), its template composed from the registered triggers.

What argo-events knows and we do not have yet is refused with its path and a hint: a policy or a limit that were silently ignored would be
worse than none. `check` says what types alone do not show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, Literal

from pydantic import Field, create_model, field_validator, model_validator

from dispatcher.parameters import TriggerParameter
from dispatcher.parameters import notices as parameter_notices
from dispatcher.policy import Policy
from dispatcher.rates import RateLimit
from dispatcher.trigger import Notice, Templates, Trigger, registered
from tiphys.errors import FaultKind, FieldError
from tiphys.schema.backoff import Backoff
from tiphys.schema.conditions import ConditionFields
from tiphys.schema.limits import Batch, Concurrency, DebounceField, OnResume, Order
from tiphys.schema.model import Model, problem
from tiphys.schema.once import Once

__all__ = ["ARGO_TYPES", "Template", "TriggerSpec", "check", "chosen_type", "notices", "prospects", "touches", "trigger_model"]

ARGO_TYPES: Final = (
    "k8s",
    "argoWorkflow",
    "http",
    "awsLambda",
    "azureEventHubs",
    "azureServiceBus",
    "kafka",
    "pulsar",
    "nats",
    "slack",
    "openWhisk",
    "custom",
    "log",
    "email",
)
"""argo-events' kinds of triggers; of several in one template it uses the first in this order."""

_ADDRESS: Final = re.compile(r"\A\w+\.source\.(?:git(?:\.url|\.remote|\Z)|url|file|s3(?:\.endpoint|\.bucket|\Z))")
_CHOOSES: Final = (
    "lets whoever sends the event choose where the object is read from, and where the credentials beside it go; fix the address, and take "
    "no more than the branch or commit from the event"
)


class Template(ConditionFields):
    """What the composed model of `template` is made from: its name, its conditions, and one field for each kind of trigger."""

    name: str = Field(min_length=1)


class TriggerSpec(Model):
    """One entry of `triggers`.

    `parameters` are set in the template itself, before anything else. `retryStrategy` absent: what may heal is tried for 24 hours.
    `atLeastOnce: false`: at most once. Extensions of ours: `onConflict` (`fail`, or `skip`: an object that somebody else made under the
    name counts as done), `onUnknown` (`retry`, or `dead`: what may have been done and is not there is not done again), `once` (what has
    the same key fires once), `order` (firings that do not overtake each other), `debounce` and `batch` (completions
    that make one firing).
    """

    template: Template
    parameters: list[TriggerParameter] = Field(default_factory=list)
    retry_strategy: Backoff | None = None
    at_least_once: bool | None = None
    dlq_trigger: TriggerSpec | None = None
    on_conflict: Literal["fail", "skip"] = "fail"
    on_unknown: Literal["retry", "dead"] | None = None
    once: Once | None = None
    policy: Policy | None = None
    rate_limit: RateLimit | None = None
    order: Order | None = None
    concurrency: Concurrency | None = None
    suspend: bool = False
    on_resume: OnResume = "replay"
    debounce: DebounceField | None = None
    batch: Batch | None = None


@cache
def trigger_model() -> type[TriggerSpec]:
    """The whole model of one entry of `triggers`, with every registered kind of trigger below `template`."""
    kinds = registered()
    fields: dict[str, Any] = {key: (cls.spec | None, Field(default=None, alias=key)) for key, cls in kinds.items()}
    missing = [key for key in ARGO_TYPES if key not in kinds]
    fields.update({key: (Any, Field(default=None, alias=key)) for key in missing})

    def not_yet(cls: type[Model], value: Any) -> Any:
        if value is not None:
            raise problem(
                "is not supported yet",
                f"argo-events knows it; Tiphys has {', '.join(sorted(kinds))} so far",
                kind=FaultKind.NOT_SUPPORTED,
            )
        return value

    def known_kind(cls: type[Model], data: Any) -> Any:
        if isinstance(data, Mapping) and all(data.get(key) is None for key in (*kinds, *ARGO_TYPES)):
            spelt = {key.lower(): key for key in (*kinds, *ARGO_TYPES)}
            for key in data:
                if (meant := spelt.get(str(key).lower())) is not None:
                    not_here = "" if meant in kinds else ", which Tiphys does not support yet"
                    raise problem(
                        f"has {key}, which is no kind of trigger", f"did you mean {meant}{not_here}?", FaultKind.UNKNOWN_FIELD
                    )
        return data

    def one_kind(self: Template) -> Template:
        present = [key for key in kinds if getattr(self, key) is not None]
        if not present:
            raise problem("says nothing of what to do", f"add one of {', '.join(sorted(kinds))}", kind=FaultKind.MISSING)
        if len(present) > 1 and not set(present) <= set(ARGO_TYPES):
            raise problem(f"has {' and '.join(present)}", "keep one of them")
        return self

    validators: dict[str, Any] = {
        "_known_kind": model_validator(mode="before")(known_kind),
        "_one_kind": model_validator(mode="after")(one_kind),
    }
    if missing:
        validators["_missing_kinds"] = field_validator(*missing, mode="before")(not_yet)
    template = create_model("Template", __base__=Template, __doc__="What a trigger does.", __validators__=validators, **fields)
    parts: dict[str, Any] = {"template": (template, ...), "dlq_trigger": ("TriggerSpec | None", None)}
    model = create_model("TriggerSpec", __base__=TriggerSpec, __doc__=TriggerSpec.__doc__, **parts)
    model.model_rebuild(_types_namespace={"TriggerSpec": model})
    return model


def chosen_type(template: Template) -> tuple[type[Trigger[Any]], Model]:
    """The kind of trigger that is used, and its spec: the first in argo-events' order."""
    order = {key: place for place, key in enumerate(ARGO_TYPES)}
    present = [key for key in registered() if getattr(template, key, None) is not None]
    key = min(present, key=lambda key: order.get(key, -1))
    return registered()[key], getattr(template, key)


def check(
    spec: TriggerSpec, dependencies: frozenset[str], namespace: str = "", templates: Templates | None = None
) -> list[FieldError]:
    """Every fault of an entry that its types do not show, with paths from the entry (`template.k8s.source.inline`). Pure.

    `dependencies` are the names of the Sensor's; with `templates` arguments are checked against the WorkflowTemplates that are known,
    for a Sensor in `namespace`.
    """
    kind, settings = chosen_type(spec.template)
    path = f"template.{kind.key}"
    faults = list(_unknown_dependencies("parameters", enumerate(spec.parameters), dependencies))
    faults += (
        _below("template", fault)
        for fault in (_below(kind.key, fault) for fault in kind.check(settings, dependencies))
        if not any(touches(parameter.dest, fault.path) for parameter in spec.parameters)
    )
    for where, parameter in kind.parameters(settings):
        unknown = _unknown_dependency(f"{path}.{where}", parameter, dependencies)
        faults += (
            fault
            for fault in unknown
            if not any(touches(one.dest, fault.path.removeprefix("template.")) for one in spec.parameters)
        )
    faults += _policy_faults(spec.policy, kind)
    faults += _limit_faults(spec, kind, settings)
    if templates is not None:
        faults += (_below(path, fault) for fault in kind.check_templates(settings, namespace, templates))
    if spec.dlq_trigger is not None:
        if spec.at_least_once is False:
            faults.append(FieldError("dlqTrigger", "needs at least once, and atLeastOnce is false", "remove atLeastOnce: false"))
        if spec.dlq_trigger.dlq_trigger is not None:
            faults.append(FieldError("dlqTrigger.dlqTrigger", "would never be used", "remove it", kind=FaultKind.IGNORED))
        if spec.dlq_trigger.once is not None:
            faults.append(
                FieldError(
                    "dlqTrigger.once", "has no effect: each dead letter is handled once", "remove it", kind=FaultKind.IGNORED
                )
            )
        faults += (_below("dlqTrigger", fault) for fault in check(spec.dlq_trigger, dependencies, namespace, templates))
    return faults


def notices(spec: TriggerSpec) -> list[Notice]:
    """What the owner of an accepted entry should know, with paths from the entry."""
    kind, settings = chosen_type(spec.template)
    found = []
    others = [key for key in registered() if key != kind.key and getattr(spec.template, key, None) is not None]
    if others:
        found.append(
            Notice(
                "template",
                f"{kind.key} is used and {', '.join(others)} ignored, as in argo-events; keep one of them",
                kind=FaultKind.IGNORED,
            )
        )
    found += [notice._replace(path=f"template.{kind.key}.{notice.path}") for notice in kind.notices(settings)]
    found += _policy_notices(spec.policy, kind)
    if spec.suspend:
        found.append(Notice("suspend", f"nothing is carried out until it is taken out; onResume is {spec.on_resume}"))
    if spec.rate_limit is not None and spec.rate_limit.notice:
        found.append(Notice("rateLimit.unit", spec.rate_limit.notice))
    parameters = [(f"parameters[{index}]", parameter) for index, parameter in enumerate(spec.parameters)]
    parameters += [(f"template.{kind.key}.{path}", parameter) for path, parameter in kind.parameters(settings)]
    for path, parameter in parameters:
        found += [Notice(one.path, f"{one.problem}; {one.remedy}", one.kind) for one in parameter_notices(parameter, path)]
    found += [
        Notice(f"parameters[{index}]", _CHOOSES, FaultKind.CHOSEN_SOURCE)
        for index, parameter in enumerate(spec.parameters)
        if _ADDRESS.search(parameter.dest)
    ]
    if spec.dlq_trigger is not None:
        if spec.dlq_trigger.rate_limit is not None:
            found.append(
                Notice(
                    "dlqTrigger.rateLimit", "has no effect, as in argo-events: that of its trigger counts", kind=FaultKind.IGNORED
                )
            )
        found += [notice._replace(path=f"dlqTrigger.{notice.path}") for notice in notices(spec.dlq_trigger)]
    return found


def prospects(spec: TriggerSpec, namespace: str = "", templates: Templates | None = None) -> list[Notice]:
    """What the firings of an accepted entry would come to, as far as can be told without an event; paths from the entry. Nothing is said
    of what a template-level parameter may set."""
    kind, settings = chosen_type(spec.template)
    path = f"template.{kind.key}"
    found = []
    if not any(touches(one.dest, f"{kind.key}.{part}") for one in spec.parameters for part in ("source", "parameters", "args")):
        found = [
            one._replace(path=f"{path}.{one.path}")
            for one in kind.prospects(settings, namespace, templates)
            if one.kind is not FaultKind.FIXED_NAME or spec.on_conflict != "skip"
        ]
    if spec.dlq_trigger is not None:
        found += [one._replace(path=f"dlqTrigger.{one.path}") for one in prospects(spec.dlq_trigger, namespace, templates)]
    return found


def _limit_faults(spec: TriggerSpec, kind: type[Trigger[Any]], settings: Model) -> Iterator[FieldError]:
    """What is counted are Workflows; and a dead letter is dealt with by itself, whatever holds for its trigger."""
    if spec.concurrency is not None and not kind.makes_workflows(settings):
        remedy = "it counts Workflows that run: use it where each firing makes one, or limit with rateLimit"
        yield FieldError("concurrency", f"has nothing to count for {kind.key} as it is written here", remedy)
    if (dead := spec.dlq_trigger) is not None:
        for name in ("order", "concurrency", "debounce", "batch"):
            if getattr(dead, name) is not None:
                yield FieldError(
                    f"dlqTrigger.{name}",
                    "has no effect: each dead letter is handled by itself",
                    "remove it",
                    kind=FaultKind.IGNORED,
                )


def _policy_faults(policy: Policy | None, kind: type[Trigger[Any]]) -> list[FieldError]:
    if policy is None or policy.k8s is None or policy.k8s.labels or not kind.makes_objects:
        return []
    return [
        FieldError(
            "policy.k8s.labels",
            "is missing, so there is nothing to wait for",
            "name the labels that mean success",
            kind=FaultKind.MISSING,
        )
    ]


def _policy_notices(policy: Policy | None, kind: type[Trigger[Any]]) -> list[Notice]:
    """A policy that says nothing about this kind of trigger is ignored, as in argo-events."""
    if policy is None:
        return []
    effects = {"k8s": kind.makes_objects, "status": kind.key == "http"}
    return [
        Notice(f"policy.{key}", f"has no effect on {kind.key}", kind=FaultKind.IGNORED)
        for key, effect in effects.items()
        if not effect and getattr(policy, key) is not None
    ]


def _unknown_dependencies(
    path: str, parameters: Iterator[tuple[int, TriggerParameter]] | enumerate[TriggerParameter], dependencies: frozenset[str]
) -> Iterator[FieldError]:
    for index, parameter in parameters:
        yield from _unknown_dependency(f"{path}[{index}]", parameter, dependencies)


def _unknown_dependency(path: str, parameter: TriggerParameter, dependencies: frozenset[str]) -> Sequence[FieldError]:
    name = parameter.src.dependency_name
    if name in dependencies:
        return ()
    known = ", ".join(sorted(dependencies)) or "none"
    return (
        FieldError(
            f"{path}.src.dependencyName",
            "names no dependency of this sensor",
            f"its dependencies are {known}",
            repr(name),
            kind=FaultKind.UNKNOWN_DEPENDENCY,
        ),
    )


def touches(dest: str, path: str) -> bool:
    """Whether a template-level parameter may set, or set something below, what a fault is about: the attempt will show then."""
    dotted = re.sub(r"\[(\d+)\]", r".\1", path)
    return dotted.startswith(dest) or dest.startswith(dotted)


def _below(path: str, fault: FieldError) -> FieldError:
    return replace(fault, path=f"{path}.{fault.path}" if fault.path else path)
