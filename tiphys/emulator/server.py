"""The embedded Kubernetes API over HTTP.

One handler takes every request: it checks the token, maps the path to a resource and the method to a verb. It speaks plain HTTP on the
loopback address: TLS would need a certificate authority on each laptop and would protect nothing there. kubectl sends no bearer token
over plain HTTP, but it sends the user and password of the server's URL; so the token is taken as a bearer token or as the password of
any user. Who may do what is `tiphys.emulator.authorization`'s, where it is switched on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from tiphys.emulator import discovery, protobuf
from tiphys.emulator.authorization import MASTER, Authorizer, Question, User, Users
from tiphys.emulator.definitions import DEFINITIONS, NAMESPACE_KIND, Registry
from tiphys.emulator.kinds import Kind
from tiphys.emulator.patches import compile_patch
from tiphys.emulator.reads import Reads, is_true
from tiphys.emulator.selectors import compile_selectors
from tiphys.emulator.statuses import ApiError, bad_request, method_not_allowed, unknown_path
from tiphys.emulator.store import DELETED, Change, Store, pages
from tiphys.emulator.verbs import DeleteOptions, Target, Verbs, delete_options
from tiphys.emulator.watches import Hub

__all__ = ["HISTORY", "Emulator"]

_LOG: Final = logging.getLogger(__name__)  # not structlog: this process starts fast and logs faults only

HISTORY: Final = 10_000
_BODY: Final = 3 * 1024 * 1024
_PUBLIC: Final = frozenset({"/healthz", "/livez", "/readyz", "/version"})  # as system:public-info-viewer may see


class Emulator:
    """The server's parts. `application` gives the aiohttp application; its clean-up closes the store.

    `token` is what requests must carry; `users` are others with tokens of their own, and switch RBAC on. `history` is how many revisions
    stay readable behind the newest; `bookmarks` is the time between two bookmarks of a watch, in seconds.
    """

    def __init__(
        self, folder: Path, token: str, *, history: int = HISTORY, bookmarks: float = 60.0, users: Users | None = None
    ) -> None:
        self._folder, self._token, self._history = folder, token.encode(), history
        self._users = users
        self._authorizer = Authorizer(self._all)
        self._registry = Registry()
        self._hub = Hub(bookmarks=bookmarks)
        self._store: Store
        self._verbs: Verbs
        self._reads: Reads

    def application(self) -> web.Application:
        """The application; the store is opened when it starts."""
        application = web.Application(client_max_size=_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.cleanup_ctx.append(self._lifetime)
        application.on_shutdown.append(self._end_watches)
        return application

    async def _lifetime(self, _application: web.Application) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        self._store = await asyncio.to_thread(Store, self._folder, loop=loop, history=self._history, on_changes=self._changed)
        self._verbs = Verbs(self._store, self._registry)
        self._reads = Reads(self._store, self._hub)
        await self._verbs.seed()
        for page in pages(self._store, DEFINITIONS.storage, None, at=self._store.revision):
            for _, _, value in page:
                self._registry.define(orjson.loads(value))
        yield
        await asyncio.to_thread(self._store.close)

    async def _end_watches(self, _application: web.Application) -> None:
        self._hub.close()

    def _changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.key.storage == DEFINITIONS.storage:
                crd = orjson.loads(change.value)
                if change.type == DELETED:
                    self._registry.undefine(crd)
                else:
                    self._registry.define(crd)
        self._hub.publish(changes)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request, self._authenticate(request))
        except ApiError as error:
            headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
            return _json(error.status(), status=error.code, headers=headers)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {_BODY}"
            return _json(ApiError("RequestEntityTooLarge", text).status(), status=413)
        except (ConnectionError, web.HTTPException):
            raise  # the client went away, or aiohttp has an answer of its own
        except Exception as error:  # noqa: BLE001  the client gets a Status, the fault is logged
            _LOG.exception("the request failed by a fault of the embedded API", extra={"action": "emulator.fault"})
            fault = ApiError("InternalError", f"Internal error occurred: {type(error).__name__}: {error}")
            return _json(fault.status(), status=fault.code)

    def _authenticate(self, request: web.Request) -> User:
        """Who asks, or who is impersonated. Raises `ApiError` 401 for a request without a token that is known."""
        if request.path in _PUBLIC:
            return User("system:anonymous")
        token = _token_in(request.headers.get("Authorization", ""))
        if self._users is None:
            if not hmac.compare_digest(token, self._token):
                raise ApiError("Unauthorized", "Unauthorized")
            return MASTER
        user = self._users.of(token)
        if user is None:
            raise ApiError("Unauthorized", "Unauthorized")
        return self._authorizer.acting(user, request.headers, request.headers.getall("Impersonate-Group", []))

    def _all(self, storage: str, namespace: str | None) -> Iterator[Mapping[str, Any]]:
        """Every object of a storage."""
        for page in pages(self._store, storage, namespace, at=self._store.revision):
            for _, _, value in page:
                yield orjson.loads(value)

    async def _answer(self, request: web.Request, user: User) -> web.StreamResponse:
        match request.path.strip("/").split("/"):
            case ["api", "v1", _, *_] | ["apis", _, _, _, *_]:
                return await self._resource(request, user)
            case ["healthz" | "livez" | "readyz", *_]:
                return web.Response(text="ok")
            case ["openapi", "v2"]:
                return self._openapi_v2(request)
            case parts:
                if request.method not in {"GET", "HEAD"}:
                    raise method_not_allowed()
                return self._described(request, parts)

    def _described(self, request: web.Request, parts: list[str]) -> web.Response:
        accept = request.headers.get("Accept", "")
        registry = self._registry
        match parts:
            case ["version"]:
                return _json(discovery.VERSION)
            case ["api" | "apis"] if discovery.wants_aggregated(accept):
                names = [""] if parts == ["api"] else registry.groups()
                kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                return _json(discovery.aggregated(registry, names), headers={"Content-Type": kind})
            case ["api"]:
                return _json(discovery.api_versions(request.host))
            case ["apis"]:
                return _json(discovery.groups(registry))
            case ["api", "v1"]:
                return _json(discovery.resources(registry, "", "v1"))
            case ["apis", group]:
                return _json(discovery.group(registry, group))
            case ["apis", group, version]:
                return _json(discovery.resources(registry, group, version))
            case ["openapi", "v3"]:
                return _json(discovery.openapi_v3_paths(registry))
            case ["openapi", "v3", "api", version]:
                return _json(discovery.openapi_v3(registry, "", version))
            case ["openapi", "v3", "apis", group, version]:
                return _json(discovery.openapi_v3(registry, group, version))
            case _:
                raise unknown_path()

    def _openapi_v2(self, request: web.Request) -> web.Response:
        if "protobuf" in request.headers.get("Accept", ""):
            kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
            return web.Response(body=discovery.OPENAPI_V2_PROTOBUF, headers={"Content-Type": kind})
        return _json({"swagger": "2.0", "info": {"title": "Tiphys", "version": "v1"}, "paths": {}, "definitions": {}})

    async def _resource(self, request: web.Request, user: User) -> web.StreamResponse:
        target = self._target(request.path)
        query = request.query
        if target.kind.review:
            return await self._review(request, target, user)
        if self._users is not None:
            self._authorizer.check(user, _question(request, target))
        accept = request.headers.get("Accept", "")
        method = request.method
        if method in {"GET", "HEAD"}:
            if target.name:
                return _raw(self._reads.get(target, query, accept))
            if is_true(query.get("watch")):
                return await self._watch(request, target, query, accept)
            return _raw(await self._reads.listing(target, query, accept))
        _check_writable(target, method)
        body = await request.read()
        dry_run = _dry_run(query)
        if method == "DELETE" and not target.subresource:
            options = delete_options(body, dry_run=dry_run)
            if target.name:
                return _raw(await self._verbs.delete(target, options))
            return _raw(await self._verbs.delete_all(target, _selected(target.kind, options, query)))
        if method == "PATCH" and target.name:
            patch = compile_patch(target.kind, request.content_type, body)
            return _raw(await self._verbs.patch(target, patch, dry_run=dry_run))
        if request.content_type == protobuf.CONTENT_TYPE:
            body = protobuf.to_json(target.kind, body)
        elif request.content_type not in {"application/json", "application/octet-stream"}:
            raise ApiError(
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json",
            )
        if method == "POST" and not target.name:
            return _raw(await self._verbs.create(target, body, dry_run=dry_run), status=201)
        if method == "PUT" and target.name:
            return _raw(await self._verbs.replace(target, body, dry_run=dry_run))
        raise method_not_allowed()

    async def _review(self, request: web.Request, target: Target, user: User) -> web.Response:
        """A SelfSubjectAccessReview: may the one who asks do this?"""
        if request.method != "POST" or target.name:
            raise method_not_allowed()
        try:
            review = orjson.loads(await request.read())
            asked = review["spec"]["resourceAttributes"]
            parts = ("verb", "group", "resource", "namespace", "name", "subresource")
            question = Question(**{part: str(asked.get(part) or "") for part in parts})
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise bad_request("spec.resourceAttributes says what is asked") from error
        allowed = self._users is None or self._authorizer.allows(user, question)
        return _json({**review, "status": {"allowed": allowed}}, status=201)

    def _target(self, path: str) -> Target:
        """What a path names. Raises `ApiError` 404."""
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and not (not group and len(rest) == 3 and rest[2] in {"status", "finalize"}):
            namespace, rest = rest[1], rest[2:]
        kind = self._registry.find(group, version, rest[0])
        if (
            kind is None
            or len(rest) > 3
            or (namespace and not kind.namespaced)
            or (kind.namespaced and len(rest) > 1 and not namespace)
        ):
            raise unknown_path()
        subresource = rest[2] if len(rest) == 3 else ""
        if subresource and not (subresource == "status" and kind.status):
            raise unknown_path()
        return Target(kind, namespace, rest[1] if len(rest) > 1 else "", subresource)

    async def _watch(self, request: web.Request, target: Target, query: Mapping[str, str], accept: str) -> web.StreamResponse:
        watch = self._reads.watch(target, query, accept)
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
        await response.prepare(request)
        try:
            async with aclosing(watch.chunks()) as chunks:
                async for chunk in chunks:
                    await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            raise
        except Exception as error:
            _LOG.exception("a watch failed by a fault of the embedded API", extra={"action": "emulator.fault"})
            raise ConnectionAbortedError("the watch is cut, its client starts another") from error
        return response


def _question(request: web.Request, target: Target) -> Question:
    """The request as RBAC sees it."""
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete" if target.name else "deletecollection"}
    reading = "get" if target.name else "watch" if is_true(request.query.get("watch")) else "list"
    verb = verbs.get(request.method, reading)
    kind = target.kind
    name = target.name or _selected_name(request.query.get("fieldSelector", ""))
    return Question(verb, kind.group, kind.plural, target.namespace, name, target.subresource)


def _selected_name(selector: str) -> str:
    """The name that a list or watch of one object asks for: `resourceNames` hold for it."""
    name = selector.removeprefix("metadata.name=")
    return name if name != selector and "," not in name else ""


def _token_in(header: str) -> bytes:
    """The token in an Authorization header, bearer or basic; empty (which no token is) where there is none."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip().encode()
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _selected(kind: Kind, options: DeleteOptions, query: Mapping[str, str]) -> DeleteOptions:
    matches = compile_selectors(kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
    return DeleteOptions(options.uid, options.resource_version, options.dry_run, matches)


def _check_writable(target: Target, method: str) -> None:
    """Refuse what no path of the real server takes: writes over all namespaces, of a whole collection, all namespaces at once.
    Raises `ApiError` 400, 404 or 405."""
    kind = target.kind
    if kind.namespaced and not target.namespace:
        raise unknown_path() if kind.custom else method_not_allowed()
    if not target.name and (method in {"PUT", "PATCH"} or (method == "DELETE" and kind is NAMESPACE_KIND)):
        raise bad_request("name must be provided") if kind.custom else method_not_allowed()


def _dry_run(query: Mapping[str, str]) -> bool:
    asked = query.get("dryRun", "")
    if asked not in {"", "All"}:
        text = f'Invalid value: "{asked}": supported values: "All"'
        raise ApiError(
            "Invalid",
            f"dryRun: {text}",
            details={"causes": [{"reason": "FieldValueNotSupported", "message": text, "field": "dryRun"}]},
        )
    return bool(asked)


def _json(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers={"Content-Type": "application/json", **(headers or {})})


def _raw(body: bytes, *, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})
