"""The contract of an event source, and the registry that maps a manifest's key (`minio:`) to its class.

A source is one of two kinds. A `Source` runs: it listens or polls, and calls `emit`. An `Endpoint` is called: it is a route of the
ingress and turns a request into events. Both get a `Context`, by which they make events, read secrets and report their health.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from tiphys.bus.event import Event
from tiphys.bus.ledger import Cursor
from tiphys.errors import FaultKind, FieldError
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = [
    "Address",
    "Answer",
    "Context",
    "Emit",
    "Endpoint",
    "Health",
    "Listener",
    "Notice",
    "Request",
    "Route",
    "Source",
    "register",
    "registered",
]

SpecT = TypeVar("SpecT", bound=Model)
ClassT = TypeVar("ClassT", bound="type[Listener[Any]]")

Emit = Callable[[Event], Awaitable[None]]
"""Returns when the log has the event. Raises `StoreUnavailable` when it was not written: do not acknowledge to the world."""


class Address(NamedTuple):
    """Where an event comes from. `bus` is the `eventBusName`."""

    namespace: str
    eventsource: str
    event: str
    bus: str = "default"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.eventsource}/{self.event}"


class Notice(NamedTuple):
    """Something about an accepted manifest that its owner should know; `path` as in `FieldError`, `text` for people, `kind` the rule of
    `tiphys lint`."""

    path: str
    text: str
    kind: FaultKind = FaultKind.REMARK


class Health(Protocol):
    """Where a source says how it is; shown in the EventSource's status, a metric and one log line at each change."""

    def well(self) -> None:
        """It listens."""

    def ill(self, problem: str) -> None:
        """It does not, or only in part; `problem` is for people."""


class Context(Protocol):
    """What the room gives to a source."""

    address: Address
    health: Health

    def event(
        self,
        data: bytes,
        *,
        key: str | None = None,
        worldid: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] = {},
    ) -> Event:
        """An event of this address and type. `key` is the world's key (`None`: a random one), `worldid` what a person would know it
        by (default: the key, if there is one), `time` the present unless given."""

    async def secret(self, ref: SecretRef) -> bytes:
        """A secret of this namespace with one trailing newline removed. Raises `SecretError`."""


class Listener(ABC, Generic[SpecT]):
    """What a source and an endpoint have in common.

    `key` is the manifest's key, `event_type` the CloudEvents type (reference 1.3), `spec` the model of one entry below the key. `members`
    are all the names that the data of an event may have at its top; none: they are not fixed.
    """

    key: ClassVar[str]
    event_type: ClassVar[str]
    spec: ClassVar[type[Model]]
    members: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, spec: SpecT, context: Context) -> None:
        self.settings = spec
        self.context = context

    @classmethod
    def check(cls, spec: SpecT) -> list[FieldError]:
        """Faults that types alone do not show, with paths relative to the entry. Pure; run when the manifest loads and by `lint`."""
        return []

    @classmethod
    def notices(cls, spec: SpecT) -> list[Notice]:
        """What the owner of an accepted entry should know, with paths relative to the entry. Pure; shown in status and by `lint`."""
        return []


class Source(Listener[SpecT]):
    """A source that runs."""

    @abstractmethod
    async def run(self, emit: Emit, cursor: Cursor) -> None:
        """Listen until cancelled. Whatever it raises is reported and it is started again with back-off, for ever."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as an endpoint sees it: `body` is the raw bytes, within the limits; `query` has no `?`; `params` are the path's variables.
    `headers` maps names in canonical MIME form (`X-Github-Event`) to all their values in order, without `Host` and what belongs to the
    transfer."""

    method: str
    path: str
    query: str
    headers: Mapping[str, Sequence[str]]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The first value of a header, empty if there is none. `name` is in canonical MIME form."""
        values = self.headers.get(name)
        return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets. `reason` is one word for the metric and the log (`published`, `signature`, `too-large` …)."""

    status: int
    body: str
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint(Listener[SpecT]):
    """A source that is called over HTTP."""

    @property
    @abstractmethod
    def route(self) -> Route:
        """Where it is served and what is checked before `handle`."""

    @abstractmethod
    async def handle(self, request: Request, emit: Emit) -> Answer:
        """Turn a verified request into events. Runs after limits, authentication and signature."""

    @property
    def registers(self) -> bool:
        """Whether the caller has to be told of this endpoint: then `register` runs beside it."""
        return False

    async def register(self, cursor: Cursor) -> None:
        """Tell the caller to call, see until cancelled that it stays so, and note in `cursor` what was made there. Calls `health.well` each
        time it is so. Whatever it raises is reported and it is started again with back-off, for ever; the endpoint serves meanwhile.
        A successor with other settings starts from the same cursor. It may run beside the same of another process."""

    async def withdraw(self, cursor: Cursor) -> None:
        """The entry is gone from the manifests (a service that only stops does not call this): take back what `register` made, if the
        entry wants that. Has a time limit; what it raises is logged."""


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the ingress table.

    `port` 1 to 65535; `path` as in the manifest, with `{name}` variables; `method` is the only one that is let through (`None`: any);
    `max_body` in bytes; `auth_secret` asks for a bearer token; `signature` names a scheme of `eventsource.ingress.signatures`, with
    its `secret`; `tls` are the references of the certificate and its key.
    """

    port: int
    path: str
    max_body: int = 1_048_576
    max_openings: int = 100_000
    auth_secret: SecretRef | None = None
    signature: str | None = None
    secret: SecretRef | None = None
    tls: tuple[SecretRef, SecretRef] | None = None
    method: str | None = None

    @property
    def authenticated(self) -> bool:
        """Whether a sender must prove who it is. Where not, an event's key must not be the sender's choice alone (DESIGN section 3)."""
        return self.auth_secret is not None or self.signature is not None


_registry: dict[str, type[Listener[Any]]] = {}


def register(cls: ClassT) -> ClassT:
    """Class decorator: `cls.key` in a manifest means this class."""
    if cls.key in _registry:
        raise ValueError(f"two sources for the key {cls.key!r}: {_registry[cls.key].__name__} and {cls.__name__}")
    _registry[cls.key] = cls
    return cls


def registered() -> Mapping[str, type[Listener[Any]]]:
    """Every known source by its manifest key. `eventsource.sources` imports them all."""
    import eventsource.sources  # noqa: F401, PLC0415  the files register themselves; imported here, since they import this module

    return _registry
