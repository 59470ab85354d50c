"""An API server of a few lines at the far end of a socket, told request by request what to answer.

It serves discovery of the kinds below; every other request goes to the handlers that a test gives, in turn (the last one stays).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KINDS: dict[str, list[dict[str, Any]]] = {
    "/api/v1": [
        {"name": "namespaces", "kind": "Namespace", "namespaced": False},
        {"name": "secrets", "kind": "Secret", "namespaced": True},
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        {"name": "pods/log", "kind": "Pod", "namespaced": True},
    ],
    "/apis/argoproj.io/v1alpha1": [
        {"name": "workflows", "kind": "Workflow", "namespaced": True},
        {"name": "sensors", "kind": "Sensor", "namespaced": True},
        {"name": "sensors/status", "kind": "Sensor", "namespaced": True},
    ],
}


def obj(
    name: str, version: int = 1, *, uid: str = "", namespace: str = "argo", kind: str = "Sensor", **content: Any
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, **content}


def listing(*items: dict[str, Any], version: int = 100, token: str = "") -> dict[str, Any]:
    return {
        "kind": "List",
        "metadata": {"resourceVersion": str(version), **({"continue": token} if token else {})},
        "items": list(items),
    }


def status(code: int, reason: str = "", message: str = "no", name: str = "") -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": message, "details": {"name": name} if name else {}}


def answer(content: Any, code: int = 200, headers: dict[str, str] | None = None) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(content, status=code, headers=headers)

    return handle


def refuse(code: int, reason: str = "", *, name: str = "", headers: dict[str, str] | None = None) -> Handler:
    return answer(status(code, reason, f"refused with {code}", name), code, headers)


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection goes away before an answer."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


def stream(*events: tuple[str, dict[str, Any]] | bytes, then: str = "end") -> Handler:
    """A watch that tells of the events, and then comes to its `end`, is `cut`, or is `silent`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            line = event if isinstance(event, bytes) else json.dumps({"type": event[0], "object": event[1]}).encode() + b"\n"
            await response.write(line)
        if then == "silent":
            await asyncio.Event().wait()
        if then == "cut":
            assert request.transport is not None
            request.transport.abort()
        return response

    return handle


def bookmark(version: int) -> tuple[str, dict[str, Any]]:
    return "BOOKMARK", {"kind": "Sensor", "metadata": {"resourceVersion": str(version)}}


@dataclass
class StandIn:
    """`asked` has (method, path, query, headers, body) of all requests but discovery; `discoveries` counts those."""

    script: list[Handler] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], dict[str, str], bytes]] = field(default_factory=list)
    discoveries: list[str] = field(default_factory=list)
    kinds: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: dict(KINDS))
    url: str = ""

    def then(self, *handlers: Handler) -> None:
        self.script.extend(handlers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in self.kinds or (
            request.path.startswith("/api") and request.path.count("/") in (2, 3) and not self._has_script(request)
        ):
            self.discoveries.append(request.path)
            if request.path not in self.kinds:
                return web.json_response(status(404, "NotFound"), status=404)
            return web.json_response({"kind": "APIResourceList", "resources": self.kinds[request.path]})
        self.asked.append((request.method, request.path, dict(request.query), dict(request.headers), await request.read()))
        handler = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await handler(request)

    def _has_script(self, request: web.Request) -> bool:
        return any(request.path.startswith(f"{root}/") for root in self.kinds)

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.asked]

    @property
    def watches(self) -> list[dict[str, str]]:
        return [query for _, _, query, _, _ in self.asked if "watch" in query]

    def kubeconfig(self, folder: Path, token: str = "tok", **user: Any) -> Path:
        return write_kubeconfig(folder / "kubeconfig", self.url, {"token": token, **user})


def write_kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "argo"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(content))
    return path


@asynccontextmanager
async def stand_in(*handlers: Handler, ssl_context: Any = None) -> AsyncIterator[StandIn]:
    server = StandIn(list(handlers))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    assert site._server is not None
    port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's server has sockets
    server.url = f"http{'s' if ssl_context else ''}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def take(events: Any, count: int, limit: float = 10.0) -> list[tuple[str, str]]:
    """The next events as (type, name)."""
    taken = []
    async with asyncio.timeout(limit):
        for _ in range(count):
            event = await anext(events)
            taken.append((event.type, event.object["metadata"]["name"] if event.object else ""))
    return taken


async def until(condition: Callable[[], bool], limit: float = 10.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.01)


Script = Sequence[Handler]
