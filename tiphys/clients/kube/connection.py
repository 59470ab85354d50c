"""`Kube` over one HTTP session: the verbs, and `connect`, which opens it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from tiphys.clients.kube.access import Identity
from tiphys.clients.kube.api import Kube, KubeObject, Listing, OnWatchTrouble, Resource, WatchEvent
from tiphys.clients.kube.discovery import Discovery
from tiphys.clients.kube.profile import Profile, from_kubeconfig, from_pod, kubeconfig_paths
from tiphys.clients.kube.settings import KubeSettings
from tiphys.clients.kube.transport import NotFound, Request, Transport, open_session
from tiphys.clients.kube.troubles import OnTrouble, Troubles
from tiphys.clients.kube.watching import Selection, Watch, collection_path, pages
from tiphys.errors import Refused

__all__ = ["Connection", "connect"]

_APPLY: Final = "application/apply-patch+yaml"
_MANAGER: Final = "tiphys"


@asynccontextmanager
async def connect(
    kubeconfig: str | Path | None = None,
    *,
    context: str | None = None,
    settings: KubeSettings | None = None,
    on_trouble: OnTrouble | None = None,
) -> AsyncIterator[Kube]:
    """Open a connection to an API server; closed at the end of the block.

    `kubeconfig` `None`: the files of `KUBECONFIG`, else `~/.kube/config`, else the pod's service account. `context` `None`: the
    current one. The server is not asked for anything yet, so that it may be away. `on_trouble` hears of a server that does not
    answer and of watches that do not work, and of their recovery. Raises `SettingsError`.
    """
    chosen = settings or KubeSettings()

    def load() -> Profile:
        paths = kubeconfig_paths(kubeconfig, os.environ)
        return from_pod(os.environ) if paths is None else from_kubeconfig(paths, context)

    identity = Identity(load, await asyncio.to_thread(load), chosen)
    agent = f"tiphys/{await asyncio.to_thread(version_of, 'tiphys')}"
    connection = Connection(open_session(chosen, agent), identity, chosen, on_trouble)
    try:
        yield connection
    finally:
        await connection.aclose()


class Connection(Kube):
    """A Kubernetes API server, reached through one pooled session."""

    def __init__(
        self, session: aiohttp.ClientSession, identity: Identity, settings: KubeSettings, on_trouble: OnTrouble | None = None
    ) -> None:
        self._session = session
        self._identity = identity
        self._settings = settings
        self._troubles = Troubles(on_trouble)
        self._transport = Transport(session, identity, settings, self._troubles)
        self._discovery = Discovery(lambda path: self._transport.read(Request("GET", path)), identity.server, settings.rediscover)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._identity.server

    @property
    def namespace(self) -> str:
        """The namespace of the context or of the pod; used for namespaced objects where none is named."""
        return self._identity.namespace

    async def resource(self, api_version: str, kind: str) -> Resource:
        """`Kube.resource`."""
        return await self._discovery.resource(api_version, kind)

    async def create(self, obj: KubeObject, *, namespace: str | None = None, impersonate: str | None = None) -> KubeObject:
        """`Kube.create`."""
        api_version, kind, metadata = self._header(obj)
        body = self._dump(obj)
        resource = await self.resource(api_version, kind)
        path = collection_path(resource, metadata.get("namespace") or namespace or self.namespace)
        return await self._write(resource, Request("POST", path, {"fieldManager": _MANAGER}, body, _acting_as(impersonate)))

    async def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, impersonate: str | None = None
    ) -> KubeObject | None:
        """`Kube.get`."""
        resource = await self.resource(api_version, kind)
        request = Request("GET", self._path(resource, name, namespace), headers=_acting_as(impersonate))
        try:
            found: KubeObject = await self._transport.read(request)
        except NotFound as error:
            self._check_absence(resource, error)
            return None
        return found

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """`Kube.list`."""
        resource = await self.resource(api_version, kind)
        selection = Selection(api_version, kind, namespace, label_selector, field_selector)
        try:
            return await self._list(resource, selection, self._settings.page)
        except NotFound:
            self._discovery.forget(resource)
            raise
        except Refused as error:
            if error.status != 410:
                raise
            return await self._list(resource, selection, 0)  # it changed too much between two pages: once more, in one piece

    async def _list(self, resource: Resource, selection: Selection, page: int) -> Listing:
        items: list[KubeObject] = []
        version = ""
        async with aclosing(pages(self._transport, resource, selection, page)) as listing:
            async for found, place in listing:
                items += found
                version = place
        return Listing(items, version)

    async def replace(self, obj: KubeObject, *, impersonate: str | None = None) -> KubeObject:
        """`Kube.replace`."""
        api_version, kind, metadata = self._header(obj)
        body = self._dump(obj)
        resource = await self.resource(api_version, kind)
        path = self._path(resource, str(metadata.get("name") or ""), metadata.get("namespace"))
        return await self._write(resource, Request("PUT", path, {"fieldManager": _MANAGER}, body, _acting_as(impersonate)))

    async def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        patch_type: str = "application/merge-patch+json",
        subresource: str = "",
        manager: str = "",
        impersonate: str | None = None,
    ) -> KubeObject:
        """`Kube.patch`."""
        resource = await self.resource(api_version, kind)
        path = self._path(resource, name, namespace) + (f"/{quote(subresource, safe='')}" if subresource else "")
        query = {"fieldManager": manager or _MANAGER, **({"force": "true"} if patch_type == _APPLY else {})}
        headers = {"Content-Type": patch_type, **_acting_as(impersonate)}
        return await self._write(resource, Request("PATCH", path, query, self._dump(body), headers))

    async def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        impersonate: str | None = None,
    ) -> bool:
        """`Kube.delete`."""
        resource = await self.resource(api_version, kind)
        # As kubectl does: without it some built-in kinds leave their dependents behind.
        query = {"propagationPolicy": "Background"}
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        body = self._dump(options) if uid else None
        try:
            await self._transport.write(
                Request("DELETE", self._path(resource, name, namespace), query, body, _acting_as(impersonate))
            )
        except NotFound as error:
            self._check_absence(resource, error)
            return False
        return True

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        on_trouble: OnWatchTrouble | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """`Kube.watch`."""
        selection = Selection(api_version, kind, namespace, label_selector, field_selector)
        return Watch(self._transport, self._discovery, self._settings, self._troubles, selection, on_trouble).events()

    async def version(self) -> Mapping[str, Any]:
        """`Kube.version`."""
        found: Mapping[str, Any] = await self._transport.read(Request("GET", "/version"))
        return found

    async def aclose(self) -> None:
        """`Kube.aclose`."""
        await self._session.close()

    async def _write(self, resource: Resource, request: Request) -> KubeObject:
        try:
            made: KubeObject = await self._transport.write(request)
        except NotFound as error:
            if not error.object_absent:
                self._discovery.forget(resource)
            raise
        return made

    def _check_absence(self, resource: Resource, error: NotFound) -> None:
        """A 404 of the object is an answer; one of the whole resource, or of something on the way, is a refusal."""
        if not error.object_absent:
            self._discovery.forget(resource)
            raise error

    def _path(self, resource: Resource, name: str, namespace: str | None) -> str:
        if not name or name in (".", ".."):
            raise Refused(self.server, 422, "Invalid", f"{resource.kind}: an object's name is needed, not {name!r}")
        return f"{collection_path(resource, namespace or self.namespace)}/{quote(name, safe='')}"

    def _header(self, obj: KubeObject) -> tuple[str, str, Mapping[str, Any]]:
        api_version, kind, metadata = obj.get("apiVersion"), obj.get("kind"), obj.get("metadata")
        if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
            raise Refused(self.server, 422, "Invalid", "the object has no apiVersion or no kind")
        return api_version, kind, metadata if isinstance(metadata, dict) else {}

    def _dump(self, body: Any) -> bytes:
        try:
            return orjson.dumps(body)
        except (TypeError, ValueError) as error:
            raise Refused(self.server, 422, "Invalid", f"the object cannot be written as JSON: {error}") from error


def _acting_as(impersonate: str | None) -> dict[str, str]:
    """Headers by which the server acts as a service account; it adds the account's groups itself."""
    if not impersonate:
        return {}
    if not impersonate.isascii() or not impersonate.isprintable():
        raise Refused(impersonate, 422, "Invalid", "this is no name of a service account")
    return {"Impersonate-User": impersonate}
