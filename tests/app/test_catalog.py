"""The catalog over the real ledger and rooms: what a deletion leaves, and what a return takes up again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dispatcher.queue import Dispatcher
from eventsource.ingress import Ingress, IngressSettings
from eventsource.room import Room
from sensors import Matcher
from tiphys.app.catalog import Catalog, Rooms
from tiphys.app.metrics import Metrics
from tiphys.app.templates import KnownTemplates
from tiphys.bus.event import Event
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.bus.sqlite import SqliteBus
from tiphys.errors import SecretError
from tiphys.schema.loader import load_documents
from tiphys.schema.secret import ConfigMapRef, SecretRef

SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci, namespace: argo}
spec:
  dependencies:
  - {name: a, eventSourceName: src, eventName: a}
  - {name: b, eventSourceName: src, eventName: b}
  triggers:
  - template: {name: both, log: {}}
"""
KEY = TriggerKey("argo", "ci", "both")


class NoSecrets:
    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none here", known=True)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none here", known=True)


class _Services:
    kube = None
    http = None
    secrets = NoSecrets()

    def __init__(self, templates: KnownTemplates) -> None:
        self.templates: KnownTemplates | None = templates


class Parts:
    def __init__(self, bus: SqliteBus, matcher: Matcher, catalog: Catalog, room: Room, dispatcher: Dispatcher) -> None:
        self.bus, self.matcher, self.catalog, self.room = bus, matcher, catalog, room
        self.dispatcher = dispatcher

    async def put(self, text: str, origin: str = "test") -> None:
        for document in load_documents(text, "m.yaml").all():
            await self.catalog.put(document, origin)

    async def send(self, name: str, event_id: str) -> None:
        await self.bus.log.publish(Event(event_id, "src", "webhook", name, "argo", b"{}"))
        async with asyncio.timeout(10):
            while not (await self.bus.ledger.event(event_id)).settled:
                await asyncio.sleep(0.005)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not found():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(folder: Path, *, grace: float, clock: Callable[[], float] = time.time) -> AsyncIterator[Parts]:
    async with SqliteBus.open(folder, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        ingress = Ingress(IngressSettings(host="127.0.0.1", bind=lambda _: 0))
        matcher = Matcher(bus.log, bus.ledger, epoch, clock=clock)
        await matcher.load()
        dispatcher = Dispatcher(bus.ledger, epoch)
        room = Room(bus.log, bus.ledger, NoSecrets(), ingress)
        templates = KnownTemplates()
        rooms = Rooms(bus.ledger, room, matcher, dispatcher, _Services(templates))
        catalog = Catalog(rooms, templates, Metrics(), namespace="argo", grace=grace)
        await catalog.load_kept()
        deciding = asyncio.create_task(matcher.run())
        try:
            yield Parts(bus, matcher, catalog, room, dispatcher)
        finally:
            deciding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await deciding
            await catalog.aclose()


async def test_a_sensor_that_returns_within_the_grace_takes_its_held_events_up_again(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR)
        await parts.send("a", "a1")
        await parts.catalog.delete("Sensor", "argo", "ci", "test")
        assert parts.matcher.index.get("argo", "ci") is None
        await parts.put(SENSOR)
        assert set(parts.matcher.held(KEY)) == {"a"}


async def test_after_the_grace_what_was_held_is_gone_and_what_had_not_begun_is_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path, grace=0.05) as parts:
        await parts.put(SENSOR + "  - template: {name: single, conditions: a, log: {}}\n")
        await parts.send("a", "a1")
        assert [one.state for one in await parts.bus.ledger.firings()] == [FiringState.PENDING]
        await parts.catalog.delete("Sensor", "argo", "ci", "test")
        await until(lambda: parts.matcher.held(KEY) == {})
        async with asyncio.timeout(10):
            while [one.state for one in await parts.bus.ledger.firings()] != [FiringState.CANCELLED]:
                await asyncio.sleep(0.005)
        assert await parts.bus.ledger.held() == []


async def test_a_refused_version_leaves_the_accepted_one_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR)
        await parts.put(SENSOR.replace("name: both", "name: [both]"))
        entry = parts.catalog.entries[0]
        assert entry.revision > 0
        assert "spec.triggers[0].template.name" in str(entry.errors[0])
        assert parts.matcher.index.get("argo", "ci") is not None


async def test_one_name_from_two_origins_is_the_first_ones(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR, "first")
        await parts.put(SENSOR.replace("eventName: a", "eventName: z"), "second")
        await parts.catalog.delete("Sensor", "argo", "ci", "second")
        assert [dependency.event for dependency in parts.matcher.index.sensors()[0].dependencies] == ["a", "b"]


async def test_what_an_origin_no_longer_has_is_gone_once_it_has_answered(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR, "cluster")
        await parts.catalog.synced("cluster", {("Sensor", "argo", "ci")})
        assert parts.catalog.entries
    async with running(tmp_path, grace=60) as parts:
        assert [entry.name for entry in parts.catalog.entries] == ["ci"]
        assert await parts.catalog.load_kept() == {"cluster"}
        await parts.catalog.synced("cluster", set())
        assert parts.catalog.entries == []
    async with running(tmp_path, grace=60) as parts:
        assert parts.catalog.entries == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_template_that_comes_after_its_sensor_is_checked_as_well(tmp_path: Path, order: tuple[int, int]) -> None:
    template = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: ci, namespace: argo}
spec: {entrypoint: main, arguments: {parameters: [{name: revision}]}, templates: [{name: main}]}
"""
    sensor = SENSOR.replace("log: {}", "workflow: {templateRef: {name: ci}, arguments: {revison: x}}")
    async with running(tmp_path, grace=60) as parts:
        for number in order:
            await parts.put((template, sensor)[number])
        assert "revison" in "".join(map(str, parts.catalog.entries[0].errors))
        await parts.put(template.replace("name: revision", "name: revison"))
        assert parts.catalog.entries[0].errors == ()
        assert parts.catalog.entries[0].revision > 0


async def test_a_refusal_is_logged_once_and_so_is_its_correction(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        with capture_logs() as logs:
            wrong = SENSOR.replace("name: both", "name: both, conditions: nobody")
            for text in (wrong, wrong, SENSOR, SENSOR):
                await parts.put(text)

        assert [entry["action"] for entry in logs if entry["action"].startswith("manifest-")] == [
            "manifest-refused",
            "manifest-accepted",
        ]


async def test_an_event_bus_that_goes_away_takes_nothing_of_a_sensor_of_its_name_along(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        head = "apiVersion: argoproj.io/v1alpha1\nkind: EventBus\n"
        bus = f"{head}metadata: {{name: ci, namespace: argo}}\nspec: {{jetstream: {{version: latest}}}}\n"
        await parts.put(f"{SENSOR}---\n{bus}")
        assert [entry.kind for entry in parts.catalog.entries] == ["EventBus", "Sensor"]
        await parts.catalog.delete("EventBus", "argo", "ci", "test")
        assert [entry.kind for entry in parts.catalog.entries] == ["Sensor"]
        assert parts.matcher.index.get("argo", "ci") is not None
