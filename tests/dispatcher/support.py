"""What the dispatcher's tests share: events, firings, programs, and a ledger with work in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dispatcher.manifest import TriggerSpec, check, trigger_model
from dispatcher.observer import Observer
from dispatcher.program import TriggerProgram
from dispatcher.trigger import Services, Templates
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, DependencyEvent, Firing, FiringState, Outcome, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Decision, FiringRecord, Ledger
from tiphys.bus.log import EventLog
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Kube
from tiphys.errors import SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef, Secrets

KEY = TriggerKey("argo", "ci", "build")
trigger_model()  # pydantic looks for plugins in files when it compiles its first model: before a loop runs that must not wait for them


class NoSecrets:
    """There are none."""

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there is no such secret", known=True)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there is no such config map", known=True)


@dataclass
class World(Services):
    """Services for tests."""

    kube: Kube | None = None
    secrets: Secrets = field(default_factory=NoSecrets)
    templates: Templates | None = None
    http: HttpClient | None = None


class Recorder(Observer):
    """Every outcome, in order."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome]] = []
        self.unknown: list[str] = []

    def attempted(self, program: TriggerProgram, claim: Claim, outcome: Outcome, seconds: float) -> None:
        self.outcomes.append((claim.firing.id, outcome))

    def unknown_trigger(self, claim: Claim) -> None:
        self.unknown.append(claim.firing.id)


def event(payload: Any = None, number: int = 1, **changes: Any) -> Event:
    """An event whose data is `payload` as JSON."""
    data = orjson.dumps({"body": {"after": "9f1c2d"}} if payload is None else payload)
    fields = {"source": "hooks", "type": "webhook", "subject": "in", "namespace": "argo", "time": "2026-11-25T08:00:00.000000Z"}
    return Event(id=f"{number:032x}", data=data, **fields | changes)


def firing(key: TriggerKey = KEY, number: int = 1, **changes: Any) -> Firing:
    """The firing of one event of the dependency `dep`."""
    identity = f"{number:032x}"
    return Firing(
        firing_id(*key, {"dep": identity}), key, {"dep": DependencyEvent(identity, number)}, completed_by="dep", **changes
    )


def spec(entry: Mapping[str, Any]) -> TriggerSpec:
    """An entry of `triggers` that has no faults."""
    loaded = trigger_model().model_validate(entry)
    assert check(loaded, frozenset({"dep", "push"})) == []
    return loaded


def program(entry: Mapping[str, Any], world: Services, key: TriggerKey = KEY, impersonate: str | None = None) -> TriggerProgram:
    """A compiled trigger."""
    return TriggerProgram(key, spec(entry), world, impersonate=impersonate)


def creates(obj: Mapping[str, Any] | None = None, **beside: Any) -> dict[str, Any]:
    """An entry that creates a ConfigMap (or `obj`) for each firing."""
    resource = obj or {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}}
    return {"template": {"name": "build", "k8s": {"source": {"resource": resource}}}} | beside


async def decided(
    log: EventLog,
    ledger: Ledger,
    epoch: int,
    key: TriggerKey = KEY,
    numbers: range = range(1, 2),
    lane: Callable[[int], str] = lambda _: "",
) -> list[Firing]:
    """Publish events and let each fire once, in the lane that its number has."""
    decisions, firings = [], []
    for number in numbers:
        published = event({"body": {"n": number}}, number=hash((key, number)) & 0xFFFFFFFFFFFF)
        position = await log.publish(published)
        seen = {"dep": DependencyEvent(published.id, position)}
        made = Firing(firing_id(*key, {"dep": published.id}), key, seen, completed_by="dep", lane=lane(number))
        decisions.append(Decision(published.id, position, firings=(made,)))
        firings.append(made)
    await ledger.settle(epoch, decisions[-1].position, decisions)
    return firings


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that will be so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


async def ended(ledger: Ledger, made: Firing, state: FiringState | None = FiringState.SUCCEEDED) -> FiringRecord:
    """The record of a firing once it has ended, which must be in that state (`None`: any)."""
    end = time.monotonic() + 20.0
    while not (record := await ledger.firing(made.id)).ended:
        assert time.monotonic() < end, f"it is {record.state}: {record.last}"
        await asyncio.sleep(0.01)
    assert state in (None, record.state), f"it is {record.state}: {record.last}"
    return record
