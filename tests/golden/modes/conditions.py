"""`conditions`: a whole Sensor, through the real log and ledger, catalog, Matcher, dispatcher and Kubernetes client.

Only the far ends are ours: the bus is fed as an EventSource would feed it, and the API server is `tests.golden.cluster`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from structlog.testing import capture_logs

from dispatcher.naming import FIRING_LABEL, TIMESTAMP_LABEL
from dispatcher.queue import Dispatcher
from eventsource.ingress import Ingress, IngressSettings
from eventsource.room import Room
from sensors import Matcher
from sensors.scripts import Scripts
from tests.dispatcher.support import NoSecrets, World
from tests.golden.cluster import Cluster
from tests.golden.compare import same_json
from tests.golden.events import NAMESPACE, event_of
from tiphys.app.catalog import Catalog, Rooms
from tiphys.app.metrics import Metrics
from tiphys.app.templates import KnownTemplates
from tiphys.bus.firing import FiringState
from tiphys.bus.ledger import EventRecord, Verdict, VerdictKind
from tiphys.bus.sqlite import SqliteBus
from tiphys.bus.wire import from_wire
from tiphys.clients.kube import Kube
from tiphys.errors import WireError
from tiphys.schema.loader import Document

_ORIGIN: Final = "case"
_UNDER_WAY: Final = (FiringState.PENDING, FiringState.STARTED)
_LONGEST: Final = 20.0


class _Refused(Exception):  # noqa: N818  a result
    """The Sensor is refused at load; the text says why."""


class _Engine:
    """What decides and acts, while it runs."""

    def __init__(self, bus: SqliteBus, epoch: int, kube: Kube, scripts: Scripts) -> None:
        self.bus = bus
        self.tasks: list[asyncio.Task[None]] = []
        self.matcher = Matcher(bus.log, bus.ledger, epoch, scripts=scripts)
        self.dispatcher = Dispatcher(bus.ledger, epoch)
        ingress = Ingress(IngressSettings(host="127.0.0.1", bind=lambda _: 0))
        room = Room(bus.log, bus.ledger, NoSecrets(), ingress)
        rooms = Rooms(bus.ledger, room, self.matcher, self.dispatcher, World(kube))
        self.catalog = Catalog(rooms, KnownTemplates(), Metrics(), namespace=NAMESPACE)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, bus: SqliteBus, kube: Kube, sensor: Mapping[str, Any]) -> AsyncIterator[_Engine]:
        async with Scripts() as scripts:
            engine = cls(bus, await bus.ledger.open_epoch(), kube, scripts)
            await engine.matcher.load()
            await engine.catalog.load_kept()
            await engine.catalog.put(Document(dict(sensor), _ORIGIN), _ORIGIN)
            faults = [fault for entry in engine.catalog.entries for fault in entry.errors]
            if faults:
                raise _Refused("; ".join(map(str, faults)))
            engine.tasks = [asyncio.create_task(engine.matcher.run()), asyncio.create_task(engine.dispatcher.run())]
            try:
                yield engine
            finally:
                for task in engine.tasks:
                    task.cancel()
                await asyncio.gather(*engine.tasks, return_exceptions=True)
                await engine.catalog.aclose()

    async def still(self) -> dict[int, EventRecord]:
        """Everything that was published is decided, and every firing has ended; returns the events by position."""
        async with asyncio.timeout(_LONGEST):
            while True:
                for task in self.tasks:
                    if task.done():
                        await task
                events = await self.bus.ledger.events(limit=1000)
                if all(event.decided for event in events) and not await self.bus.ledger.firings(states=_UNDER_WAY):
                    return {event.position: event for event in events}
                await asyncio.sleep(0.001)


class _Case:
    """A case while it runs: the bus, an engine unless it is down, and what the cluster has seen so far."""

    def __init__(self, folder: Path, cluster: Cluster, kube: Kube, sensor: Mapping[str, Any]) -> None:
        self._folder, self._cluster, self._kube, self._sensor = folder, cluster, kube, sensor
        self._open = contextlib.AsyncExitStack()
        self._running = contextlib.AsyncExitStack()
        self._engine: _Engine | None = None

    async def start(self) -> None:
        self._bus = await self._open.enter_async_context(SqliteBus.open(self._folder))
        self._engine = await self._running.enter_async_context(_Engine.running(self._bus, self._kube, self._sensor))

    async def stop(self) -> None:
        await self._running.aclose()
        await self._open.aclose()
        self._engine = None

    async def step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """One step, until nothing moves any more."""
        seen = len(self._cluster.created)
        found: dict[str, Any] = {}
        if "down" in step:
            await self._running.aclose()
            self._engine = None
            return {"down": True, "created": []}
        if "restart" in step:
            await self.stop()
            self._sensor = step["restart"] if isinstance(step["restart"], Mapping) else self._sensor
            await self.start()
            found["restarted"] = True
        position = await self._published(step)
        if self._engine is None:
            found["published"] = "while the sensor is down"
        else:
            events = await self._engine.still()
            if position is not None:
                found |= _drops(events[position].verdicts, self._sensor)
        created = [_plain(obj) for obj in self._cluster.created[seen:]]
        return found | {"created": created} | await self._held()

    async def _published(self, step: Mapping[str, Any]) -> int | None:
        if "event" in step:
            return await self._bus.log.publish(event_of(step["event"]))
        if "raw" in step:
            try:
                event = from_wire(step["raw"].encode(), NAMESPACE)
            except WireError:
                return None
            return await self._bus.log.publish(event)
        return None

    async def _held(self) -> dict[str, Any]:
        """What the Sensor's triggers hold, and what waits for triggers that it does not have any more."""
        names = {trigger["template"]["name"] for trigger in self._sensor["spec"]["triggers"]}
        found: dict[str, dict[str, dict[str, str]]] = {"held": {}}
        for held in await self._bus.ledger.held():
            place = "held" if held.key.trigger in names else "waiting"
            found.setdefault(place, {}).setdefault(held.key.trigger, {})[held.dependency] = held.event_id
        return found


