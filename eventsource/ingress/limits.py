"""What a sender may cost: sizes, times and memory, each with its default's reason."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from eventsource.source import Answer

__all__ = ["Budget", "Flight", "Limits", "Refusal", "openings", "read_body"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes. The size of a body is its route's matter.

    `header`: until the first request line and headers of a new connection are complete. `body`: until a body is complete; a slow
    line uploads 1 MiB in it. `keep_alive`: idle between two requests; longer than the usual proxy's 60 s. `publish`: until the log has
    taken an event; senders such as GitHub give up at 10 s. `handshake`: of TLS. `requests` and `memory` bound what is in flight over all
    ports: beyond, 503 with Retry-After.
    """

    header: float = 10.0
    body: float = 30.0
    keep_alive: float = 75.0
    publish: float = 20.0
    handshake: float = 10.0
    requests: int = 4096
    memory: int = 128 * 1024 * 1024
    header_line: int = 16 * 1024
    headers: int = 128


class Refusal(Exception):  # noqa: N818  it is one
    """The request is answered with `answer`; `close` says that the connection cannot go on."""

    def __init__(self, answer: Answer, *, close: bool = False) -> None:
        super().__init__(answer.reason)
        self.answer, self.close = answer, close


TOO_LARGE = Answer(413, "request body too large", "too-large")
TOO_SLOW = Answer(408, "the request body did not arrive in time", "too-slow")
CUT_OFF = Answer(400, "the request body is incomplete", "cut-off")
BUSY = Answer(503, "too many requests in flight", "busy", {"Retry-After": "1"})


class Budget:
    """What is in flight over all ports."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.requests = 0
        self.memory = 0

    def enter(self) -> Flight:
        """Count a request, until its `end`. Raises `Refusal` (503) at the bound."""
        if self.requests >= self._limits.requests:
            raise Refusal(BUSY, close=True)
        self.requests += 1
        return Flight(self, self._limits.memory)


class Flight:
    """What one request in flight holds of the budget."""

    __slots__ = ("_bound", "_budget", "size")

    def __init__(self, budget: Budget, bound: int) -> None:
        self._budget, self._bound, self.size = budget, bound, 0

    def take(self, size: int) -> None:
        """Count bytes of its body. Raises `Refusal` (503) at the bound."""
        if self._budget.memory + size > self._bound:
            raise Refusal(BUSY, close=True)
        self._budget.memory += size
        self.size += size

    def end(self) -> None:
        """Give all of it back."""
        self._budget.requests -= 1
        self._budget.memory -= self.size


class Content(Protocol):
    """What is asked of a body that arrives (`eventsource.ingress.incoming.Body`)."""

    def is_eof(self) -> bool:
        """Whether all of it has arrived."""

    def read_nowait(self, n: int = -1) -> bytes:
        """All that has arrived."""

    async def readany(self) -> bytes:
        """Some more of it, empty at the end."""


async def read_body(content: Content, bound: int, wait: float, flight: Flight) -> bytes:
    """The whole body, if it has at most `bound` bytes and arrives within `wait` seconds; reads little more than that, and counts it in
    `flight`. Raises `Refusal` (413, 408, 503)."""
    if content.is_eof():
        body = content.read_nowait(-1)
        _count(len(body), bound, flight)
        return body
    parts = []
    try:
        async with asyncio.timeout(wait):
            while part := await content.readany():
                _count(len(part), bound, flight)
                parts.append(part)
    except TimeoutError as error:
        raise Refusal(TOO_SLOW, close=True) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _count(size: int, bound: int, flight: Flight) -> None:
    if flight.size + size > bound:
        raise Refusal(TOO_LARGE, close=True)
    flight.take(size)


def openings(body: bytes) -> int:
    """How many `[` and `{` there are: a bound for what parsing can cost, without parsing."""
    return body.count(b"[") + body.count(b"{")
