"""A thin client for tests: paths and dicts, against the emulator or against a real API server (`KUBECONFIG_TEST`)."""

from __future__ import annotations

import asyncio
import io
import json
import os
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import pytest

__all__ = ["Answer", "Api", "Stream", "open_emulator", "open_real", "widget_definition"]

MERGE = "application/merge-patch+json"


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any


class Stream:
    """A watch: `next()` gives its next event as (type, object) within a time limit, or `None` when it ended."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, *, within: float = 30.0, bookmarks: bool = False) -> tuple[str, dict[str, Any]] | None:
        async with asyncio.timeout(within):
            while True:
                line = await self.response.content.readuntil(b"\n")
                if not line:
                    return None
                event = json.loads(line)
                if bookmarks or event["type"] != "BOOKMARK":
                    return event["type"], event["object"]

    async def names(self, count: int) -> list[tuple[str, str]]:
        found = []
        for _ in range(count):
            event = await self.next()
            assert event is not None
            found.append((event[0], event[1]["metadata"]["name"]))
        return found


class Api:
    """`widgets` is the path of a custom kind with a status subresource, `plain` of one without, both in the test's own namespace."""

    group = f"g{secrets.token_hex(3)}.tiphys.dev"

    def __init__(self, session: aiohttp.ClientSession, url: str, namespace: str, *, real: bool) -> None:
        self.session, self.url, self.namespace, self.real = session, url, namespace, real

    @property
    def widgets(self) -> str:
        return f"/apis/{self.group}/v1/namespaces/{self.namespace}/widgets"

    @property
    def all_widgets(self) -> str:
        return f"/apis/{self.group}/v1/widgets"

    @property
    def plain(self) -> str:
        return f"/apis/{self.group}/v1/namespaces/{self.namespace}/plains"

    @property
    def configmaps(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    def widget(self, name: str = "", *, kind: str = "Widget", **spec: Any) -> dict[str, Any]:
        metadata = {"name": name} if name else {}
        return {"apiVersion": f"{self.group}/v1", "kind": kind, "metadata": metadata, "spec": spec}

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {"Content-Type": content, **(headers or {})}
        params = {name: str(value) for name, value in query.items()}
        async with self.session.request(method, self.url + path, data=data, params=params, headers=sent) as response:
            raw = await response.read()
            parsed = json.loads(raw) if "json" in response.headers.get("Content-Type", "") else raw
            return Answer(response.status, parsed, response.headers)

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Any, **query: Any) -> Answer:
        return await self.call("POST", path, body, **query)

    async def put(self, path: str, body: Any, **query: Any) -> Answer:
        return await self.call("PUT", path, body, **query)

    async def patch(self, path: str, body: Any, content: str = MERGE, **query: Any) -> Answer:
        return await self.call("PATCH", path, body, content=content, **query)

    async def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return await self.call("DELETE", path, body, **query)

    async def made(self, path: str, body: Any) -> dict[str, Any]:
        """Create, and expect that it works."""
        answer = await self.post(path, body)
        assert answer.status == 201, answer
        return dict(answer.body)

    @asynccontextmanager
    async def watch(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> AsyncIterator[Stream]:
        params = {"watch": "true", **{name: str(value) for name, value in query.items()}}
        async with self.session.get(self.url + path, params=params, headers=headers) as response:
            assert response.status == 200, await response.text()
            yield Stream(response)


def widget_definition(group: str, plural: str, kind: str, *, status: bool) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: dict[str, Any] = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@asynccontextmanager
async def _prepared(session: aiohttp.ClientSession, url: str, *, real: bool) -> AsyncIterator[Api]:
    namespace = f"t-{secrets.token_hex(4)}"
    api = Api(session, url, namespace, real=real)
    await api.made("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for plural, kind, status in (("widgets", "Widget", True), ("plains", "Plain", False)):
        answer = await api.post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", widget_definition(api.group, plural, kind, status=status)
        )
        assert answer.status in {201, 409}, answer
    async with asyncio.timeout(30):
        while (await api.get(api.plain)).status != 200 or (await api.get(api.widgets)).status != 200:
            await asyncio.sleep(0.1)
    yield api
    await api.delete(f"/api/v1/namespaces/{namespace}")


@asynccontextmanager
async def open_emulator(url: str, token: str) -> AsyncIterator[Api]:
    """An `Api` to an emulator, with a fresh namespace."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        _prepared(session, url, real=False) as api,
    ):
        yield api


@asynccontextmanager
async def open_real() -> AsyncIterator[Api]:
    """An `Api` to the cluster of `KUBECONFIG_TEST`; skips where that is not set. Definitions of the test's own group stay there."""
    path = os.environ.get("KUBECONFIG_TEST")
    if not path:
        pytest.skip("KUBECONFIG_TEST names no kubeconfig of a real API server")
    from kubernetes_asyncio import client, config

    settings = client.Configuration()
    await config.load_kube_config(path, client_configuration=settings)
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, keyfile=settings.key_file)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    token = await settings.get_api_key_with_prefix("BearerToken")
    headers = {"Authorization": token} if token else {}
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        _prepared(session, settings.host, real=True) as api,
    ):
        yield api
