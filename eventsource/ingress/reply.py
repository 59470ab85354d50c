"""An answer on the wire: plain text, one write.

aiohttp's own `Response` builds a header map for each answer; ours are a few texts, so their head is made once. It is still a
`StreamResponse` to aiohttp, which asks it to `prepare` (all is sent there), to `write_eof`, and whether the connection goes on.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter

from eventsource.source import Answer

__all__ = ["Reply"]


class Reply(web.StreamResponse):
    """The response for an answer. `close` ends the connection after it."""

    def __init__(self, answer: Answer, *, close: bool = False) -> None:
        super().__init__(status=answer.status)
        self._answer = answer
        self._closing = close

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on."""
        return not self._closing

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send all of it. Raises `ConnectionResetError` if the sender is gone."""
        if not request.keep_alive:
            self._closing = True
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the sender is gone")
        answer = self._answer
        head = _head(answer.status, len(answer.body.encode()), tuple(answer.headers.items()))
        connection = b""
        if self._closing:
            connection = b"Connection: close\r\n"
        elif request.version == HttpVersion10:
            connection = b"Connection: keep-alive\r\n"
        body = b"" if request.method == "HEAD" else answer.body.encode()
        transport.write(b"%b%bDate: %b\r\n\r\n%b" % (head, connection, _date(int(time.time())), body))
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything was sent by `prepare`."""


@lru_cache(maxsize=256)
def _head(status: int, length: int, extra: tuple[tuple[str, str], ...]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in extra),
        "",
    ]
    return "\r\n".join(lines).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
