"""A request without a network: through the very protocol that serves the ingress's sockets, on a transport in memory."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from eventsource.ingress.connection import Connection
from eventsource.source import Address, Answer

__all__ = ["Answering", "exchange"]

_LIMIT: Final = 60.0


class Answering:
    """The ingress's observer: the last answer and whose route it was."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the answer before."""
        self.address: Address | None = None
        self.status, self.reason = 0, ""

    def answered(self, address: Address | None, status: int, reason: str, seconds: float, size: int) -> None:
        """As `eventsource.ingress.Observer.answered`."""
        self.address, self.status, self.reason = address, status, reason


class _Memory(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        """Nobody waits for it."""

    def pause_reading(self) -> None:
        """All has been read already."""

    def resume_reading(self) -> None:
        """All has been read already."""


async def exchange(connection: Connection, raw: bytes, observer: Answering) -> Answer:
    """Send a request and take its answer. Raises `TimeoutError`."""
    observer.begin()
    memory = _Memory()
    connection.connection_made(memory)
    connection.data_received(raw)
    if connection.serving is None and not memory.written:
        connection.eof_received()
    async with asyncio.timeout(_LIMIT):
        while (serving := connection.serving) is not None:
            await asyncio.wait([serving])
    connection.connection_lost(None)
    return Answer(observer.status or 400, _body(bytes(memory.written)), observer.reason or "incomplete")


def _body(written: bytes) -> str:
    """The text of the last answer; an interim one (100) may come before it."""
    return written.rpartition(b"\r\n\r\n")[2].decode(errors="replace")
