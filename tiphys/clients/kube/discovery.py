"""Which resource serves a kind: the server's own answer, kept.

A kind's place does not change while it is served, so an answer is kept until something shows that it is wrong (`forget`). A kind
that the kept answer does not have asks the server again, since CRDs come later than clients; a loop over an unknown kind asks every
`rediscover` seconds, not each time. (Kubernetes API concepts, "Discovery API": the unaggregated `APIResourceList`.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tiphys.clients.kube.api import Resource
from tiphys.clients.kube.transport import NotFound
from tiphys.errors import OutcomeUnknown, Refused

__all__ = ["Discovery", "root_of"]


def root_of(api_version: str) -> str:
    """The path below which a group and version is served: `/api/v1`, `/apis/argoproj.io/v1alpha1`."""
    escaped = "/".join(quote(part, safe="") for part in api_version.split("/"))
    return f"/apis/{escaped}" if "/" in api_version else f"/api/{escaped}"


@dataclass(slots=True)
class _Group:
    """What is known about a group and version. `asked` is in the loop's time."""

    kinds: Mapping[str, Resource] = field(default_factory=dict)
    asked: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Discovery:
    """`read` is a GET of a path that gives decoded JSON or raises what `Transport` raises."""

    def __init__(self, read: Callable[[str], Awaitable[Any]], server: str, rediscover: float) -> None:
        self._read = read
        self._server = server
        self._rediscover = rediscover
        self._groups: dict[str, _Group] = {}

    async def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind. Raises `Refused` 404 for a kind that is not served."""
        group = self._groups.setdefault(api_version, _Group())
        if found := group.kinds.get(kind):
            return found
        async with group.lock:
            now = asyncio.get_running_loop().time()
            if kind not in group.kinds and now >= group.asked + self._rediscover:
                group.kinds = await self._ask(api_version)
                group.asked = now
            found = group.kinds.get(kind)
        if found is None:
            problem = f"the server does not serve the kind {kind} of {api_version}; is its CustomResourceDefinition installed?"
            raise Refused(self._server, 404, "NotFound", problem)
        return found

    def forget(self, resource: Resource) -> None:
        """The server no longer knows the resource: ask again at the next use."""
        self._groups.pop(resource.api_version, None)

    async def _ask(self, api_version: str) -> dict[str, Resource]:
        path = root_of(api_version)
        try:
            answer = await self._read(path)
        except NotFound:
            return {}
        entries = answer.get("resources") if isinstance(answer, dict) else None
        if not isinstance(entries, list):
            raise OutcomeUnknown(f"GET {self._server}{path}", "the answer is no APIResourceList")
        found: dict[str, Resource] = {}
        for entry in entries:
            if "/" not in entry["name"]:  # subresources: `pods/log`
                found.setdefault(entry["kind"], Resource(api_version, entry["name"], entry["kind"], entry["namespaced"]))
        return found
