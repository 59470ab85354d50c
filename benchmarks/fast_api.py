"""A Kubernetes API that answers at once and keeps nothing: what the dispatcher's own speed is measured against.

`python -m benchmarks.fast_api` listens on a free port of the loopback, prints it, and ends with its standard input. It knows discovery of
`argoproj.io/v1alpha1` and POST; `GET /count` says how many objects were made. A request is read as llhttp reads it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import httptools
import orjson
import uvloop

__all__: list[str] = []

_KINDS: Final = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "argoproj.io/v1alpha1",
    "resources": [
        {"name": "workflows", "singularName": "workflow", "namespaced": True, "kind": "Workflow", "verbs": ["create", "get"]}
    ],
}
_made = 0


class Server(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no class of asyncio
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        global _made  # noqa: PLW0603  the process is the server
        method, url, body = self._parser.get_method(), self._url, self._body
        self._url, self._body = b"", b""
        if method == b"POST":
            _made += 1
            self._answer(b"201 Created", body)
        elif url == b"/count":
            self._answer(b"200 OK", b"%d" % _made)
        elif url == b"/apis/argoproj.io/v1alpha1":
            self._answer(b"200 OK", orjson.dumps(_KINDS))
        else:
            self._answer(b"404 Not Found", b'{"kind":"Status","status":"Failure","reason":"NotFound","code":404}')

    def _answer(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