def _drops(verdicts: Sequence[Verdict], sensor: Mapping[str, Any]) -> dict[str, Any]:
    """Why dependencies dropped an event, as argo-events counts it: an error of a filter is a filter that did not let it pass."""
    found: dict[str, Any] = {"duplicate": False, "filteredOut": 0, "transformErrors": 0}
    for verdict in verdicts:
        transform = sensor["spec"]["dependencies"][verdict.dependency].get("transform")
        if verdict.kind is VerdictKind.DUPLICATE:
            found["duplicate"] = True
        elif verdict.kind is VerdictKind.ERRORED and transform and verdict.clause == 0:  # a transform is the first clause
            found["transformErrors"] += 1
        elif verdict.kind in (VerdictKind.ERRORED, VerdictKind.FILTERED):
            found["filteredOut"] += 1
    return found


def _plain(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object as argo-events would have sent it: the name is the server's to make, and there is no label of ours."""
    metadata = dict(obj["metadata"])
    labels = dict(metadata["labels"])
    if metadata.get("generateName"):
        assert str(metadata.pop("name")).startswith(metadata["generateName"])
    del labels[FIRING_LABEL]
    assert labels[TIMESTAMP_LABEL].isdigit()
    labels[TIMESTAMP_LABEL] = "<ms>"
    return {**obj, "metadata": metadata | {"labels": labels}}


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    with capture_logs():  # what is refused or fails is in the answer
        return asyncio.run(_run(asked))


async def _run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tiphys-golden-") as name:
        folder = Path(name)
        async with Cluster(asked.get("cluster", ())) as cluster, cluster.connect(folder) as kube:
            case = _Case(folder / "data", cluster, kube, asked["sensor"])
            try:
                await case.start()
                return {"steps": [await case.step(step) for step in asked["steps"]]}
            except _Refused as refusal:
                return {"error": str(refusal)}
            finally:
                await case.stop()


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if "steps" not in expected:  # the syntax of NATS keys, which another bus does not have
        return True
    if "error" in found:
        return False
    return len(expected["steps"]) == len(found["steps"]) and all(map(_same_step, expected["steps"], found["steps"]))


def _same_step(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if any(expected.get(key, 0) != found.get(key, 0) for key in ("held", "waiting", "filteredOut", "transformErrors")):
        return False
    if expected.get("duplicateOnBus") and not found.get("duplicate"):
        return False
    left = list(found["created"])
    for wanted in expected.get("created", ()):
        index = next((index for index, obj in enumerate(left) if same_json(wanted, obj)), None)
        if index is None:
            return False
        del left[index]
    return not left
