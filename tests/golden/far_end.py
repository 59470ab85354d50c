"""The far end of a trigger's sockets: a small Kubernetes API that takes every kind and every patch and keeps a record of calls, and an HTTP
proxy that keeps a record of requests (so that a case may name any host)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

_PLURALS: Final = {"Endpoints": "endpoints", "EndpointSlice": "endpointslices"}
_CLUSTER_SCOPED: Final = frozenset((
    "Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "IngressClass", "StorageClass", "PriorityClass",
    "CustomResourceDefinition", "ClusterWorkflowTemplate",
))  # fmt: skip
_KINDS: Final = {
    "v1": "ConfigMap Secret Namespace Node PersistentVolume PersistentVolumeClaim Endpoints Pod Service",
    "apps/v1": "Deployment StatefulSet DaemonSet ReplicaSet",
    "batch/v1": "Job CronJob",
    "argoproj.io/v1alpha1": "Workflow WorkflowTemplate ClusterWorkflowTemplate CronWorkflow Sensor EventSource EventBus",
}
_TEMPLATES: Final = {
    "workflowtemplates": "WorkflowTemplate",
    "clusterworkflowtemplates": "ClusterWorkflowTemplate",
    "cronworkflows": "CronWorkflow",
}
_OWN_HEADERS: Final = frozenset(("host", "content-length", "transfer-encoding", "user-agent", "connection", "proxy-connection"))


def plural(kind: str) -> str:
    """What a kind's resource is called: as in Kubernetes for its own kinds, else as its code generator does it."""
    if kind in _PLURALS:
        return _PLURALS[kind]
    last, before = kind[-1:], kind[-2:-1]
    if last in "sxz" or kind[-2:] in ("sh", "ch"):
        return kind.lower() + "es"
    if last == "y" and before not in "aeiou":
        return kind.lower()[:-1] + "ies"
    if last == "f":
        return kind.lower()[:-1] + "ves"
    if kind[-2:] == "fe":
        return kind.lower()[:-2] + "ves"
    return kind.lower() + "s"


@dataclass
class FarEnd:
    """`served` are kinds beside the usual ones, as (apiVersion, kind), as far as a definition could name them so; `status` is what every
    HTTP request is answered with. With `all_templates` every template that is asked for is there."""

    objects: dict[tuple[str, str, str, str], dict[str, Any]] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)
    status: int = 200
    calls: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    all_templates: bool = False
    _versions: int = 100

    def put(self, obj: Mapping[str, Any], namespace: str) -> None:
        """An object that is there."""
        metadata = obj.get("metadata") or {}
        space = "" if obj["kind"] in _CLUSTER_SCOPED else metadata.get("namespace") or namespace
        self._store((obj["apiVersion"], plural(obj["kind"]), space, metadata.get("name", "")), dict(obj))

    def _store(self, key: tuple[str, str, str, str], obj: dict[str, Any]) -> dict[str, Any]:
        self._versions += 1
        metadata = obj.get("metadata") or {}
        server = {"uid": metadata.get("uid") or f"far-{self._versions}", "resourceVersion": f"{self._versions}"}
        self.objects[key] = obj | {"metadata": {**metadata, **server}}
        return self.objects[key]

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Any request."""
        body = await request.read()
        if request.raw_path.startswith("http"):
            return self._target(request, body)
        parts = [part for part in request.path.split("/") if part]
        version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        if not rest:
            return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": self._resources(version)})
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        return self._call(request, (version, rest[0], namespace, "/".join(rest[1:])), body)

    def _resources(self, version: str) -> list[dict[str, Any]]:
        kinds = set(_KINDS.get(version, "").split())
        kinds |= {kind for served, kind in self.served if served == version and kind.isalnum()}
        return [{"name": plural(kind), "kind": kind, "namespaced": kind not in _CLUSTER_SCOPED} for kind in sorted(kinds)]

    def _call(self, request: web.BaseRequest, key: tuple[str, str, str, str], body: bytes) -> web.Response:
        version, resource, namespace, name = key
        call: dict[str, Any] = {"resource": f"{version}/{resource}", "namespace": namespace}
        found = self.objects.get(key)
        if self.all_templates and request.method == "GET" and resource in _TEMPLATES:
            metadata = {"name": name, "namespace": namespace}
            return web.json_response(found or {"apiVersion": version, "kind": _TEMPLATES[resource], "metadata": metadata})
        if request.method == "GET":
            self.calls.append(call | {"verb": "get", "name": name})
        elif request.method == "POST":
            obj = json.loads(body)
            self.calls.append(call | {"verb": "create", "object": obj})
            key = (version, resource, namespace, obj["metadata"].get("name", ""))
            if key in self.objects:
                return _status(409, "AlreadyExists", key[3])
            return web.json_response(self._store(key, obj), status=201)
        elif request.method == "PUT":
            self.calls.append(call | {"verb": "update", "object": json.loads(body)})
        elif request.method == "PATCH":
            self.calls.append(call | {"verb": "patch", "name": name, "patch": json.loads(body), "patchType": request.content_type})
        else:
            self.calls.append(call | {"verb": "delete", "name": name})
        if found is None:
            return _status(404, "NotFound", name)
        if request.method == "PUT":
            found = self._store(key, json.loads(body))
        elif request.method == "DELETE":
            del self.objects[key]
        return web.json_response(found)

    def _target(self, request: web.BaseRequest, body: bytes) -> web.Response:
        headers: dict[str, list[str]] = {}
        for name, value in request.raw_headers:
            if name.decode().lower() not in _OWN_HEADERS:
                headers.setdefault(name.decode(), []).append(value.decode())
        seen = {"method": request.method, "url": request.raw_path, "host": request.headers["Host"], "headers": headers}
        self.requests.append(seen | {"body": body.decode(), "contentLength": len(body)})
        return web.Response(status=self.status)


def _status(code: int, reason: str, name: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "details": {"name": name}}
    return web.json_response(status | {"message": f"{name}: {reason}"}, status=code)


@asynccontextmanager
async def far_end(objects: Iterable[Mapping[str, Any]], namespace: str, status: int) -> AsyncIterator[FarEnd]:
    """Serve on a free port."""
    end = FarEnd(status=status)
    for obj in objects:
        end.put(obj, namespace)
    runner = web.ServerRunner(web.Server(end.answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        end.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield end
    finally:
        await runner.cleanup()
