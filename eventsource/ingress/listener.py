"""One open port: its connections, their time limits, TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from pathlib import Path

from eventsource.ingress.connection import Connection, Handler
from eventsource.ingress.limits import Limits
from eventsource.ingress.observer import Observer

__all__ = ["Listener", "load_certificate", "server_context"]


class Listener:
    """An open port of the table. `number` is the table's, `bound` the socket's, which differs where ports are mapped."""

    def __init__(
        self, number: int, handler: Handler, observer: Observer, limits: Limits, tls: ssl.SSLContext | None = None
    ) -> None:
        self.number, self.tls = number, tls
        self._handler, self._observer, self._limits = handler, observer, limits
        self._connections: set[Connection] = set()
        self._interval = min(1.0, limits.header / 4, limits.keep_alive / 4)
        self._sweeper: asyncio.TimerHandle | None = None
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
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self.connection,
            host,
            port,
            ssl=self.tls,
            backlog=1024,
            reuse_address=os.name == "posix",  # uvloop's default would wait for the last minute's connections after a kill
            ssl_handshake_timeout=self._limits.handshake if self.tls else None,
            ssl_shutdown_timeout=1.0 if self.tls else None,
        )
        self._sweeper = loop.call_later(self._interval, self._sweep)

    def connection(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self._handler, self._observer, self._limits, self._connections, tls=self.tls is not None)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.late()
        self._sweeper = loop.call_later(self._interval, self._sweep)

    def stop_listening(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self, wait: float) -> None:
        """Stop listening; requests in flight have `wait` seconds to finish, idle connections end now."""
        self.stop_listening()
        for connection in list(self._connections):
            connection.finish()
        serving = [task for connection in self._connections if (task := connection.serving)]
        if serving:
            await asyncio.wait(serving, timeout=wait)
        for connection in list(self._connections):
            if connection.serving:
                connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()


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
