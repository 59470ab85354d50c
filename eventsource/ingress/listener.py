"""One open port: connections, their time limits, TLS.

aiohttp's low-level server is used: no router and no middlewares, since the table is ours. What it lacks is added here: a time limit for
the first request of a connection, and a plain counted answer to what is no HTTP.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from eventsource.health import trace
from eventsource.ingress.limits import Limits
from eventsource.ingress.observer import Observer
from eventsource.ingress.reply import Reply
from eventsource.source import Answer

__all__ = ["Listener", "load_certificate", "server_context"]

_log = structlog.get_logger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Connection(web.RequestHandler):
    """A connection that answers malformed requests in plain text, counts them, and logs no traceback for them."""

    __slots__ = ("_observer",)

    def __init__(self, manager: _Server, observer: Observer, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._observer = observer

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if status >= 500:
            _log.error("a request failed", action="request-failed", error=repr(exc), trace=trace(exc) if exc else [])
        self._observer.answered(None, status, "malformed" if status < 500 else "error", 0.0, 0)
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer was begun already")
        return Reply(Answer(status, "malformed request" if status < 500 else "internal error", ""), close=True)


class _Server(web.Server):
    """Keeps the connections that have not sent a request yet, and ends those that take too long."""

    def __init__(self, handler: Handler, observer: Observer, limits: Limits) -> None:
        self._limits = limits
        self._observer = observer
        self._fresh: dict[web.RequestHandler, tuple[float, asyncio.Transport]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._running = asyncio.get_running_loop()
        self._interval = min(1.0, limits.header / 4)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            self._fresh.pop(request.protocol, None)
            return await handler(request)

        super().__init__(handle)

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            self._observer,
            loop=self._running,
            keepalive_timeout=self._limits.keep_alive,
            access_log=None,
            max_line_size=self._limits.header_line,
            max_field_size=self._limits.header_line,
            max_headers=self._limits.headers,
            lingering_time=2.0,
            auto_decompress=False,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._fresh[handler] = (self._running.time() + self._limits.header, transport)
        if self._sweeper is None:
            self._sweeper = self._running.call_later(self._interval, self._sweep)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._fresh.pop(handler, None)
        super().connection_lost(handler, exc)

    def _sweep(self) -> None:
        now = self._running.time()
        late = [(handler, transport) for handler, (deadline, transport) in self._fresh.items() if deadline <= now]
        for handler, transport in late:
            del self._fresh[handler]
            self._observer.answered(None, 408, "no-request", self._limits.header, 0)
            transport.abort()
        self._sweeper = self._running.call_later(self._interval, self._sweep) if self._fresh else None

    def stop_sweeping(self) -> None:
        """Called once the last connection is gone."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None


class Listener:
    """An open port of the table. `number` is the table's, `bound` the socket's, which differs where ports are mapped."""

    def __init__(
        self, number: int, handler: Handler, observer: Observer, limits: Limits, tls: ssl.SSLContext | None = None
    ) -> None:
        self.number, self.tls = number, tls
        self._limits = limits
        self._connections = _Server(handler, observer, limits)
        self._server: asyncio.Server | None = None

    @property
    def bound(self) -> int:
        """The port of the socket."""
        if self._server is None or not self._server.sockets:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, host: str | None, port: int) -> None:
        """Listen. Raises `OSError`."""
        self._server = await asyncio.get_running_loop().create_server(
            self._connections,
            host,
            port,
            ssl=self.tls,
            backlog=1024,
            reuse_address=os.name == "posix",  # uvloop's default would wait for the last minute's connections after a kill
            ssl_handshake_timeout=self._limits.handshake if self.tls else None,
            ssl_shutdown_timeout=1.0 if self.tls else None,
        )

    def stop_listening(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self, wait: float) -> None:
        """Stop listening; requests in flight have `wait` seconds to finish, idle connections end now."""
        self.stop_listening()
        self._connections.pre_shutdown()
        await self._connections.shutdown(wait)
        self._connections.stop_sweeping()


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and later, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Put a certificate chain and its key (PEM) into a context; new connections get it at once. Raises `ssl.SSLError`."""
    await asyncio.to_thread(_load, context, certificate, key)


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # Python's ssl reads certificates from files only; the folder is this user's (0700) and gone at the end of the block
    with tempfile.TemporaryDirectory(prefix="tiphys-tls-") as folder:
        chain, private = Path(folder, "tls.crt"), Path(folder, "tls.key")
        chain.write_bytes(certificate)
        private.touch(mode=0o600)
        private.write_bytes(key)
        context.load_cert_chain(chain, private)
