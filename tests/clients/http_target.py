"""An HTTP server that keeps what came and answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Came:
    """A request. `headers` are as they were written."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, whatever the case of its letters."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class HttpTarget:
    """`answers` are taken in order, as (status, headers); then 200. `cut` that many requests get none. `delay` in seconds."""

    url: str = ""
    requests: list[Came] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    body: bytes = b""
    cut: int = 0
    delay: float = 0.0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = tuple((name.decode(), value.decode()) for name, value in request.raw_headers)
        self.requests.append(Came(request.method, request.raw_path, headers, body))
        await asyncio.sleep(self.delay)
        if self.cut:
            self.cut -= 1
            assert request.transport is not None
            request.transport.abort()
        status, more = self.answers.pop(0) if self.answers else (200, {})
        return web.Response(status=status, headers=more, body=self.body)


@asynccontextmanager
async def http_target(secure: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[HttpTarget]:
    """Serve on 127.0.0.1."""
    target = HttpTarget()
    runner = web.ServerRunner(web.Server(target.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=secure).start()
        scheme = "https" if secure else "http"
        target.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        await runner.cleanup()
