"""The contract of a trigger, and the registry that maps a template's key (`k8s:`) to its class.

A trigger is used in three steps. `render` is pure but for fetching the object it starts from: the same firing gives the same
request, with secrets still as references, so that a dry run shows what would be sent. The queue then writes the request's target
with `Ledger.begin`. `execute` puts the secrets in and does it. Where an earlier attempt's outcome is unknown, `look` asks the world
first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from dispatcher.parameters import TriggerParameter
from dispatcher.policy import Policy
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Kube
from tiphys.errors import FaultKind, FieldError, TriggerError
from tiphys.schema.model import Model
from tiphys.schema.secret import Secrets

__all__ = [
    "Declared",
    "DeclaredParameter",
    "Notice",
    "Request",
    "Services",
    "Templates",
    "Trigger",
    "Work",
    "register",
    "registered",
]

SpecT = TypeVar("SpecT", bound=Model)
ClassT = TypeVar("ClassT", bound="type[Trigger[Any]]")


@dataclass(frozen=True, slots=True)
class Work:
    """A firing with its events by dependency name (those that the firing has; a dependency may be absent).

    `standing` is the target of an earlier attempt whose outcome is unknown: whatever the manifest now says, the request must be for
    that very name if its kind and namespace are still the same. `trigger` is the template's name, empty for that of the firing's key
    (a `dlqTrigger` has a name of its own). `since` is when it was decided, in Unix seconds: what was fetched earlier may be too old for
    it (0: whatever was fetched before now is). `lane` is the value of the label by which its Workflow is counted, empty if it is not.
    """

    firing: Firing
    events: Mapping[str, Event]
    standing: Target | None = None
    trigger: str = ""
    since: float = 0.0
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a trigger is about to do. `preview` is JSON-like and free of secrets; `body` is the trigger's own. `warnings` are for the
    record: what is done may not be what was meant (a parameter's `dest` that matches nothing, for one). `documents` is the number of
    objects in the trigger's source; this is the request for that of the firing's `document`."""

    target: Target
    preview: Mapping[str, Any]
    body: Any = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    documents: int = 1


