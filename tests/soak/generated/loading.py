"""From generated manifests to sensors that run, by the way of every manifest: the loader, admission, the ledger's copy, the programs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from dispatcher.program import TriggerProgram
from dispatcher.trigger import Services, Templates
from sensors import Matcher, SensorProgram
from tests.soak.generated.events import SOURCES, numbered
from tiphys.app.admission import Accepted, SensorPlan, admit
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Kube
from tiphys.errors import FieldError, ManifestError, SecretError
from tiphys.schema.loader import Document, load_documents, parse_path
from tiphys.schema.secret import ConfigMapRef, SecretRef

__all__ = ["CONTROL", "Case", "accepted", "control", "put"]

_ROUNDS: Final = 30
_LISTS: Final = ("parameters", "payload", "dynamicHeaders", "data", "exprs", "conditionsReset", "triggers")
CONTROL: Final = "control"
"""The sensor beside each case, whose decisions are known: it listens to all events and filters one kind of its own."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sensor that is accepted, in a namespace of its own, with its events. `refused` are the faults that it was mended of."""

    number: int
    accepted: Accepted
    plan: SensorPlan
    program: SensorProgram
    events: tuple[Event, ...]
    refused: tuple[FieldError, ...]

    @property
    def scripted(self) -> bool:
        """Whether a worker process decides about it."""
        return any(one.filters.away for one in self.program.dependencies)


def accepted(manifest: dict[str, Any], events: Sequence[Event], number: int) -> Case | None:
    """The case; `None` if nothing is left once what is refused is taken out."""
    namespace = f"n{number}"
    manifest = copy.deepcopy(manifest)
    manifest["metadata"]["namespace"] = namespace
    faults: list[FieldError] = []
    document = load_documents(orjson.dumps(manifest), "made.json").all()[0]
    manifest = document.object
    for _ in range(_ROUNDS):
        try:
            found = admit(document, "argo")
        except ManifestError as error:
            faults += error.errors
            for path in {one.path for one in error.errors}:
                _take_out(manifest, path)
            document = Document(manifest, "made.json")
            continue
        assert isinstance(found.plan, SensorPlan)
        marked = Event("", "control", "webhook", "mark", namespace, b'{"body":{"control":"yes"}}')
        told = [numbered(one, namespace, place) for place, one in enumerate([*events, marked])]
        return Case(number, found, found.plan, found.plan.program(), tuple(told), tuple(faults))
    return None


def _take_out(manifest: dict[str, Any], path: str) -> None:
    """Remove what a fault is about: the nearest entry of a list that can do without it, else the field, else what holds it."""
    steps = list(parse_path(path))
    while len(steps) > 1:
        *above, last = steps
        holder = _at(manifest, above)
        if isinstance(holder, list) and isinstance(last, int) and above[-1] in _LISTS and last < len(holder):
            del holder[last]
            if not holder and (outer := _at(manifest, above[:-1])):
                del outer[above[-1]]
            return
        if isinstance(holder, dict) and last in holder and not any(step in _LISTS[:-1] for step in above):
            del holder[last]
            return
        steps = above


def _at(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        known = value.get(step) if isinstance(value, dict) else None
        value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else known
    return value


@lru_cache(maxsize=1024)
def control(namespace: str) -> Accepted:
    """Fires for every event of the case by one trigger, and by another for the event that ends it."""
    hears = [{"name": name, "eventSourceName": "hooks", "eventName": name} for name in SOURCES]
    marked = {
        "name": "mark",
        "eventSourceName": "control",
        "eventName": "mark",
        "filters": {
            "data": [{"path": "body.control", "type": "string", "value": ["^yes$"]}],
            "exprs": [{"expr": "control == 'yes'", "fields": [{"path": "body.control", "name": "control"}]}],
        },
    }
    triggers = [
        {"template": {"name": "every", "conditions": " || ".join(SOURCES), "log": {}}},
        {"template": {"name": "marked", "conditions": "mark", "log": {}}},
    ]
    manifest = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": CONTROL, "namespace": namespace},
        "spec": {"dependencies": [*hears, marked], "triggers": triggers},
    }
    return admit(load_documents(orjson.dumps(manifest)).all()[0], "argo")


@dataclass
class _NoWorld(Services):
    """Nothing outside can be asked."""

    kube: Kube | None = None
    templates: Templates | None = None
    http: HttpClient | None = None

    def __post_init__(self) -> None:
        self.secrets = self

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none", known=True)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none", known=True)


async def put(ledger: Ledger, matcher: Matcher, found: Accepted) -> dict[TriggerKey, TriggerProgram]:
    """Keep an accepted sensor and run it. Returns its triggers as the dispatcher has them."""
    assert isinstance(found.plan, SensorPlan)
    kept = await ledger.keep(found.kind, found.namespace, found.name, found.body, "made.json")
    program = found.plan.program(revision=kept.revision, since=kept.since)
    await matcher.put(program)
    world = _NoWorld()
    return {
        one.key: TriggerProgram(one.key, spec, world) for one, spec in zip(program.triggers, found.plan.spec.triggers, strict=True)
    }
