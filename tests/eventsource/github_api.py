"""GitHub's API of webhooks, as far as hooks are made, found, corrected and deleted, as its documentation has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class GithubApi:
    """`places` are those whose hooks the token `good` may administer, with the hooks by number. `secrets` are those last written. `down`
    makes it answer 502, `limited` 403 with Retry-After."""

    url: str = ""
    places: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: bool = False
    limited: int = 0
    last: int = 100

    async def answer(self, request: web.Request) -> web.Response:
        place, _, number = request.match_info["path"].partition("/hooks")
        self.calls.append(f"{request.method} {request.match_info['path']}")
        if self.down:
            return web.Response(status=502, text="<html>")
        if self.limited:
            self.limited -= 1
            return web.json_response(
                {"message": "You have exceeded a secondary rate limit"}, status=403, headers={"Retry-After": "0"}
            )
        if request.headers.get("Authorization") != "Bearer good":
            return web.json_response({"message": "Bad credentials"}, status=401)
        if place not in self.places:
            return web.json_response({"message": "Not Found"}, status=404)
        hooks = self.places[place]
        if number:
            return await self._one(request, hooks, int(number[1:]))
        if request.method == "GET":
            size, page = int(request.query["per_page"]), int(request.query["page"])
            return web.json_response(list(hooks.values())[size * (page - 1) : size * page])
        asked = await request.json()
        if any(hook["config"]["url"] == asked["config"]["url"] for hook in hooks.values()):
            return web.json_response(
                {"message": "Validation Failed", "errors": [{"message": "Hook already exists on this repository"}]}, status=422
            )
        self.last += 1
        hooks[self.last] = self._kept(self.last, asked)
        return web.json_response(hooks[self.last], status=201)

    async def _one(self, request: web.Request, hooks: dict[int, dict[str, Any]], number: int) -> web.Response:
        if number not in hooks:
            return web.json_response({"message": "Not Found"}, status=404)
        if request.method == "DELETE":
            del hooks[number]
            return web.Response(status=204)
        hooks[number] = self._kept(number, await request.json())
        return web.json_response(hooks[number])

    def _kept(self, number: int, asked: dict[str, Any]) -> dict[str, Any]:
        config = dict(asked["config"])
        if "secret" in config:
            self.secrets[number] = config["secret"]
            config["secret"] = "********"
        return {
            "type": "Repository",
            "id": number,
            "name": "web",
            "active": asked["active"],
            "events": asked["events"],
            "config": config,
        }


@asynccontextmanager
async def github_api(*places: str) -> AsyncIterator[GithubApi]:
    """Serve on 127.0.0.1."""
    api = GithubApi(places={place: {} for place in places})
    application = web.Application()
    application.router.add_route("*", "/api/v3/{path:.*}", api.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3/"
        yield api
    finally:
        await runner.cleanup()
