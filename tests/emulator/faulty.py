"""A proxy that misbehaves: put between a client and the emulator, it does what networks and overloaded servers do.

    async with FaultyProxy(emulator.url) as proxy:
        proxy.answer(503, times=2, when=lambda request: request.method == "POST", headers={"Retry-After": "1"})
        proxy.cut_answer(times=1)          # forward, then cut before the answer arrives: the outcome is unknown
        proxy.cut_stream(after=100)        # cut the next answer after 100 bytes of its body
        await proxy.refuse()               # connections are refused, those that exist are cut
        await proxy.accept()
        proxy.hush(); proxy.speak()        # take connections and bytes, say nothing; go on
        proxy.delay = 0.2                  # seconds before each request is forwarded
        proxy.requests                     # all that came, in order

Faults are taken in the order in which they were asked for; each is used up after `times` requests that its predicate matches.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

__all__ = ["FaultyProxy", "Seen"]

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"}


@dataclass(frozen=True)
class Seen:
    """A request that came. `path` has the query, `headers` are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Predicate = Callable[[Seen], bool]


@dataclass
class _Fault:
    when: Predicate
    times: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_answer: bool = False
    cut_request: bool = False
    cut_after: int | None = None


def _any(_request: Seen) -> bool:
    return True


class FaultyProxy:
    """The proxy, running inside `async with`. `url` is its address; it stays the same over `refuse` and `accept`."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.rstrip("/")
        self.requests: list[Seen] = []
        self.delay = 0.0
        self.url = ""
        self._faults: list[_Fault] = []
        self._speaking = asyncio.Event()
        self._speaking.set()
        self._site: web.TCPSite | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.accept()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut_connections()
        await self._runner.cleanup()
        await self._session.close()

    def answer(
        self, status: int, *, times: int = 1, when: Predicate = _any, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Answer with `status` in the server's place, without forwarding."""
        self._faults.append(_Fault(when, times, status=status, headers=headers or {}, body=body))

    def cut_answer(self, *, times: int = 1, when: Predicate = _any) -> None:
        """Forward the request, wait until the server has answered, then cut the connection: the client cannot know the outcome."""
        self._faults.append(_Fault(when, times, cut_answer=True))

    def cut_request(self, *, times: int = 1, when: Predicate = _any) -> None:
        """Cut the connection without forwarding: the client cannot know the outcome either, but nothing was done."""
        self._faults.append(_Fault(when, times, cut_request=True))

    def cut_stream(self, *, after: int, times: int = 1, when: Predicate = _any) -> None:
        """Forward, and cut after `after` bytes of the answer's body."""
        self._faults.append(_Fault(when, times, cut_after=after))

    def cut_connections(self) -> None:
        """Cut every connection there is, streams in the middle and idle ones."""
        server = self._runner.server
        assert server is not None
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()  # type: ignore[attr-defined]  it is a TCP transport

    def hush(self) -> None:
        """From now on take connections and requests, and say nothing more, in running streams either."""
        self._speaking.clear()

    def speak(self) -> None:
        """End `hush`; what was held back goes on."""
        self._speaking.set()

    async def refuse(self) -> None:
        """Refuse new connections and cut those that exist."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.cut_connections()

    async def accept(self) -> None:
        """Take connections (again), on the same port."""
        if self._site is None:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self._port)
            await self._site.start()
            self._port = self._runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{self._port}"

    def clear(self) -> None:
        """Forget the faults that are not used up, and the delay."""
        self._faults.clear()
        self.delay = 0.0

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method came whose path contains `part`."""
        return sum(request.method == method and part in request.path for request in self.requests)

    def _take(self, seen: Seen) -> _Fault | None:
        for fault in self._faults:
            if fault.when(seen):
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, request.path_qs, headers, body)
        self.requests.append(seen)
        fault = self._take(seen)
        await self._speaking.wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        if fault is not None and fault.status:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        if fault is not None and fault.cut_request:
            return self._cut(request)
        forwarded = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method,
            self.upstream + request.path_qs,
            headers=forwarded,
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            if fault is not None and fault.cut_answer:
                await answer.read()
                return self._cut(request)
            return await self._relay(request, answer, None if fault is None else fault.cut_after)

    async def _relay(self, request: web.Request, answer: aiohttp.ClientResponse, cut_after: int | None) -> web.StreamResponse:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        response = web.StreamResponse(status=answer.status, headers=kept)
        if answer.content_length is not None:
            response.content_length = answer.content_length
        await response.prepare(request)
        sent = 0
        async for chunk in answer.content.iter_any():
            await self._speaking.wait()
            piece = chunk if cut_after is None else chunk[: cut_after - sent]
            await response.write(piece)
            sent += len(piece)
            if cut_after is not None and sent >= cut_after:
                return self._cut(request, response)
        await response.write_eof()
        return response

    def _cut(self, request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
        if request.transport is not None:
            if response is None:
                request.transport.abort()  # type: ignore[attr-defined]  it is a TCP transport
            else:
                request.transport.close()  # what was sent so far is delivered first
        return response or web.Response()
