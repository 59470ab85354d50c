"""The manifests that run: from wherever they come, through admission, into the ledger and the rooms.

One manifest's fault is its own: a refused version leaves the accepted one running, and its errors stand here for status and lint. The last
accepted version is kept in the ledger, so that a start without the cluster goes on with what it knows. A sensor or trigger that goes away
leaves its unstarted work for the grace of a deletion, and takes it up again if it comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

import orjson
import structlog

from dispatcher.program import TriggerProgram
from dispatcher.queue import Dispatcher
from dispatcher.trigger import Services
from eventsource.manifest import EventSource
from eventsource.room import Room
from sensors import Matcher, SensorProgram
from tiphys.app.admission import KINDS, Accepted, Notice, SensorPlan, admit, identity
from tiphys.app.beforehand import prepare
from tiphys.app.identity import Accounts
from tiphys.app.metrics import Metrics
from tiphys.app.templates import RUN_KINDS, TEMPLATE_KINDS, KnownTemplates, is_template
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Kept, Ledger
from tiphys.clients.kube import Account
from tiphys.errors import FieldError, ManifestError, StoreUnavailable
from tiphys.schema.loader import Document

__all__ = ["Catalog", "Entry", "Key"]

_log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")
Key = tuple[str, str, str]
_ORIGIN: Final = "Origin"
DEFAULT_ACCOUNT: Final = "default"
"""The service account of a pod, and of a Sensor, that names none."""
_RECONSIDERED: Final = 86400.0  # as long as a firing is tried by default


@dataclass(slots=True)
class Entry:
    """What is known of one object: the version that runs (if any), what is wrong with the newest one, and what its owner should know.

    `account` is the service account that a Sensor acts as: the one that it names, or `default`.
    """

    kind: str
    namespace: str
    name: str
    origin: str
    revision: int = 0
    generation: int = 0
    errors: tuple[FieldError, ...] = ()
    notices: tuple[Notice, ...] = ()
    triggers: tuple[TriggerKey, ...] = field(default=())
    account: str = ""

    @property
    def key(self) -> Key:
        """What the catalog knows it by."""
        return self.kind, self.namespace, self.name


@dataclass(slots=True)
class Rooms:
    """The three rooms and the ledger, as the catalog drives them."""

    ledger: Ledger
    room: Room
    matcher: Matcher
    dispatcher: Dispatcher
    services: Services
    accounts: Accounts | None = None

    def services_as(self, namespace: str, account: str) -> Services:
        """What a Sensor acts by as its account; `services` where nobody impersonates."""
        return self.services if self.accounts is None else self.accounts.services(namespace, account)


class Catalog:
    """Every manifest of the service, by (kind, namespace, name). `changed` hears of each entry that changed, for status.

    `grace` is the time in seconds that a deleted sensor's work waits.
    """

    def __init__(
        self,
        rooms: Rooms,
        templates: KnownTemplates,
        metrics: Metrics,
        *,
        namespace: str,
        strict: bool = False,
        grace: float = 600.0,
        changed: Callable[[Entry], None] | None = None,
    ) -> None:
        self._rooms, self._templates, self._metrics = rooms, templates, metrics
        self._namespace, self._strict, self._grace = namespace, strict, grace
        self._changed = changed or (lambda _: None)
        self._entries: dict[Key, Entry] = {}
        self._documents: dict[Key, Document] = {}
        self._leaving: dict[TriggerKey, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()

    def on_change(self, changed: Callable[[Entry], None]) -> None:
        """From now on `changed` hears of each entry that changed."""
        self._changed = changed

    @property
    def entries(self) -> list[Entry]:
        """Every entry, by kind, namespace and name."""
        return [self._entries[key] for key in sorted(self._entries)]

    def snapshot(self) -> list[Entry]:
        """Every entry, in no order: for who looks at them often."""
        return list(self._entries.values())

    def find(self, key: Key) -> Entry | None:
        """The entry as it is now."""
        return self._entries.get(key)

    def object(self, key: Key) -> dict[str, Any] | None:
        """The newest version of an object as its origin has it, refused ones too; `None` if it has told of none since we started."""
        document = self._documents.get(key)
        return document.object if document else None

    async def load_kept(self) -> set[str]:
        """Run what was accepted last time; returns the origins that have answered in full before, so that what is kept of them is all
        they had, even if that is nothing. What no longer passes is left for its origin."""
        origins = set()
        for kept in await self._rooms.ledger.kept():
            if kept.kind in KINDS:
                await self._apply_kept(kept)
            elif kept.kind == _ORIGIN:
                origins.add(kept.origin)
        return origins

    async def _apply_kept(self, kept: Kept) -> None:
        document = Document(orjson.loads(kept.body), kept.origin)
        await prepare(document.object)
        try:
            accepted = admit(document, kept.namespace)
        except ManifestError as error:
            _log.warning("a kept manifest is no longer accepted", action="kept-refused", name=kept.name, error=str(error))
            return
        async with self._lock:
            await self._run(accepted, kept)

    async def put(self, document: Document, origin: str) -> None:
        """A new or changed object of any kind. What is refused is recorded, not raised."""
        kind, namespace, name = identity(document.object, self._namespace)
        if is_template(kind, document.object):
            if self._templates.put(kind, namespace, name, document.object):
                await self._recheck()
        elif kind in KINDS:
            async with self._lock:
                await self._put((kind, namespace, name), document, origin)

    async def _put(self, key: Key, document: Document, origin: str) -> None:
        entry = self._entries.get(key)
        if entry and entry.origin != origin and entry.revision:
            problem = f"is also in {entry.origin}, which came first"
            fault = FieldError("metadata.name", problem, "keep it in one place", where=document.where("metadata.name"))
            _log.warning("a manifest comes from two places", action="manifest-twice", kind=key[0], name=key[2], error=str(fault))
            return
        self._documents[key] = document
        await prepare(document.object)
        try:
            accepted = admit(document, self._namespace, self._templates, strict=self._strict)
        except ManifestError as error:
            self._refuse(key, origin, error.errors)
            return
        kept = await self._keep(accepted, origin)
        await self._run(accepted, kept)

    async def _keep(self, accepted: Accepted, origin: str) -> Kept:
        ledger = self._rooms.ledger
        return await self._durably(lambda: ledger.keep(accepted.kind, accepted.namespace, accepted.name, accepted.body, origin))

    @staticmethod
    async def _durably(write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """While the store takes no writes nothing changes, and it is tried again."""
        while True:
            try:
                return await write()
            except StoreUnavailable as error:
                await asyncio.sleep(error.retry_after)

    def _refuse(self, key: Key, origin: str, errors: Iterable[FieldError]) -> None:
        entry = self._entries.get(key) or Entry(*key, origin)
        found = tuple(errors)
        if entry.errors != found:
            for error in found:
                _log.error(
                    "a manifest is refused", action="manifest-refused", kind=key[0], name=f"{key[1]}/{key[2]}", error=str(error)
                )
        self._record(replace(entry, errors=found))

    def _record(self, entry: Entry) -> None:
        self._entries[entry.kind, entry.namespace, entry.name] = entry
        self._count()
        self._changed(entry)

    def _count(self) -> None:
        for kind in KINDS:
            mine = [entry for entry in self._entries.values() if entry.kind == kind]
            self._metrics.manifests.labels(kind, "running").set(sum(1 for entry in mine if entry.revision))
            self._metrics.manifests.labels(kind, "refused").set(sum(1 for entry in mine if entry.errors))

    async def _run(self, accepted: Accepted, kept: Kept) -> None:
        """Bring the rooms in line with an accepted version. Nothing is touched where it runs already."""
        key = (accepted.kind, accepted.namespace, accepted.name)
        old = self._entries.get(key)
        triggers: tuple[TriggerKey, ...] = ()
        if isinstance(accepted.plan, EventSource):
            await self._rooms.room.apply(accepted.plan)
        elif isinstance(accepted.plan, SensorPlan):
            program = accepted.plan.program(revision=kept.revision, since=kept.since)
            triggers = tuple(trigger.key for trigger in program.triggers)
            if old is None or old.revision != kept.revision:
                await self._run_sensor(accepted.plan, program)
                if old is not None:
                    await self._reconsider(triggers, "the sensor was changed")
                self._leave(set(old.triggers if old else ()) - set(triggers))
        if old is not None and old.errors:
            _log.info("a manifest is accepted again", action="manifest-accepted", kind=key[0], name=f"{key[1]}/{key[2]}")
        account = accepted.plan.account or DEFAULT_ACCOUNT if isinstance(accepted.plan, SensorPlan) else ""
        self._record(Entry(*key, kept.origin, kept.revision, accepted.generation, (), accepted.notices, triggers, account))

    async def _run_sensor(self, plan: SensorPlan, program: SensorProgram) -> None:
        services = self._rooms.services_as(plan.namespace, plan.account or DEFAULT_ACCOUNT)
        checks: dict[TriggerKey, TriggerProgram] = {}
        for trigger, spec in zip(program.triggers, plan.spec.triggers, strict=True):
            acting = TriggerProgram(trigger.key, spec, services)
            if plan.spec.suspend and acting.suspended is None:
                acting.suspended = plan.spec.on_resume
            if acting.refuses:
                checks[trigger.key] = acting
            if leaving := self._leaving.pop(trigger.key, None):
                leaving.cancel()
            self._rooms.dispatcher.set_trigger(trigger.key, acting)
        self._metrics.expect_sensor(program)
        await self._rooms.matcher.put(program.checked(checks))

    async def _reconsider(self, triggers: Iterable[TriggerKey], why: str) -> None:
        """What was refused since sensor and template disagreed is decided again, as what waits for them to agree would be tried again."""
        since = time.time() - _RECONSIDERED
        for key in triggers:
            count = await self._durably(partial(self._rooms.ledger.reconsider, key, since, f"Tiphys: {why}"))
            if count:
                _log.info("refused events are decided again", action="refusals-reconsidered", trigger="/".join(key), count=count)

    async def delete(self, kind: str, namespace: str, name: str, origin: str) -> None:
        """An object is gone from its origin."""
        key = (kind, namespace, name)
        if kind in (*TEMPLATE_KINDS, *RUN_KINDS):
            if self._templates.remove(kind, namespace, name):
                await self._recheck()
            return
        async with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.origin != origin:
                return
            del self._entries[key]
            self._documents.pop(key, None)
            if entry.revision:
                await self._durably(lambda: self._rooms.ledger.forget(kind, namespace, name))
            if kind == "EventSource":
                await self._rooms.room.remove(namespace, name)
            elif kind == "Sensor":
                await self._rooms.matcher.remove(namespace, name)
                self._leave(entry.triggers)
            self._count()

    async def synced(self, origin: str, present: Collection[Key]) -> None:
        """An origin has answered in full: what it no longer has is gone."""
        gone = [key for key, entry in self._entries.items() if entry.origin == origin and key not in present]
        for kind, namespace, name in gone:
            await self.delete(kind, namespace, name, origin)
        await self._durably(lambda: self._rooms.ledger.keep(_ORIGIN, "", origin, b"{}", origin))

    def unknown_trigger(self, key: TriggerKey) -> None:
        """A firing waits for a trigger that no manifest has: it gets the same grace (it went away while the service was down)."""
        if key not in self._leaving and not any(key in entry.triggers for entry in self._entries.values()):
            self._leave([key])

    def _leave(self, triggers: Iterable[TriggerKey]) -> None:
        for key in triggers:
            self._rooms.dispatcher.remove_trigger(key)
            self._leaving[key] = asyncio.create_task(self._bury(key), name=f"deletion-grace:{'/'.join(key)}")

    async def _bury(self, key: TriggerKey) -> None:
        """After the grace, end what waits for a trigger that did not come back."""
        await asyncio.sleep(self._grace)
        await self._rooms.matcher.release(key)
        count = await self._rooms.ledger.cancel(key, "sensor deleted")
        self._leaving.pop(key, None)
        if count:
            _log.warning(
                "firings of a deleted trigger were cancelled", action="firings-cancelled", trigger="/".join(key), count=count
            )

    async def hasten(self, account: Account) -> None:
        """A service account can be acted as again: what waits of its Sensors is tried now."""
        for entry in list(self._entries.values()):
            if entry.kind == "Sensor" and (entry.namespace, entry.account) == account:
                for trigger in entry.triggers:
                    await self._durably(partial(self._rooms.ledger.hasten, trigger))

    async def _recheck(self) -> None:
        """A WorkflowTemplate changed: do the arguments of every sensor still fit? What runs goes on; it is checked again when it fires,
        and what failed for want of the template is tried again now."""
        async with self._lock:
            for sensor in list(self._entries.values()):
                for trigger in sensor.triggers:
                    await self._durably(partial(self._rooms.ledger.hasten, trigger))
            for key, document in list(self._documents.items()):
                entry = self._entries.get(key)
                if key[0] != "Sensor" or entry is None:
                    continue
                try:
                    admit(document, self._namespace, self._templates, strict=self._strict)
                    errors: tuple[FieldError, ...] = ()
                except ManifestError as error:
                    errors = error.errors
                if errors != entry.errors:
                    if errors:
                        self._refuse(key, entry.origin, errors)
                    else:
                        await self._put(key, document, entry.origin)
                if not errors:
                    await self._reconsider(entry.triggers, "a template was changed")

    async def aclose(self) -> None:
        """End the graces that are under way; the work stays in the ledger."""
        for task in self._leaving.values():
            task.cancel()
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)

    def overview(self) -> list[dict[str, Any]]:
        """Every manifest as the API shows it."""
        return [
            {
                "kind": entry.kind,
                "namespace": entry.namespace,
                "name": entry.name,
                "origin": entry.origin,
                "revision": entry.revision,
                "running": bool(entry.revision),
                "errors": [str(error) for error in entry.errors],
                "notices": [f"{one.path}: {one.text}" for one in entry.notices],
            }
            for entry in self.entries
        ]
