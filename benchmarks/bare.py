"""What ingest is compared with: an aiohttp handler that reads, verifies and parses the same body, and stores nothing.

`python -m benchmarks.bare` listens on a free port of the loopback, prints it, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import hmac
import sys

import orjson
import uvloop
from aiohttp import web

from benchmarks.load import SECRET


async def handle(request: web.Request) -> web.Response:
    body = await request.read()
    expected = "sha256=" + hmac.digest(SECRET, body, "sha256").hex()
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature-256", "")):
        return web.Response(status=400, text="signature")
    orjson.loads(body)
    return web.Response(text="success")


async def main() -> None:
    application = web.Application()
    application.router.add_post("/push", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
