"""The stage of a dry run: the service's own parts over a throw-away store, with a clock that is set, and nothing that acts.

Manifests go through the catalog, requests through the ingress's protocol, routes and checks, events through the log, the Matcher and its
workers, firings through the ledger and `render`. What differs from the service: no port is opened, no source runs, a clock that stands
still between arrivals, ids that are derived from what came where the service would draw them, and a world of files (`world`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from eventsource.ingress import SCHEMES, SHARED_PORT, Binding, Ingress, IngressSettings
from eventsource.ingress.signatures import sign
from eventsource.source import Address
from sensors import Matcher
from sensors.conditions import HeldEvent
from sensors.scripts import Runner
from tiphys.app.admission import KINDS, identity
from tiphys.app.catalog import Catalog, Rooms
from tiphys.app.describing import instant
from tiphys.app.dryrun.acting import Acting
from tiphys.app.dryrun.arrivals import Arrival, GivenEvent, GivenRequest
from tiphys.app.dryrun.outcomes import Act, Arrived, Came, StillHeld
from tiphys.app.dryrun.props import Clock, Endpoints, Ids, Programs, Published
from tiphys.app.dryrun.wire import Answering, exchange
from tiphys.app.dryrun.world import FileKube, FileObjects, FileSecrets, FileServices
from tiphys.app.explanation import explain_record
from tiphys.app.metrics import Metrics
from tiphys.app.templates import RUN_KINDS, TEMPLATE_KINDS, KnownTemplates
from tiphys.bus.event import Event, rfc3339
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, EventRecord
from tiphys.bus.sqlite import SqliteBus
from tiphys.errors import ScriptsUnavailable, SecretError, SettingsError, TiphysError
from tiphys.schema.loader import Document

__all__ = ["DryRun", "open_dry_run"]

_LIMIT: Final = 120.0
_ORDER: Final = {**dict.fromkeys((*TEMPLATE_KINDS, *RUN_KINDS), 0), "EventBus": 0, "EventSource": 1, "Sensor": 2}


class DryRun:
    """Manifests on the stage. `arrive` lets something come; `held` is what waits for others in the end. `problems` are what is wrong with
    the manifests."""

    def __init__(
        self,
        bus: SqliteBus,
        epoch: int,
        objects: FileObjects,
        secrets: FileSecrets,
        clock: Clock,
        scripts: Runner,
        namespace: str,
        sources: Mapping[str, str],
    ) -> None:
        self.problems: list[str] = []
        self._sources = sources
        self._clock, self._scripts, self._namespace = clock, scripts, namespace
        self._ids, self._answering, self._decided = Ids(), Answering(), asyncio.Event()
        self._log, self._ledger = Published(bus.log), bus.ledger
        kube = FileKube(objects)
        templates = KnownTemplates()
        services = FileServices(kube, secrets, templates)
        self._matcher = Matcher(self._log, bus.ledger, epoch, self._observe, scripts, clock)
        self._ingress = Ingress(IngressSettings(clock=clock), self._answering)
        self._ingress.ready()
        self._room = Endpoints(self._log, bus.ledger, secrets, self._ingress, self._ids, clock)
        self._programs = Programs(bus.ledger, epoch)
        rooms = Rooms(bus.ledger, self._room, self._matcher, self._programs, services)
        self._catalog = Catalog(rooms, templates, Metrics(), namespace=namespace)
        self._acting = Acting(bus.ledger, epoch, self._programs.known, services, kube, sources, clock)
        self._acts: defaultdict[int, list[Act]] = defaultdict(list)
        self._undecided: dict[int, int] = {}  # by position: how many triggers are still to decide
        self._deciding: asyncio.Task[None] | None = None

    # -- manifests

    async def load(self, documents: Sequence[Document]) -> None:
        """Put the manifests on the stage. What is refused stands in `problems`."""
        first: dict[tuple[str, str, str], str] = {}
        for document in sorted(documents, key=lambda one: _ORDER.get(str(one.object.get("kind")), -1)):
            key = identity(document.object, self._namespace)
            if key[0] not in _ORDER:
                continue
            where = document.where("metadata.name")
            if key[2] and key in first:
                self.problems.append(f"{where}: {key[0]} {key[1]}/{key[2]} stands at {first[key]} as well, which counts")
                continue
            first[key] = where
            await self._catalog.put(document, "files")
        self.problems += [str(error) for entry in self._catalog.entries for error in entry.errors]
        self._check_sources()

    def _check_sources(self) -> None:
        """Raises `SettingsError` for a text that no trigger would use."""
        names = [f"{key.sensor}/{key.trigger}" for key in self._programs.known]
        for name in self._sources:
            if name not in names:
                raise SettingsError(f"--source {name}", "names no trigger", f"the triggers are {', '.join(names) or 'none'}")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Decide about what arrives, until the block ends."""
        await self._matcher.load()
        self._deciding = asyncio.create_task(self._matcher.run(), name="dry run: matcher")
        try:
            async with self._room:
                yield
        finally:
            self._deciding.cancel()
            await asyncio.gather(self._deciding, return_exceptions=True)
            await self._catalog.aclose()

    # -- arrivals

    async def arrive(self, arrival: Arrival) -> Arrived:
        """Let something come, and wait for what becomes of it. Raises `SettingsError` for an event that cannot be placed."""
        if arrival.at is not None:
            if arrival.at < self._clock.now:
                raise SettingsError(arrival.label, "arrives before the one before it", "put arrivals in the order of their times")
            await self._pass_time(arrival.at)
            self._clock.now = arrival.at
        at = instant(self._clock.now)
        self._log.published.clear()
        if isinstance(arrival.what, GivenEvent):
            await self._log.publish(self._placed(arrival.what, arrival.label))
            return Arrived(arrival.label, at, await self._came())
        before = self._kept_back()
        answer, notes = await self._requested(arrival.what)
        kept_back = next((text for text, count in self._kept_back().items() if count > before.get(text, 0)), "")
        return Arrived(arrival.label, at, await self._came(), answer, kept_back.partition("\n")[2], notes)

    def _placed(self, given: GivenEvent, label: str) -> Event:
        """The event with what the manifests say of it."""
        source, subject = (given.source, given.event) if given.source and given.event else self._only(given, label)
        sensors = [
            Address(sensor.namespace, source, subject, sensor.bus)
            for sensor in self._matcher.index.sensors()
            if any((one.source, one.event) == (source, subject) for one in sensor.dependencies)
        ]
        offered = [one for one in self._room.known if (one.eventsource, one.event) == (source, subject)]
        known = [one for one in (*offered, *sensors) if given.namespace in ("", one.namespace)]
        near = known[0] if known else Address(given.namespace or self._namespace, source, subject)
        address = Address(given.namespace or near.namespace, source, subject, given.bus or near.bus)
        entry = self._room.known.get(address)
        return Event(
            id=given.id or self._ids.of(address, given.data or b""),
            source=source,
            type=given.type or (entry.listener.event_type if entry else ""),
            subject=subject,
            namespace=address.namespace,
            data=given.data,
            time=given.time or rfc3339(self._clock.instant),
            datacontenttype=given.datacontenttype,
            bus=address.bus,
            extensions=dict(given.extensions),
        )

    def _only(self, given: GivenEvent, label: str) -> tuple[str, str]:
        """The one event that the Sensors listen to, as far as the given one leaves it open."""
        asked = {(one.source, one.event) for sensor in self._matcher.index.sensors() for one in sensor.dependencies}
        open_to = sorted(pair for pair in asked if given.source in ("", pair[0]) and given.event in ("", pair[1]))
        if len(open_to) == 1:
            return open_to[0]
        if not open_to:
            raise SettingsError(label, "says not which event it is, and no Sensor listens to any", "add source and event to it")
        names = ", ".join("/".join(pair) for pair in open_to)
        raise SettingsError(label, f"says not which event it is, and the Sensors listen to {names}", "choose one with --as")

    # -- requests

    async def _requested(self, request: GivenRequest) -> tuple[tuple[int, str, str], list[str]]:
        path = unquote(request.path)
        table, wanted = self._ingress.table, request.host.rpartition(":")[2]
        ports = [port for port in sorted(table.ports, key=lambda port: (port != SHARED_PORT, port)) if table.find(port, path)]
        port = next((port for port in ports if str(port) == wanted), ports[0] if ports else SHARED_PORT)
        found = table.find(port, path)
        more = await self._signed(found[0], request) if found and request.sign else {}
        answer = await exchange(self._ingress.connection(port), request.raw(more), self._answering)
        notes = [] if found else [f"no route for {path}; {self._routes()}"]
        return (answer.status, answer.reason, answer.body), notes

    def _routes(self) -> str:
        bindings = sorted(self._ingress.table.bindings(), key=lambda one: (one.route.port, one.route.path))
        routes = [f"{one.route.method or 'any method'} :{one.route.port}{one.route.path} ({one.address})" for one in bindings]
        return f"the routes are {', '.join(routes)}" if routes else "no EventSource among the files has one"

    async def _signed(self, binding: Binding, request: GivenRequest) -> dict[str, str]:
        """What the route asks its senders for. Where the secret is missing, the ingress says so in its answer."""
        route, context, headers = binding.route, binding.endpoint.context, {}
        with contextlib.suppress(SecretError):
            if route.auth_secret is not None:
                headers["Authorization"] = f"Bearer {(await context.secret(route.auth_secret)).decode(errors='replace')}"
            if route.signature is not None and route.secret is not None:
                secret = await context.secret(route.secret)
                headers |= sign(SCHEMES[route.signature], secret, request.body, self._clock.now)
        return headers

    def _kept_back(self) -> dict[str, int]:
        """How often each filter has kept something back, by its address and last verdict."""
        return {
            f"{one.address}\nthe filter of {one.address.event}: {one.filtered.verdict}": one.filtered.discarded
            + one.filtered.failed
            for one in self._room.health()
            if one.filtered is not None
        }

    # -- what becomes of it

    async def _came(self) -> list[Came]:
        return [await self._outcome(position, event) for position, event in list(self._log.published)]

    async def _outcome(self, position: int, event: Event) -> Came:
        record = await self._record(position, event)
        explained = await explain_record(self._ledger, record, self._scripts)
        await self._collect()
        order = {key: number for number, key in enumerate(self._programs.known)}
        acts = sorted(
            self._acts.pop(position, ()), key=lambda act: order[TriggerKey(record.event.namespace, act.sensor, act.trigger)]
        )
        return Came(explained, acts, position)

    async def _collect(self, due: str = "") -> bool:
        """Take the firings that are due, and keep what they would do by the position of the last event; says whether there were any."""
        found = await self._acting.acts()
        for position, act in found:
            self._acts[position].append(replace(act, due=due))
        return bool(found)

    async def _pass_time(self, until: float) -> None:
        """Let the clock go on to each instant at which a firing is due that gathers events or waits for more."""
        while (due := await self._acting.next_due()) <= until and due < math.inf:
            self._clock.now = max(self._clock.now, due)
            if not await self._collect(instant(self._clock.now)):
                return

    async def finish(self, arrived: Sequence[Arrived]) -> list[Arrived]:
        """Nothing more comes: what had arrived, with what its firings do that were due later."""
        await self._pass_time(math.inf)
        return [
            replace(one, events=[replace(came, acts=[*came.acts, *self._acts[came.position]]) for came in one.events])
            for one in arrived
        ]

    async def _record(self, position: int, event: Event) -> EventRecord:
        """The journal's record of an event once all have decided. Raises what ended the deciding."""
        try:
            async with asyncio.timeout(_LIMIT):
                while self._undecided.get(position) != 0:
                    await self._wait()
        except TimeoutError as error:
            raise ScriptsUnavailable("", f"event {event.subject} was not decided within {_LIMIT:g} s") from error
        found = next(one for one in await self._ledger.events(limit=50) if one.position == position)
        whole = replace(found, event=event)
        with contextlib.suppress(TiphysError):  # one that came again under its id is found by its position only
            by_id = await self._ledger.event(event.id)
            whole = by_id if by_id.position == position else whole
        return whole

    async def _wait(self) -> None:
        assert self._deciding is not None  # noqa: S101  only called while it runs
        waiting = asyncio.create_task(self._decided.wait(), name="dry run: decision")
        try:
            await asyncio.wait({waiting, self._deciding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._deciding.done():
            self._deciding.result()
        self._decided.clear()

    def _observe(self, event: Event, decision: Decision) -> None:
        """The Matcher's observer: the decision about an arrival says how many triggers decide later, and each of them follows."""
        left = self._undecided.get(decision.position)
        self._undecided[decision.position] = len(decision.deferred) if left is None else left - 1
        self._decided.set()

    def held(self) -> list[StillHeld]:
        """What waits, by sensor and trigger, as far as its time is not over."""
        return [
            StillHeld(trigger.key.sensor, trigger.key.trigger, trigger.condition.text, *one)
            for sensor in self._matcher.index.sensors()
            for trigger in sensor.triggers
            for one in self._held_by(trigger.key)
        ]

    def _held_by(self, key: TriggerKey) -> list[tuple[str, str, str, str]]:
        found = self._matcher.index.trigger(key)
        groups: dict[str, list[HeldEvent]] = {}
        for one in self._matcher.held_events(key):
            held = HeldEvent(one.dependency, one.event_id, one.position, one.at, one.join, one.transformed)
            groups.setdefault(one.join, []).append(held)
        return [
            (one.dependency, one.event_id, instant(one.at), one.join)
            for group in groups.values()
            if found and not found[1].gate.lapsed(group, self._clock.now)
            for one in group
        ]


@contextlib.asynccontextmanager
async def open_dry_run(
    documents: Sequence[Document],
    scripts: Runner,
    *,
    at: float,
    namespace: str = "argo",
    secrets: Mapping[tuple[str, str], bytes] | None = None,
    sources: Mapping[str, str] | None = None,
) -> AsyncIterator[DryRun]:
    """A dry run of these manifests until the block ends.

    `at` is where the clock stands (Unix seconds), `namespace` that of manifests that name none, `secrets` are values by name and key;
    `sources` are the texts that the sources of triggers (`SENSOR/TRIGGER`) would fetch; `scripts` runs Lua and jq.
    """
    clock = Clock(at)
    async with _folder() as folder, SqliteBus.open(folder, clock=clock) as bus:
        objects = FileObjects((one.object for one in documents), namespace)
        files = FileSecrets(objects, secrets or {})
        epoch = await bus.ledger.open_epoch()
        run = DryRun(bus, epoch, objects, files, clock, scripts, namespace, sources or {})
        await run.load(documents)
        async with run.running():
            yield run


@contextlib.asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    """A folder that is gone in the end."""
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="tiphys-test-")
    try:
        yield Path(folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


assert set(KINDS) <= _ORDER.keys()  # noqa: S101  a kind that is not put on the stage would be passed over in silence
