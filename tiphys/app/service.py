"""The service: everything opened in order, run side by side, and closed in the other order.

Open: store → epoch → cluster → rooms → kept manifests → the Matcher and the dispatcher → origins → ingress and API. The last accepted
manifests run before any port answers, so a restart without the cluster serves what it knows. While an origin that has no kept
copies has not answered yet, unknown routes answer 503, the Matcher does not move, and the service is not ready.

Close: not ready → the ingress closes, requests finish → sources stop → the Matcher settles → running triggers finish → the store
checkpoints. Each has its own time limit; correctness depends on none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

import structlog

from dispatcher.live import Live
from dispatcher.queue import Dispatcher, DispatcherSettings
from dispatcher.suspending import Suspended
from dispatcher.trigger import Templates
from eventsource.ingress import SHARED_PORT, Ingress, IngressSettings
from eventsource.room import Room
from sensors import Matcher
from sensors.scripts import Scripts, ScriptSettings
from tiphys.app.admission import BUS_KIND, KINDS
from tiphys.app.api import Facts, serve_api
from tiphys.app.catalog import Catalog, Rooms
from tiphys.app.clusterside import BUSES, adoption_for, open_cluster_side
from tiphys.app.describing import for_nothing
from tiphys.app.eventservices import EventServices
from tiphys.app.following import Follower
from tiphys.app.identity import Accounts
from tiphys.app.local import embedded_kubernetes, write_secretly
from tiphys.app.metrics import Metrics
from tiphys.app.observing import Acting, Answering, CountedLog, Observer
from tiphys.app.origins import ClusterOrigin, FilesOrigin, Origin
from tiphys.app.sensor_explanation import Sight
from tiphys.app.settings import Settings
from tiphys.app.suspending import Suspending
from tiphys.app.templates import TEMPLATE_KINDS, KnownTemplates
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, TriggerKey
from tiphys.bus.ledger import Decision, Ledger
from tiphys.bus.sqlite import SqliteBus, SqliteSettings
from tiphys.clients import files, git
from tiphys.clients.http import HttpClient, HttpSettings, open_http
from tiphys.clients.kube import Kube, KubeSecrets, connect
from tiphys.clients.targets import Targets
from tiphys.errors import SettingsError, StoreError, StoreUnavailable
from tiphys.schema.secret import Secrets

__all__ = ["Observer", "Service", "open_service", "script_settings"]

_log = structlog.get_logger(__name__)
_DAY: Final = 86400.0
_RETAIN_EVERY: Final = 60.0
_HEARTBEAT: Final = 0.5
_LAG_LOGGED: Final = 0.25
_REPORT_EVERY: Final = 1.0
_COLLECT: Final = (20_000, 20, 50)  # an event in flight is hundreds of containers, and none of them is garbage yet


@dataclass
class _Services:
    """What triggers use of the outside world."""

    kube: Kube | None
    secrets: Secrets
    templates: Templates | None
    http: HttpClient | None


class Service:
    """A running service. `ingress_port` and `api_port` are the ports in use."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        room: Room,
        catalog: Catalog,
        metrics: Metrics,
        scripts: Scripts,
        failed: asyncio.Future[None],
    ) -> None:
        self.settings, self.ledger, self.room, self.catalog, self.metrics = settings, ledger, room, catalog, metrics
        self.scripts = scripts
        self.waits: Callable[[Firing], str] = for_nothing
        self.suspended: Callable[[TriggerKey], Suspended | None] = lambda _: None
        self.ingress_port = 0
        self.api_port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[str] = set()
        self._ready = asyncio.Event()
        self._stopping = False
        self._failed = failed

    # -- supervision

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a part of the service. If it ends by an error the service ends with it."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() and not self._failed.done():
            self._failed.set_exception(task.exception() or StoreError("a part of the service ended"))

    async def failure(self) -> None:
        """Raises what ends the service; never returns."""
        await asyncio.shield(self._failed)

    async def cancel(self, task: asyncio.Task[None]) -> None:
        """Stop one part and wait for its end."""
        task.cancel()
        await asyncio.wait([task])

    # -- readiness

    def wait_for(self, origins: set[str]) -> None:
        """These origins must answer before the service is ready."""
        self._waiting = set(origins)
        if not self._waiting:
            _settle_memory()
            self._ready.set()

    def answered(self, origin: str) -> None:
        """An origin has answered in full."""
        self._waiting.discard(origin)
        if not self._waiting and not self._ready.is_set():
            _settle_memory()
            self._ready.set()

    async def ready(self) -> None:
        """Wait until every manifest that must be there is."""
        await self._ready.wait()

    def stopping(self) -> None:
        """Not ready any more."""
        self._stopping = True

    async def readiness(self) -> list[str]:
        """Why it is not ready; empty if it is."""
        reasons = ["the service stops"] if self._stopping else []
        reasons += [f"{origin} has not answered yet" for origin in sorted(self._waiting)]
        health = await self.ledger.health()
        if not health.writable:
            reasons.append(f"the store takes no writes: {health.reason}")
        return reasons

    async def overview(self) -> dict[str, Any]:
        """The state of manifests, sources and the store, for the API."""
        health = await self.ledger.health()
        return {
            "manifests": self.catalog.overview(),
            "sources": [
                {
                    "namespace": one.address.namespace,
                    "eventsource": one.address.eventsource,
                    "event": one.address.event,
                    "type": one.key,
                    "state": one.state,
                    "problem": one.problem,
                    "filtered": asdict(one.filtered) if one.filtered else None,
                }
                for one in self.room.health()
            ],
            "store": {
                "writable": health.writable,
                "reason": health.reason,
                "events": health.events,
                "bytes": health.bytes,
                "damaged": health.damaged,
            },
        }


