"""The ingress: opens and closes ports as the table asks, and keeps them open.

A port that cannot be opened, or a certificate that cannot be read, is the trouble of those that want it; it is tried again for ever, and
everything else goes on. Replacing a manifest's routes is one synchronous step, so a request sees the old ones or the new ones, and one in
flight keeps the endpoint it began with.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final

import structlog

from eventsource.health import trace
from eventsource.ingress.connection import Connection
from eventsource.ingress.gate import Gate, problem_of
from eventsource.ingress.limits import Limits
from eventsource.ingress.listener import Listener, load_certificate, server_context
from eventsource.ingress.observer import Observer, Unobserved
from eventsource.ingress.routes import Binding, Claim, Owner, Table, normal_path
from tiphys.errors import SecretError, SettingsError
from tiphys.schema.secret import SecretRef

__all__ = ["SHARED_PORT", "Ingress", "IngressSettings"]

_log = structlog.get_logger(__name__)

SHARED_PORT: Final = 12000
_UPKEEP_LIMIT: Final = 60.0


def _as_written(port: int) -> int:
    return port


@dataclass(frozen=True, slots=True)
class IngressSettings:
    """`host`: the address to listen on, `None` for all. `shared_port` serves every event at `/{namespace}/{eventsource}/{event}` too.
    `bind` maps a manifest's port to the one that is bound (an offset; 0 for any free one). `upkeep`: seconds between looks at ports that
    could not be opened, at certificates and at secrets. `stop`: seconds for requests in flight at the end. `clock`: Unix seconds, for
    signatures that hold for a while."""

    host: str | None = None
    shared_port: int = SHARED_PORT
    bind: Callable[[int], int] = _as_written
    upkeep: float = 5.0
    stop: float = 10.0
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.time


class Ingress:
    """HTTP in. A context manager: the shared port is open inside of it."""

    def __init__(self, settings: IngressSettings | None = None, observer: Observer | None = None) -> None:
        self.settings = settings or IngressSettings()
        self._observer = observer or Unobserved()
        self.table = Table()
        self._gate = Gate(self.table, self._observer, self.settings.limits, self.settings.clock)
        self._listeners: dict[int, Listener] = {}
        self._certificates: dict[int, tuple[bytes, bytes]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._upkeep: asyncio.Task[None] | None = None
        self._entered = False
        self._own: dict[Owner, dict[int, int]] = {}

    async def __aenter__(self) -> Ingress:
        shared = self.settings.shared_port
        try:
            await self._open(shared, None)
        except OSError as error:
            raise SettingsError(
                "ingress port",
                f"port {self.settings.bind(shared)} cannot be opened: {error.strerror or error}",
                "choose another, or stop who has it",
            ) from error
        self._entered = True
        async with self._changing:
            await self._sync_ports()
        self._upkeep = asyncio.create_task(self._keep_up(), name="ingress-upkeep")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait([self._upkeep])
        listeners, self._listeners = list(self._listeners.values()), {}
        await asyncio.gather(*(listener.close(self.settings.stop) for listener in listeners), *self._closing)

    def ready(self) -> None:
        """The manifests are loaded: from now on an unknown path is 404 instead of 503."""
        self._gate.ready = True

    def bound(self, port: int) -> int:
        """The socket's port for a port of the table, 0 while it is not open."""
        listener = self._listeners.get(port)
        return listener.bound if listener else 0

    def connection(self, port: int) -> Connection:
        """The protocol of a connection to a port of the table that comes over no socket, so that a request can be tried."""
        return Connection(partial(self._gate.answer, port), self._observer, self.settings.limits, set(), tls=False)

    @property
    def in_flight(self) -> int:
        """Requests that are being served now."""
        return self._gate.in_flight

    async def mount(self, owner: Owner, bindings: Iterable[Binding]) -> None:
        """Put these endpoints in place of all that the owner had. Returns once the ports are open or their trouble is reported; before
        the ingress is entered no port opens, so that the first request finds every route."""
        bindings = list(bindings)
        async with self._changing:
            self.table.replace(owner, self._claims(owner, bindings))
            if self._entered:
                await self._sync_ports()
            for binding in bindings:
                if not binding.problems:
                    binding.health.well()

    def _claims(self, owner: Owner, bindings: Iterable[Binding]) -> list[Claim]:
        own = self._own.get(owner, {})
        claims: dict[tuple[int, str, int], Claim] = {}
        for binding in bindings:
            port, path = binding.route.port, normal_path(binding.route.path)
            claims[port, path, id(binding)] = Claim(port, path, binding, quiet=port in own)
            alias = Claim(self.settings.shared_port, f"/{binding.address}", binding, qualified=True)
            claims.setdefault((alias.port, alias.path, id(binding)), alias)
            if port in own:
                claims[own[port], path, id(binding)] = Claim(own[port], path, binding)
        return list(claims.values())

    async def allot(self, owner: Owner, own: Mapping[int, int]) -> None:
        """From now on what the owner serves on a port of its manifest is served on a port of its own as well, where nobody else is: `own`
        maps the one to the other. Its Service leads there."""
        if dict(own) == self._own.get(owner, {}):
            return
        async with self._changing:
            if own:
                self._own[owner] = dict(own)
            else:
                del self._own[owner]
            self.table.replace(owner, self._claims(owner, self.table.bound_by(owner)))
            if self._entered:
                await self._sync_ports()

    async def unmount(self, owner: Owner) -> None:
        """Take an owner's endpoints away. Requests in flight end as they began."""
        await self.mount(owner, ())

    # -- ports

    async def _sync_ports(self) -> None:
        shared = self.settings.shared_port
        for port in self._listeners.keys() - self.table.ports - {shared}:
            self._close(port)
        for port in sorted(self.table.ports):
            oldest = min(self._on(port), key=lambda binding: binding.age, default=None)
            tls = oldest.route.tls if oldest and port != shared else None
            for binding in self._on(port):
                binding.trouble(f"tls {port}", _tls_trouble(binding, port, oldest, tls))
            listener = self._listeners.get(port)
            if listener is not None and (listener.tls is None) != (tls is None):
                self._close(port)
                listener = None
            if listener is None and oldest is not None:
                await self._try_open(port, oldest, tls)

    def _on(self, port: int) -> list[Binding]:
        """Those whose own route is on this port, or whose own port it is."""
        return [
            binding
            for binding in self.table.bindings(port)
            if port in (binding.route.port, self._own.get(binding.owner, {}).get(binding.route.port))
        ]

    async def _try_open(self, port: int, oldest: Binding, tls: tuple[SecretRef, SecretRef] | None) -> None:
        problem = None
        try:
            context = await self._context(port, oldest, tls) if tls else None
            await self._open(port, context)
        except (OSError, SecretError) as error:  # ssl.SSLError is an OSError
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problem = f"port {port} is not open: {text}"
        for binding in self._on(port):
            binding.trouble(f"port {port}", problem)

    async def _open(self, port: int, tls: ssl.SSLContext | None) -> None:
        listener = Listener(port, partial(self._gate.answer, port), self._observer, self.settings.limits, tls)
        await listener.open(self.settings.host, self.settings.bind(port))
        self._listeners[port] = listener
        _log.info("listening", action="listener-opened", port=port, bound=listener.bound, tls=tls is not None)

    def _close(self, port: int) -> None:
        listener = self._listeners.pop(port)
        self._certificates.pop(port, None)
        listener.stop_listening()
        task = asyncio.create_task(listener.close(self.settings.stop), name=f"ingress-close-{port}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        _log.info("no longer listening", action="listener-closed", port=port)

    async def _context(self, port: int, binding: Binding, tls: tuple[SecretRef, SecretRef]) -> ssl.SSLContext:
        certificate, key = await self._pair(binding, tls)
        context = server_context()
        await load_certificate(context, certificate, key)
        self._certificates[port] = certificate, key
        return context

    @staticmethod
    async def _pair(binding: Binding, tls: tuple[SecretRef, SecretRef]) -> tuple[bytes, bytes]:
        return await binding.endpoint.context.secret(tls[0]), await binding.endpoint.context.secret(tls[1])

    # -- upkeep

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(self.settings.upkeep)
            try:
                async with asyncio.timeout(_UPKEEP_LIMIT), self._changing:
                    await self._sync_ports()
                    await self._rotate_certificates()
                async with asyncio.timeout(_UPKEEP_LIMIT):
                    await self._look_at_secrets()
            except Exception as error:  # noqa: BLE001  the ports stay as they are, and the next round tries again
                _log.error("looking after the ports failed", action="ingress-upkeep-failed", error=repr(error), trace=trace(error))

    async def _rotate_certificates(self) -> None:
        for port, before in list(self._certificates.items()):
            oldest = min(self._on(port), key=lambda binding: binding.age, default=None)
            context = self._listeners[port].tls
            if oldest is None or oldest.route.tls is None or context is None:
                continue
            try:
                pair = await self._pair(oldest, oldest.route.tls)
                if pair != before:
                    await load_certificate(context, *pair)
                    self._certificates[port] = pair
                    _log.info("the certificate was replaced", action="certificate-rotated", port=port)
            except (OSError, SecretError) as error:
                oldest.trouble(
                    f"certificate {port}", f"the certificate of port {port} cannot be renewed: {error}; the former stays"
                )
            else:
                oldest.trouble(f"certificate {port}", None)

    async def _look_at_secrets(self) -> None:
        """A missing or odd secret shows in status before the first request meets it."""
        for binding in self.table.bindings():
            for ref in (binding.route.auth_secret, binding.route.secret):
                if ref is not None:
                    await look_at(binding, ref)


async def look_at(binding: Binding, ref: SecretRef) -> None:
    """Read a secret for the sake of its binding's health."""
    try:
        secret = await binding.endpoint.context.secret(ref)
    except SecretError as error:
        problem: str | None = str(error)
    else:
        problem = problem_of(ref, secret)
    binding.trouble(f"secret {ref.name}/{ref.key}", problem)


def _tls_trouble(binding: Binding, port: int, oldest: Binding | None, tls: tuple[SecretRef, SecretRef] | None) -> str | None:
    wanted = binding.route.tls
    if wanted == tls and (tls is None or oldest is None or binding.address.namespace == oldest.address.namespace):
        return None
    if wanted is not None and tls is None:
        return f"port {port} is open without TLS for others; choose another port"
    if wanted is None:
        return f"port {port} is open with TLS for an older object; choose another port"
    return f"port {port} shows the certificate of the older {oldest.address if oldest else 'object'}; choose another port"
