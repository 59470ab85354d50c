"""The contract of a trigger, and the registry that maps a template's key (`k8s:`) to its class.

A trigger is used in three steps. `render` is pure but for fetching the object it starts from: the same firing gives the same
request, with secrets still as references, so that a dry run shows what would be sent. The queue then writes the request's target
with `Ledger.begin`. `execute` puts the secrets in and does it. Where an earlier attempt's outcome is unknown, `look` asks the world
first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target
from tiphys.clients.kube import Kube
from tiphys.errors import FieldError
from tiphys.schema.model import Model
from tiphys.schema.secret import Secrets

__all__ = ["Request", "Services", "Trigger", "Work", "register", "registered"]

SpecT = TypeVar("SpecT", bound=Model)
ClassT = TypeVar("ClassT", bound="type[Trigger[Any]]")


@dataclass(frozen=True, slots=True)
class Work:
    """A firing with its events by dependency name (those that the firing has; a dependency may be absent)."""

    firing: Firing
    events: Mapping[str, Event]


@dataclass(frozen=True, slots=True)
class Request:
    """What a trigger is about to do. `preview` is JSON-like and free of secrets; `body` is the trigger's own."""

    target: Target
    preview: Mapping[str, Any]
    body: Any = field(default=None, repr=False)


class Services(Protocol):
    """The outside world, as the room hands it to triggers."""

    kube: Kube | None
    secrets: Secrets


class Trigger(ABC, Generic[SpecT]):
    """One kind of trigger. `key` is its key in a trigger's template, `spec` the model below that key.

    `namespace` is the Sensor's; `template` the trigger's name.
    """

    key: ClassVar[str]
    spec: ClassVar[type[Model]]

    def __init__(self, spec: SpecT, namespace: str, services: Services) -> None:
        self.settings = spec
        self.namespace = namespace
        self.services = services

    @classmethod
    def check(cls, spec: SpecT, dependencies: frozenset[str]) -> list[FieldError]:
        """Faults that types alone do not show, with paths relative to the key's value. Pure; run at load and by `lint`."""
        return []

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