def _settle_memory() -> None:
    """What was loaded stays: a full collection need not walk through ten thousand compiled sensors each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


def _bus_settings(settings: Settings) -> SqliteSettings:
    return SqliteSettings(
        retention_age=settings.retention_days * _DAY,
        retention_bytes=settings.retention_bytes,
        firing_age=settings.firing_days * _DAY,
        unfinished_bytes=settings.unfinished_bytes,
        deletion_grace=settings.deletion_grace,
    )


def script_settings(settings: Settings) -> ScriptSettings:
    """The limits of scripts and the size of their pool."""
    return ScriptSettings(
        time=settings.script_time,
        wall=settings.script_wall,
        memory=settings.script_memory,
        output=settings.script_output,
        workers=settings.script_workers,
        most=max(settings.script_workers, settings.script_workers_most),
    )


def _bind(settings: Settings) -> Callable[[int], int]:
    return lambda port: settings.ingress_port if port == SHARED_PORT else port


@contextlib.asynccontextmanager
async def open_service(settings: Settings, observer: Observer | None = None) -> AsyncIterator[Service]:
    """Open the whole service; it runs until the context ends. Raises `SettingsError`, `StoreLocked`, `StoreError`."""
    async with contextlib.AsyncExitStack() as stack:
        metrics = Metrics()
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail(error: BaseException) -> None:
            if not failed.done():
                failed.set_exception(error)

        bus = await stack.enter_async_context(SqliteBus.open(settings.data, _bus_settings(settings), on_fatal=fail))
        epoch = await bus.ledger.open_epoch()
        kubeconfig = settings.kubeconfig
        if settings.local:
            kubeconfig = await stack.enter_async_context(embedded_kubernetes(settings.data, settings.kubernetes_port))
        kube = await stack.enter_async_context(connect(kubeconfig, context=settings.context or None))
        targets = Targets(settings.http_targets == "public", settings.http_allowed)
        local_files = settings.local or settings.file_repositories
        repositories = git.Git(settings.data / "git", allow_file=local_files, targets=targets)
        stack.callback(repositories.close)
        git.use(repositories)
        files.use(settings.file_sources)
        kube_secrets = await stack.enter_async_context(KubeSecrets(kube))
        templates = KnownTemplates()
        log = CountedLog(bus.log, metrics, observer)
        acting = Acting(metrics, observer)
        limits = DispatcherSettings(per_trigger=settings.in_flight_per_trigger, in_all=settings.in_flight)
        dispatcher = Dispatcher(bus.ledger, epoch, limits, acting, live=Live(kube, settings.namespaces))

        def decided(event: Event, decision: Decision) -> None:
            metrics.decided(event, decision)
            if observer:
                observer.decided(event, decision)

        scripts = await stack.enter_async_context(Scripts(script_settings(settings)))
        matcher = Matcher(log, bus.ledger, epoch, decided, scripts, lapsed=metrics.lost)
        await matcher.load()
        answering = Answering(metrics)
        ingress = Ingress(IngressSettings(host=settings.host, bind=_bind(settings), stop=settings.drain), answering)
        room = Room(log, bus.ledger, kube_secrets, ingress, observer=answering)
        http = await stack.enter_async_context(open_http(HttpSettings(targets=targets)))
        services = _Services(kube, kube_secrets, templates, http)
        accounts = Accounts(services, impersonate=settings.impersonate)
        rooms = Rooms(bus.ledger, room, matcher, dispatcher, services, accounts)
        catalog = Catalog(
            rooms,
            templates,
            metrics,
            namespace=settings.namespace,
            strict=settings.strict,
            grace=settings.deletion_grace,
        )
        acting.on_unknown_trigger = catalog.unknown_trigger
        accounts.on_allowed(catalog.hasten)
        stack.push_async_callback(catalog.aclose)
        service = Service(settings, bus.ledger, room, catalog, metrics, scripts, failed)
        service.waits, service.suspended = dispatcher.waits, dispatcher.suspended
        suspending = Suspending(bus.ledger, dispatcher, lambda: [key for entry in catalog.entries for key in entry.triggers])
        await suspending.load()
        await _run(service, stack, matcher, dispatcher, ingress, kube, acting, accounts)
        api = await stack.enter_async_context(_api(service, matcher, suspending))
        service.api_port = api
        service.ingress_port = ingress.bound(SHARED_PORT)
        stack.callback(service.stopping)
        yield service


async def _run(
    service: Service,
    stack: contextlib.AsyncExitStack,
    matcher: Matcher,
    dispatcher: Dispatcher,
    ingress: Ingress,
    kube: Kube,
    acting: Acting,
    accounts: Accounts,
) -> None:
    """Start the parts in order; what is pushed on the stack stops them in the other order."""
    settings, catalog = service.settings, service.catalog
    services = EventServices(kube, service.ledger, ingress, catalog, settings.pod_address) if settings.pod_address else None
    if services is not None:
        await services.restore()
    known = await catalog.load_kept()
    acts = service.spawn(dispatcher.run(), "dispatcher")
    stack.push_async_callback(_stop_dispatcher, dispatcher, acts, settings.drain)
    needed, more = _origins(settings, kube)
    service.wait_for({origin.label for origin in needed} - known)

    async def decide() -> None:
        await service.ready()
        for key in matcher.strangers():
            catalog.unknown_trigger(key)
        ingress.ready()
        await matcher.run()

    stack.push_async_callback(service.cancel, service.spawn(decide(), "matcher"))
    await stack.enter_async_context(service.room)
    await stack.enter_async_context(ingress)
    adoption = adoption_for(settings, kube)
    followers: dict[Origin, Follower] = {}
    for origin in (*needed, *more):
        asked = adoption if isinstance(origin, ClusterOrigin) and (origin in needed or origin.label == BUSES) else None
        followers[origin] = follower = Follower(origin, catalog, kube if settings.local else None, asked)
        answered = partial(service.answered, origin.label)
        stack.push_async_callback(service.cancel, service.spawn(follower.run(answered), f"origin {origin.label}"))
    ours = {origin: followers[origin] for origin in needed}
    side = open_cluster_side(settings, kube, catalog, service.room, accounts, acting, adoption, ours, services)
    works = await stack.enter_async_context(side)
    for work, name in ((_retain(service), "retention"), (_heartbeat(service), "heartbeat"), *works):
        stack.push_async_callback(service.cancel, service.spawn(work, name))


def _origins(settings: Settings, kube: Kube) -> tuple[list[Origin], list[Origin]]:
    """Those that must answer before the service is ready, and those that need not: a cluster may lack Argo Workflows' kinds, or not
    let us see them; arguments are then checked when a trigger fires. An EventBus says nothing that the rooms need."""
    namespaces = settings.namespaces or None
    needed: list[Origin] = [ClusterOrigin(kube, kinds=[kind for kind in KINDS if kind != BUS_KIND], namespaces=namespaces)]
    if settings.manifests:
        needed.append(FilesOrigin(settings.manifests, namespace=settings.namespace))
    kinds = TEMPLATE_KINDS[:1] if namespaces else TEMPLATE_KINDS
    buses = ClusterOrigin(kube, kinds=[BUS_KIND], namespaces=namespaces, label=BUSES)
    return needed, [ClusterOrigin(kube, kinds=kinds, namespaces=namespaces, label="cluster (templates)"), buses]


async def _stop_dispatcher(dispatcher: Dispatcher, acts: asyncio.Task[None], drain: float) -> None:
    if not acts.done():
        await dispatcher.stop(drain)
        await asyncio.wait([acts])


async def _retain(service: Service) -> None:
    """Remove what is older than the retention, now and then."""
    while True:
        await asyncio.sleep(_RETAIN_EVERY)
        try:
            await service.ledger.retain()
        except StoreUnavailable as error:
            _log.warning("nothing could be removed", action="retention-refused", reason=error.reason)


async def _heartbeat(service: Service) -> None:
    """How late does the loop run? One line when it is bad, and one when it is well again."""
    late = False
    while True:
        asked = time.monotonic() + _HEARTBEAT
        await asyncio.sleep(_HEARTBEAT)
        lag = max(0.0, time.monotonic() - asked)
        service.metrics.lag.set(lag)
        if (lag > _LAG_LOGGED) is not late:
            late = not late
            _log.warning(
                "the event loop runs late" if late else "the event loop runs in time", action="loop-lag", seconds=round(lag, 3)
            )


def _api_token(settings: Settings) -> str:
    """The token of the file that the settings name, or one of our own; either stands in the data folder for the command line."""
    kept, given = settings.data / "api-token", settings.api_token_file
    if given is None:
        if not kept.exists():
            write_secretly(kept, secrets.token_urlsafe(24))
        return kept.read_text().strip()
    try:
        token = given.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("--api-token-file", f"{given} cannot be read: {error}", "name a file with a token") from error
    if not token:
        raise SettingsError("--api-token-file", f"{given} is empty", "write a token into it")
    write_secretly(kept, token)
    return token


@contextlib.asynccontextmanager
async def _api(service: Service, matcher: Matcher, suspending: Suspending) -> AsyncIterator[int]:
    """The HTTP API; its address and token stand in the data folder for the command line."""
    settings = service.settings
    token = await asyncio.to_thread(_api_token, settings)
    facts = Facts(
        service.ledger,
        service.metrics,
        token,
        service.readiness,
        service.overview,
        service.scripts,
        service.waits,
        Sight(
            service.ledger,
            matcher,
            lambda: service.catalog.entries,
            service.room.health,
            service.scripts,
            service.waits,
            service.suspended,
        ),
        suspending,
    )
    async with serve_api(facts, settings.api_host, settings.api_port, remote=settings.api_remote) as port:
        host = "127.0.0.1" if settings.api_host in ("0.0.0.0", "::") else settings.api_host  # noqa: S104  what to call, not to bind
        address = settings.data / "api-url"
        await asyncio.to_thread(write_secretly, address, f"http://{host}:{port}\n")
        try:
            yield port
        finally:
            address.unlink(missing_ok=True)
