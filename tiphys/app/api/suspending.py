"""`/api/v1/suspensions`: what is suspended by commands, and suspending and resuming it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from tiphys.app.suspending import Suspending
from tiphys.bus.firing import TriggerKey
from tiphys.errors import SettingsError

__all__ = ["routes"]


def routes(suspending: Callable[[web.Request], Suspending | None], actor: str) -> list[web.RouteDef]:
    """GET lists; POST and DELETE take `namespace`, `sensor`, `trigger` (absent: the whole Sensor), POST `onResume` (default `replay`)."""

    def of(request: web.Request) -> Suspending:
        if (found := suspending(request)) is None:
            raise web.HTTPNotFound(reason="nothing is carried out here")
        return found

    async def listed(request: web.Request) -> web.Response:
        return _json({"items": await of(request).all()})

    async def suspend(request: web.Request) -> web.Response:
        return _json(await of(request).suspend(_key(request), request.query.get("onResume") or "replay", actor))

    async def resume(request: web.Request) -> web.Response:
        return _json(await of(request).resume(_key(request), actor))

    where = "/api/v1/suspensions"
    return [web.get(where, listed), web.post(where, suspend), web.delete(where, resume)]


def _key(request: web.Request) -> TriggerKey:
    query = request.query
    for name in ("namespace", "sensor"):
        if not query.get(name):
            raise SettingsError(name, "is missing", "name the Sensor")
    return TriggerKey(query["namespace"], query["sensor"], query.get("trigger", ""))


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")
