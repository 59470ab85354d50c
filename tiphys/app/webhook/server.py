"""The webhook's own port: TLS only, two paths, and a bound for everything.

It asks nobody who they are: it holds no secret, changes nothing, and tells whoever can reach it only what their own manifest deserves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson
import structlog
from aiohttp import web

from tiphys.app.webhook.certificates import Certificates
from tiphys.app.webhook.review import InvalidReview, Reviewer
from tiphys.errors import SettingsError

__all__ = ["open_webhook"]

_log: Final = structlog.get_logger(__name__)
_BODY: Final = 8 << 20  # a review has the object twice, each of up to 3 MiB
_AT_ONCE: Final = 16
_SECONDS: Final = 8.0  # less than the 10 that an API server waits by default
_PATH: Final = "/validate"


@asynccontextmanager
async def open_webhook(reviewer: Reviewer, certificates: Certificates, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the context ends; yields the port in use. Raises `SettingsError`: no certificate, or the port is taken."""
    await certificates.load()
    app = web.Application(client_max_size=_BODY)
    app.add_routes([web.post(_PATH, _Handler(reviewer).answer), web.get("/healthz", _healthz)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, ssl_context=certificates.context).start()
        except OSError as error:
            raise SettingsError("--webhook-port", f"{host}:{port}: {error.strerror}", "choose another port") from error
        refreshing = asyncio.create_task(certificates.run(), name="webhook-certificates")
        try:
            bound: int = runner.addresses[0][1]
            _log.info("the admission webhook listens", action="webhook-open", port=bound)
            yield bound
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])
    finally:
        await runner.cleanup()


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


class _Handler:
    """Reads a review and answers it; a fault of ours is a 500, with which the API server does as `failurePolicy` says."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, request: web.Request) -> web.Response:
        """One review."""
        try:
            async with asyncio.timeout(_SECONDS), self._places:
                answer = await self._reviewer.review(orjson.loads(await request.read()))
        except TimeoutError:
            return web.Response(status=504, text="no time was left")
        except (InvalidReview, orjson.JSONDecodeError) as error:
            return web.Response(status=400, text=str(error))
        return web.Response(body=orjson.dumps(answer), content_type="application/json")
