"""A request on its way in: its head, and a body that is still arriving."""

from __future__ import annotations

import asyncio
from typing import Final

from eventsource.ingress.reply import CONTINUE

__all__ = ["Body", "Incoming"]

_BUFFERED: Final = 128 * 1024


class Body:
    """A request's body as it arrives. Raises `ConnectionError` to its reader when it will not be completed."""

    __slots__ = ("_complete", "_error", "_parts", "_size", "_stopped", "_transport", "_waiter")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []
        self._size = 0
        self._complete = False
        self._stopped = False
        self._error: ConnectionError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def is_eof(self) -> bool:
        """Whether all of it has arrived."""
        return self._complete

    def read_nowait(self, n: int = -1) -> bytes:
        """All that has arrived and was not read yet."""
        parts = self._parts
        taken = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._size = 0
        if self._stopped:
            self._stopped = False
            self._transport.resume_reading()
        return taken

    async def readany(self) -> bytes:
        """Some more of it, empty at the end."""
        while not self._parts and not self._complete:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.read_nowait()

    def feed(self, part: bytes) -> None:
        """Some more has arrived."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > _BUFFERED and not self._stopped:
            self._stopped = True
            self._transport.pause_reading()
        self._wake()

    def complete(self) -> None:
        """All of it has arrived."""
        self._complete = True
        self._wake()

    def fail(self, error: ConnectionError) -> None:
        """No more will come."""
        if not self._complete:
            self._error = error
            self._wake()

    def drop(self) -> None:
        """Nobody wants the rest."""
        if self._parts or self._stopped:
            self.read_nowait()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Incoming:
    """A request whose head is complete. `target` is the request target as it was sent; `headers` as in `eventsource.source.Request`;
    `keep_alive` as the sender wants it, `old` for HTTP/1.0."""

    __slots__ = ("_transport", "body", "headers", "keep_alive", "method", "old", "target")

    def __init__(self, transport: asyncio.Transport, body: Body) -> None:
        self._transport = transport
        self.body = body
        self.method = ""
        self.target = ""
        self.headers: dict[str, list[str]] = {}
        self.keep_alive = False
        self.old = False

    def proceed(self) -> None:
        """Tell a sender that waits for it to send the body (RFC 9110, 10.1.1)."""
        if not self.body.is_eof():
            self._transport.write(CONTINUE)
