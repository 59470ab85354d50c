"""The HTTP API on port 7777: metrics and health for all, everything else with a bearer token (DESIGN section 5).

Every answer is JSON but for the metrics. An error is `{"error": text}` with the status that fits: 400 for a bad question, 401 without
the token, 404 for what is not there, 503 while the store takes no writes.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from sensors.scripts import Runner
from tiphys.app.api import suspending
from tiphys.app.describing import describe_event, describe_firing, for_nothing
from tiphys.app.explanation import explain
from tiphys.app.metrics import CONTENT_TYPE_LATEST, Metrics
from tiphys.app.sensor_explanation import Sight, explain_sensor
from tiphys.app.suspending import Suspending
from tiphys.bus.firing import Firing, FiringState, TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.bus.wire import to_document
from tiphys.errors import SettingsError, StoreUnavailable, TiphysError, UnknownRecord

__all__ = ["Facts", "serve_api"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Facts:
    """What the API answers from. `readiness` is empty when the service is ready, else the reasons; `overview` is the state of all
    manifests and sources; `scripts` runs transforms and scripts again for `explain`; `waits` says what a firing that is due waits for;
    `sight` is what there is to see of the running sensors; `suspending` suspends and resumes triggers."""

    ledger: Ledger
    metrics: Metrics
    token: str
    readiness: Callable[[], Awaitable[list[str]]]
    overview: Callable[[], Awaitable[Mapping[str, Any]]]
    scripts: Runner | None = None
    waits: Callable[[Firing], str] = for_nothing
    sight: Sight | None = None
    suspending: Suspending | None = None


FACTS: Final = web.AppKey("facts", Facts)
REMOTE: Final = web.AppKey("remote", bool)
_OPEN: Final = frozenset(("/healthz", "/readyz", "/metrics"))
_LARGEST_PAGE: Final = 1000
_MOST_EXPLAINED: Final = 100
_ACTOR: Final = "local token"


@asynccontextmanager
async def serve_api(facts: Facts, host: str, port: int, *, remote: bool = False) -> AsyncIterator[int]:
    """Serve the API until the context ends; yields the port in use. Unless `remote`, other machines get metrics and health only. Raises
    `SettingsError` if the port is taken."""
    app = web.Application(middlewares=[_errors, _access], client_max_size=1 << 16)
    app[FACTS] = facts
    app[REMOTE] = remote
    app.add_routes(
        [
            web.get("/healthz", _healthz),
            web.get("/readyz", _readyz),
            web.get("/metrics", _metrics),
            web.get("/api/v1/overview", _overview),
            *suspending.routes(lambda request: request.app[FACTS].suspending, _ACTOR),
            web.get("/api/v1/events", _events),
            web.get("/api/v1/events/{id}", _event),
            web.get("/api/v1/events/{id}/cloudevent", _cloudevent),
            web.get("/api/v1/events/{id}/explain", _explain),
            web.post("/api/v1/events/{id}/replay", _replay_event),
            web.get("/api/v1/sensors/{name}/explain", _explain_sensor),
            web.get("/api/v1/firings", _firings),
            web.get("/api/v1/firings/{id}", _firing),
            web.post("/api/v1/firings/{id}/replay", _replay_firing),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=os.name == "posix")
        try:
            await site.start()
        except OSError as error:
            raise SettingsError("--api-port", f"{host}:{port} cannot be used: {error.strerror}", "choose another port") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json", headers=headers)


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except UnknownRecord as error:
        return _json({"error": str(error), "hint": error.hint}, 404)
    except StoreUnavailable as error:
        return _json({"error": str(error)}, 503, {"Retry-After": str(max(1, round(error.retry_after)))})
    except TiphysError as error:
        return _json({"error": str(error)}, 400)
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)


@web.middleware
async def _access(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path not in _OPEN:
        if not request.app[REMOTE] and not _is_near(request.remote):
            problem = "the API answers its own machine only; `--api-remote` opens it (docs/settings.md)"
            return _json({"error": problem}, 403)
        given = request.headers.get("Authorization", "")
        wanted = f"Bearer {request.app[FACTS].token}"
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            problem = "send the header `Authorization: Bearer TOKEN`; the token is in the file api-token of the data folder"
            return _json({"error": problem}, 401, {"WWW-Authenticate": "Bearer"})
    return await handler(request)


def _is_near(address: str | None) -> bool:
    """Is it an address of this machine, or of this pod?"""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


async def _healthz(_: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def _readyz(request: web.Request) -> web.Response:
    reasons = await request.app[FACTS].readiness()
    return _json({"status": "not ready", "reasons": reasons}, 503) if reasons else _json({"status": "ready"})


async def _metrics(request: web.Request) -> web.Response:
    facts = request.app[FACTS]
    facts.metrics.store(await facts.ledger.health())
    if facts.sight:
        facts.metrics.waiting(facts.sight.matcher.waiting())
    return web.Response(body=facts.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _overview(request: web.Request) -> web.Response:
    return _json(await request.app[FACTS].overview())


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text[:18]) <= most:
        raise SettingsError(name, f"must be a number from 1 to {most} (found {text[:40]!r})")
    return int(text)


async def _events(request: web.Request) -> web.Response:
    query = request.query
    before = _number(request, "before", 0, 1 << 62)
    records = await request.app[FACTS].ledger.events(
        namespace=query.get("namespace") or None,
        source=query.get("source") or None,
        subject=query.get("event") or None,
        before=before or None,
        limit=_number(request, "limit", 50, _LARGEST_PAGE),
    )
    return _json({"items": [describe_event(record) for record in records]})


async def _event(request: web.Request) -> web.Response:
    return _json(describe_event(await request.app[FACTS].ledger.event(request.match_info["id"]), data=True))


async def _cloudevent(request: web.Request) -> web.Response:
    """All of an event, its data byte for byte."""
    record = await request.app[FACTS].ledger.event(request.match_info["id"])
    return web.Response(body=to_document(record.event), content_type="application/cloudevents+json")


async def _explain(request: web.Request) -> web.Response:
    facts = request.app[FACTS]
    holding = facts.sight.matcher.held_events if facts.sight else None
    return _json(await explain(facts.ledger, request.match_info["id"], facts.scripts, facts.waits, holding))


async def _explain_sensor(request: web.Request) -> web.Response:
    sight = request.app[FACTS].sight
    if sight is None:
        raise web.HTTPNotFound(reason="nothing runs here that could be explained")
    namespace, last = request.query.get("namespace", ""), _number(request, "last", 10, _MOST_EXPLAINED)
    return _json(await explain_sensor(sight, request.match_info["name"], namespace, last))


async def _replay_event(request: web.Request) -> web.Response:
    ledger = request.app[FACTS].ledger
    record = await ledger.event(request.match_info["id"])
    triggers = [_trigger(text, record.event.namespace) for text in request.query.getall("trigger", [])]
    number = await ledger.replay_event(record.event.id, triggers, _ACTOR)
    return _json({"replay": number, "event": record.event.id}, 202)


def _trigger(text: str, namespace: str) -> TriggerKey:
    sensor, separator, trigger = text.partition("/")
    if not separator or not sensor or not trigger:
        raise SettingsError("trigger", f"must be SENSOR/TRIGGER (found {text[:80]!r})")
    return TriggerKey(namespace, sensor, trigger)


async def _firings(request: web.Request) -> web.Response:
    query = request.query
    try:
        states = [FiringState(state) for state in query.getall("state", [])]
    except ValueError as error:
        raise SettingsError("state", f"must be one of {', '.join(FiringState)}") from error
    facts = request.app[FACTS]
    records = await facts.ledger.firings(
        namespace=query.get("namespace") or None,
        sensor=query.get("sensor") or None,
        trigger=query.get("trigger") or None,
        event_id=query.get("event") or None,
        states=states,
        limit=_number(request, "limit", 50, _LARGEST_PAGE),
    )
    return _json({"items": [describe_firing(record, facts.waits) for record in records]})


async def _firing(request: web.Request) -> web.Response:
    facts = request.app[FACTS]
    return _json(describe_firing(await facts.ledger.firing(request.match_info["id"]), facts.waits))


async def _replay_firing(request: web.Request) -> web.Response:
    firing = await request.app[FACTS].ledger.replay_firing(request.match_info["id"], _ACTOR)
    return _json({"firing": firing.id, "replay": firing.replay}, 202)