class Notice(NamedTuple):
    """Something about an accepted trigger that its owner should know; `path` as in `FieldError`, `text` for people, `kind` the rule of
    `tiphys lint`. `fails`: argo-events and Kubernetes accept it, and then every firing fails."""

    path: str
    text: str
    kind: FaultKind = FaultKind.REMARK
    fails: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """An argument that a WorkflowTemplate declares. `required` means that it has no value of its own; `enum` empty: anything goes."""

    name: str
    required: bool
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What a WorkflowTemplate or ClusterWorkflowTemplate declares: its arguments, its entrypoint (may be empty) and its templates.

    `read` are the names that its own templates take from a Workflow's arguments, declared or not; `calls_others` says that templates of
    other WorkflowTemplates take part, which may read more. `misplaced` is the field of its spec that lists parameters where Argo
    Workflows does not look, empty for none.
    """

    parameters: Mapping[str, DeclaredParameter]
    entrypoint: str = ""
    templates: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    calls_others: bool = False
    misplaced: str = ""


class Templates(Protocol):
    """The WorkflowTemplates that the roof knows from manifests or from the cluster."""

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        """What one declares; `None` if it is not known here (which does not say that it does not exist)."""


class Services(Protocol):
    """The outside world, as the room hands it to triggers. Without `kube` or `http` those that need it can be rendered, not executed."""

    kube: Kube | None
    secrets: Secrets
    templates: Templates | None
    http: HttpClient | None


class Trigger(ABC, Generic[SpecT]):
    """One kind of trigger. `key` is its key in a trigger's template, `spec` the model below that key.

    `namespace` is the Sensor's; `impersonate` the account to act as (`system:serviceaccount:ns:name`), `None` for our own.
    `server` names what its requests go to, where that is one server for all of the kind: they then share its pace. `makes_objects` says
    that it makes or changes Kubernetes objects, for which `policy.k8s` holds; `policy` is set by who compiles the trigger. `refuses` says
    that it can tell beforehand which firings it would refuse (`refusal`): it is asked before there is one.
    """

    key: ClassVar[str]
    spec: ClassVar[type[Model]]
    server: ClassVar[str] = ""
    makes_objects: ClassVar[bool] = False
    refuses: ClassVar[bool] = False

    def __init__(self, spec: SpecT, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        self.settings = spec
        self.namespace = namespace
        self.services = services
        self.impersonate = impersonate
        self.policy: Policy | None = None

    def patience(self, request: Request) -> float:
        """Seconds that `execute` may take by the trigger's own settings; 0: they say nothing of it."""
        return 0.0

    @classmethod
    def check(cls, spec: SpecT, dependencies: frozenset[str]) -> list[FieldError]:
        """Faults that types alone do not show, with paths relative to the key's value. Pure; run at load and by `lint`."""
        return []

    @classmethod
    def check_templates(cls, spec: SpecT, namespace: str, templates: Templates) -> list[FieldError]:
        """Faults against the WorkflowTemplates that are known, with paths as in `check`. Pure; run again when a template changes."""
        return []

    @classmethod
    def makes_workflows(cls, spec: SpecT) -> bool:
        """Whether each firing makes a new Workflow, as far as the manifest shows: what `concurrency` counts."""
        return False

    @classmethod
    def notices(cls, spec: SpecT) -> list[Notice]:
        """What the owner of an accepted template should know, with paths as in `check`."""
        return []

    @classmethod
    def prospects(cls, spec: SpecT, namespace: str, templates: Templates | None) -> list[Notice]:
        """What its firings would come to, as far as can be told without an event: parameters that cannot be set, and what does not agree
        with the WorkflowTemplates that are known. Paths as in `check`. Pure; run again when a template changes."""
        return []

    @classmethod
    def parameters(cls, spec: SpecT) -> Sequence[tuple[str, TriggerParameter]]:
        """The event parameters that the spec holds, each with its path, for checks and for `lint`."""
        return ()

    def refusal(self, events: Mapping[str, Event]) -> TriggerError | None:
        """Why a firing with these events would be refused, as far as can be said at once and without asking anybody. What it says stands
        in the verdict, and an attempt finds the same. Quick: the Matcher waits for it."""
        return None

    async def documents(self, work: Work) -> int:
        """How many objects its source holds; each is a firing of its own, one after the other. Raises as `render` does."""
        return 1

    @abstractmethod
    async def render(self, work: Work) -> Request:
        """What would be done. Raises `TriggerError`, and `ClientError` while fetching the object."""

    @abstractmethod
    async def execute(self, request: Request, firing: Firing) -> Target:
        """Do it and say what was made. Raises `Unreachable` (nothing was done), `OutcomeUnknown`, `Refused`, `TriggerError`."""

    @abstractmethod
    async def look(self, target: Target, firing: Firing) -> Target | None:
        """What an earlier attempt with that target made, or `None` if it made nothing. Raises `ClientError` while the world does
        not say, `TriggerError` (`NameTaken`) if somebody else's is in its place."""


_registry: dict[str, type[Trigger[Any]]] = {}


def register(cls: ClassT) -> ClassT:
    """Class decorator: `cls.key` in a trigger's template means this class."""
    if cls.key in _registry:
        raise ValueError(f"two triggers for the key {cls.key!r}: {_registry[cls.key].__name__} and {cls.__name__}")
    _registry[cls.key] = cls
    return cls


def registered() -> Mapping[str, type[Trigger[Any]]]:
    """Every known trigger by its key. `dispatcher.triggers` imports them all."""
    import dispatcher.triggers  # noqa: F401, PLC0415  the files register themselves; imported here, since they import this module

    return _registry
