"""One connection: bytes in, requests out, one answer after the other.

The parser is httptools' (llhttp, as in Node.js), strict in all that request smuggling lives on. aiohttp's server was used before; its
request and response objects, made for applications, cost more per delivery than everything that we do with it, and the ingress is what
a burst of pushes meets first. What is here is what a server needs beyond a parser:

* requests of a connection are answered in order; while one is served, later ones wait, and reading stops when a few do;
* a body is handed over as it arrives, and reading stops while nobody takes it;
* heads are bounded in bytes, lines and number, and everything has a time limit, kept by one sweep over all connections;
* an answer that is given before its request has arrived completely ends the connection, slowly enough to be read (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

import httptools
import structlog

from eventsource.health import trace
from eventsource.ingress.headers import LEFT_OUT, canonical
from eventsource.ingress.incoming import Body, Incoming
from eventsource.ingress.limits import Limits
from eventsource.ingress.observer import Observer
from eventsource.ingress.reply import written
from eventsource.source import Answer

__all__ = ["Connection", "Handler"]

_log = structlog.get_logger(__name__)

MALFORMED: Final = Answer(400, "malformed request", "malformed")
FAILED: Final = Answer(500, "internal error", "error")
_WAITING: Final = 8
_LINGER: Final = 2.0


Handler = Callable[[Incoming], Awaitable[tuple[Answer, bool]]]
"""Decides about a request: the answer, and whether the connection must end with it."""


class Connection(asyncio.Protocol):
    """A connection of a listener. `connections` is the listener's set of all; `deadline` (loop time) is when the sweep ends it."""

    __slots__ = (
        "_broken",
        "_connections",
        "_count",
        "_ending",
        "_handler",
        "_head",
        "_head_size",
        "_latest",
        "_limits",
        "_loop",
        "_observer",
        "_parser",
        "_queue",
        "_rest",
        "_serving",
        "_stopped",
        "_target",
        "_tls",
        "_transport",
        "_upgrading",
        "deadline",
    )

    def __init__(self, handler: Handler, observer: Observer, limits: Limits, connections: set[Connection], *, tls: bool) -> None:
        self._handler, self._observer, self._limits, self._connections = handler, observer, limits, connections
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[Incoming | None] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._latest: Incoming | None = None  # whose body is arriving
        self._head: dict[str, list[str]] | None = None  # of the request whose head is arriving
        self._head_size = self._count = 0
        self._target = b""
        self._broken = self._ending = self._stopped = self._upgrading = False
        self._rest = 0  # bytes of a body that the parser leaves to us
        self.deadline = self._loop.time() + limits.header

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """As `asyncio.Protocol`. A request in flight is finished: its event may be in the log already."""
        self._connections.discard(self)
        self._transport = None
        self._queue.clear()
        if self._latest is not None:
            self._latest.body.fail(ConnectionResetError("the sender is gone"))

    def eof_received(self) -> bool:
        """As `asyncio.Protocol`. A sender that has closed its side still gets the answers to what it sent."""
        self._ending = True
        if self._latest is not None:
            self._latest.body.fail(ConnectionResetError("the sender closed its side"))
        return not self._tls and (self._serving is not None or bool(self._queue))

    def pause_writing(self) -> None:
        """As `asyncio.Protocol`: the next request waits until the sender reads its answers."""
        self._stopped = True

    def resume_writing(self) -> None:
        """As `asyncio.Protocol`."""
        self._stopped = False
        self._next()

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol`."""
        if self._broken:
            if self._rest:
                self._feed_rest(data)
            return  # lingering: read and thrown away until the sender has seen its answer
        before = self._head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._broken = self._ending = True
            self._feed_rest(data[upgrade.args[0] :])
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            self._malformed()
        else:
            if self._head is not None and self._head is before:  # all of the data belonged to it
                self._head_size += len(data)
                if self._head_size > self._limits.header_line * 4:
                    self._malformed()
        if self._serving is None:
            self._next()
        elif len(self._queue) >= _WAITING and self._transport is not None:
            self._transport.pause_reading()

    # -- the parser's side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = {}
        self._head_size = self._count = 0
        self._target = b""
        if self._serving is None:
            self.deadline = self._loop.time() + self._limits.header

    def on_url(self, url: bytes) -> None:
        """Some of the request target."""
        self._target += url
        if len(self._target) > self._limits.header_line:
            raise ValueError("the request target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line. What comes after the body (a trailer) is left out, as Go does."""
        self._count += 1
        if self._count > self._limits.headers or len(value) > self._limits.header_line:
            raise ValueError("too many headers, or one that is too long")
        head = self._head
        if head is None:
            return
        known = canonical(name)
        if known in head:
            head[known].append(value.decode("utf-8", "replace"))
        elif known not in LEFT_OUT:
            head[known] = [value.decode("utf-8", "replace")]

    def on_headers_complete(self) -> None:
        """The head is complete."""
        assert self._transport is not None  # noqa: S101  it feeds us
        assert self._head is not None  # noqa: S101  a message has begun
        incoming = Incoming(self._transport, Body(self._transport))
        parser = self._parser
        incoming.method = parser.get_method().decode()
        incoming.target = self._target.decode("utf-8", "surrogateescape")
        incoming.headers, self._head = self._head, None
        incoming.keep_alive = parser.should_keep_alive()
        incoming.old = parser.get_http_version() == "1.0"
        self._upgrading = parser.should_upgrade()
        self._latest = incoming
        self._queue.append(incoming)

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self._latest is not None:
            self._latest.body.feed(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._latest is not None and not self._upgrading:
            self._latest.body.complete()
            self._latest = None

    def _feed_rest(self, data: bytes) -> None:
        """The body of a request that offers an upgrade (`h2c`, as Java's client does with every first request): the parser stops there.
        Nothing but HTTP/1.1 is spoken here, so it is answered as any other, and what follows it is not looked at."""
        incoming = self._latest
        if incoming is None:
            return
        if self._upgrading:
            self._upgrading = False
            self._rest = int(incoming.headers.get("Content-Length", ["0"])[0])
        part, self._rest = data[: self._rest], max(0, self._rest - len(data))
        if part:
            incoming.body.feed(part)
        if not self._rest:
            incoming.body.complete()
            self._latest = None

    # -- serving

    def finish(self) -> None:
        """End after the request that is being served, or now if there is none."""
        self._ending = True
        if self._serving is None and not self._queue and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End now."""
        if self._serving is not None:
            self._serving.cancel()
        if self._transport is not None:
            self._transport.abort()

    def late(self) -> None:
        """The deadline has passed."""
        if self._serving is None and not self._broken and (self._head is not None or self._count == 0):
            self._observer.answered(None, 408, "no-request", self._limits.header, 0)
        if self._transport is not None:
            self._transport.abort()

    @property
    def serving(self) -> asyncio.Task[None] | None:
        """The request that is being served."""
        return self._serving

    def _malformed(self) -> None:
        self._broken = True
        if self._latest is not None:
            self._latest.body.fail(ConnectionError("what follows is no HTTP"))
            self._latest = None
        else:
            self._queue.append(None)

    def _next(self) -> None:
        if self._stopped or self._serving is not None or not self._queue:
            return
        incoming = self._queue.popleft()
        if incoming is None:
            self._observer.answered(None, MALFORMED.status, MALFORMED.reason, 0.0, 0)
            self._respond(None, MALFORMED, close=True)
            return
        self.deadline = float("inf")
        self._serving = self._loop.create_task(self._serve(incoming))

    async def _serve(self, incoming: Incoming) -> None:
        try:
            answer, close = await self._handler(incoming)
        except Exception as error:  # noqa: BLE001  the sender gets an answer, and the log what went wrong
            _log.error("a request failed", action="request-failed", error=repr(error), trace=trace(error))
            self._observer.answered(None, FAILED.status, FAILED.reason, 0.0, 0)
            answer, close = FAILED, True
        self._serving = None
        self._respond(incoming, answer, close=close)

    def _respond(self, incoming: Incoming | None, answer: Answer, *, close: bool) -> None:
        transport = self._transport
        if transport is None:
            return
        complete = incoming is None or incoming.body.is_eof()
        close = close or self._ending or not complete or (incoming is not None and not incoming.keep_alive)
        transport.write(
            written(
                answer,
                close=close,
                old=incoming is not None and incoming.old,
                head_only=incoming is not None and incoming.method == "HEAD",
            )
        )
        if close:
            self._end(transport, complete=complete and incoming is not None)
            return
        begun = self._head is not None  # the next request has begun
        self.deadline = self._loop.time() + (self._limits.header if begun else self._limits.keep_alive)
        if self._queue:
            self._next()
            if len(self._queue) < _WAITING:
                transport.resume_reading()

    def _end(self, transport: asyncio.Transport, *, complete: bool) -> None:
        """Close. While the sender still sends it would lose the answer to a reset, so its side is read a little longer."""
        self._queue.clear()
        if complete or self._tls or transport.is_closing():
            transport.close()
            return
        self._broken = True
        if self._latest is not None:
            self._latest.body.drop()
        transport.write_eof()
        self.deadline = self._loop.time() + _LINGER
