"""An API server as a Sensor's triggers see one, in this process: it makes objects, refuses a taken name, and remembers the attempts.

async with Cluster(objects) as cluster, cluster.connect(folder) as kube: ...
cluster.created    every object that somebody tried to create, in order
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from tiphys.clients.kube import Kube, KubeSettings, connect
from tiphys.emulator.kubeconfig import kubeconfig

__all__ = ["Cluster"]

_SERVED: Final[Mapping[str, Mapping[str, str]]] = {
    "/api/v1": {"configmaps": "ConfigMap", "secrets": "Secret", "pods": "Pod"},
    "/apis/apps/v1": {"deployments": "Deployment"},
    "/apis/batch/v1": {"jobs": "Job"},
    "/apis/argoproj.io/v1alpha1": {"workflows": "Workflow", "workflowtemplates": "WorkflowTemplate"},
}
_QUICK: Final = KubeSettings(connect_timeout=5.0, timeout=10.0, attempts=1)


class Cluster:
    """`objects` are there from the start."""

    def __init__(self, objects: Sequence[Mapping[str, Any]] = ()) -> None:
        self.created: list[dict[str, Any]] = []
        self._objects = {self._place(obj): obj for obj in objects}
        self._numbers = itertools.count(1)

    @staticmethod
    def _place(obj: Mapping[str, Any]) -> tuple[str, str, str]:
        metadata = obj["metadata"]
        return str(obj["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])

    async def __aenter__(self) -> Self:
        application = web.Application()
        for root, kinds in _SERVED.items():
            application.router.add_get(root, self._resources)
            for plural in kinds:
                application.router.add_post(f"{root}/namespaces/{{namespace}}/{plural}", self._create)
                application.router.add_get(f"{root}/namespaces/{{namespace}}/{plural}/{{name}}", self._get)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()

    @asynccontextmanager
    async def connect(self, folder: Path) -> AsyncIterator[Kube]:
        """The real client, connected to it by a kubeconfig in `folder`."""
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(self._url, "token"))
        async with connect(config, settings=_QUICK) as kube:
            yield kube

    async def _resources(self, request: web.Request) -> web.Response:
        entries = [{"name": plural, "kind": kind, "namespaced": True} for plural, kind in _SERVED[request.path].items()]
        return web.json_response({"kind": "APIResourceList", "resources": entries})

    async def _create(self, request: web.Request) -> web.Response:
        obj = await request.json()
        self.created.append(obj)
        place = self._place(obj)
        if place in self._objects:
            return _status(409, "AlreadyExists", f"{place[2]} already exists")
        number = next(self._numbers)
        metadata = obj["metadata"] | {"uid": f"uid-{number}", "resourceVersion": str(number)}
        self._objects[place] = obj | {"metadata": metadata}
        return web.json_response(self._objects[place], status=201)

    async def _get(self, request: web.Request) -> web.Response:
        plural, name = request.path.split("/")[-2:]
        kind = next(kinds[plural] for kinds in _SERVED.values() if plural in kinds)
        found = self._objects.get((kind, request.match_info["namespace"], name))
        return web.json_response(found) if found else _status(404, "NotFound", f"{plural} {name} not found")


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}
    return web.json_response(body, status=code)
