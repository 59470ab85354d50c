"""Requests to one API server: time limits, the shared gate, credentials, and what an answer means.

What a caller may conclude is decided here, once:

    no connection was made                                   Unreachable       nothing was done there
    the request left; cut, time limit, 5xx, no JSON          OutcomeUnknown    it may have been done
    3xx, 4xx                                                 Refused           it was not done
    429, or the server asked for a longer pause than the     Refused 429       it was not done; `retry_after` says when
    call may take

A read is tried again after all of them but a refusal other than 429. A write is sent once: aiohttp's own second try of PUT and DELETE
is prevented by a middleware, since the second would be refused for what the first did. A 401 refuses before anything is done, so
one more try with renewed credentials is safe for writes too.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from tiphys.clients.kube.access import Access, Identity
from tiphys.clients.kube.backoff import Gate, pause_after, retry_after
from tiphys.clients.kube.settings import KubeSettings
from tiphys.clients.kube.troubles import Troubles
from tiphys.errors import ClientError, OutcomeUnknown, Refused, Unreachable

__all__ = ["NotFound", "Request", "Transport", "open_session"]

_JSON: Final = "application/json"
_SHOWN: Final = 500


class NotFound(Refused):
    """A 404 that says which: `object_absent` is true where the resource is served and only the object is not there."""

    def __init__(self, target: str, reason: str, problem: str, *, object_absent: bool) -> None:
        super().__init__(target, 404, reason, problem)
        self.object_absent = object_absent


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `path` is escaped and starts with `/`; `body` is JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp sends PUT and DELETE again when a pooled connection turns out to be closed; what it sees here it does not retry."""
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientPayloadError(f"the connection was cut: {error}") from error


def open_session(settings: KubeSettings, agent: str) -> aiohttp.ClientSession:
    """The one pooled session. The pool itself has no limit, so that watches cannot starve calls; `Transport` bounds the calls."""

    # Where the other end vanished without a word, the kernel gives up after this, not after 15 minutes. Not every system has all four.
    limit = max(1, round(settings.unacknowledged))
    options = {"TCP_KEEPIDLE": limit, "TCP_KEEPINTVL": max(1, limit // 3), "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": limit * 1000}

    def make_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol = info[:3]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if (option := getattr(socket, name, None)) is not None:
                made.setsockopt(socket.IPPROTO_TCP, option, value)
        return made

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30, socket_factory=make_socket)
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": agent, "Accept": _JSON},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_send_once,),
        auto_decompress=True,
    )


class Transport:
    """Sends requests to one API server."""

    def __init__(self, session: aiohttp.ClientSession, identity: Identity, settings: KubeSettings, troubles: Troubles) -> None:
        self._session = session
        self._identity = identity
        self._settings = settings
        self._troubles = troubles
        self._gate = Gate(settings)
        self._places = asyncio.Semaphore(settings.connections)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._identity.server

    async def read(self, request: Request, *, attempts: int | None = None) -> Any:
        """Send a GET until it is answered, within the time limit of a call and `attempts` tries; the decoded JSON."""
        settings = self._settings
        deadline = asyncio.get_running_loop().time() + settings.timeout
        attempts = attempts or settings.attempts
        failures = 0
        while True:
            try:
                return await self._call(request, deadline)
            except ClientError as error:
                failures += 1
                pause = pause_after(failures, settings.retry_first, settings.retry_most)
                final = isinstance(error, Refused) and error.status != 429
                if final or failures >= attempts or asyncio.get_running_loop().time() + pause >= deadline:
                    raise
                if isinstance(error, Refused) and (error.retry_after or 0.0) > deadline - asyncio.get_running_loop().time():
                    raise
            await asyncio.sleep(pause)

    async def write(self, request: Request) -> Any:
        """Send a request once; the decoded JSON."""
        return await self._call(request, asyncio.get_running_loop().time() + self._settings.timeout)

    async def _call(self, request: Request, deadline: float) -> Any:
        target = self._target(request)
        await self._pass_gate(target, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unreachable(target, f"all {self._settings.connections} connections were busy until the time limit") from error
        try:
            access, answer = await self._with_access(request, deadline, target)
        finally:
            self._places.release()
        return self._read_answer(target, answer, access)

    async def _pass_gate(self, target: str, deadline: float) -> None:
        if left := await self._gate.wait(deadline):
            problem = f"the API server asked for a pause, {left:.1f} s of it are left"
            raise Refused(target, 429, "TooManyRequests", problem, retry_after=left)

    async def _with_access(self, request: Request, deadline: float, target: str) -> tuple[Access, _Answer]:
        access = await self._identity.access()
        try:
            answer = await self._exchange(request, access, deadline, target)
        except Unreachable as error:
            if not await self._is_renewed_after(error, access):
                raise
        else:
            if answer.status != 401 or not await self._identity.renew(access):
                return access, answer
        access = await self._identity.access()
        return access, await self._exchange(request, access, deadline, target)

    async def _is_renewed_after(self, error: Unreachable, access: Access) -> bool:
        """Whether TLS failed, and there are other certificates now."""
        return isinstance(error.__cause__, aiohttp.ClientSSLError) and await self._identity.renew(access)

    async def _exchange(self, request: Request, access: Access, deadline: float, target: str) -> _Answer:
        left = max(0.001, deadline - asyncio.get_running_loop().time())
        limits = aiohttp.ClientTimeout(total=left, connect=min(self._settings.connect_timeout, left), ceil_threshold=float("inf"))
        async with self._open(request, access, limits, target) as response:
            return _Answer(response.status, response.headers, await response.read())

    @asynccontextmanager
    async def _open(
        self, request: Request, access: Access, limits: aiohttp.ClientTimeout, target: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange, whose failures, also those of reading the body inside, come out as ours."""
        headers = CIMultiDict(access.headers)
        if "Impersonate-User" not in request.headers:
            headers.extend(access.profile.impersonation)
        headers.extend(request.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", _JSON)
        url = URL(access.profile.server + request.path, encoded=True)
        try:
            async with self._session.request(
                request.method,
                url.with_query(request.query) if request.query else url,
                data=request.body,
                headers=headers,
                ssl=access.context if access.context is not None else True,
                server_hostname=access.profile.server_name or None,
                proxy=access.proxy,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                yield response
        except (
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.InvalidURL,
        ) as error:
            failure = Unreachable(target, _describe(error))
            self._troubles.begin(self.server, failure)
            raise failure from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(target, _describe(error)) from error

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a GET whose body has no end; the caller bounds each read of it. Errors as above, also while it is read."""
        target = self._target(request)
        deadline = asyncio.get_running_loop().time() + self._settings.timeout
        await self._pass_gate(target, deadline)
        async with AsyncExitStack() as stack:
            access = await self._identity.access()
            response: aiohttp.ClientResponse | None = None
            try:
                response = await self._start(stack, request, access, deadline, target)
            except Unreachable as error:
                if not await self._is_renewed_after(error, access):
                    raise
            if response is None or (response.status == 401 and await self._identity.renew(access)):
                await stack.aclose()
                access = await self._identity.access()
                response = await self._start(stack, request, access, deadline, target)
            if response.status != 200:
                async with asyncio.timeout_at(deadline):
                    answer = _Answer(response.status, response.headers, await response.read())
                self._read_answer(target, answer, access)
                raise OutcomeUnknown(target, f"a watch was answered with {response.status}")
            self._served()
            yield response

    async def _start(
        self, stack: AsyncExitStack, request: Request, access: Access, deadline: float, target: str
    ) -> aiohttp.ClientResponse:
        """The answer's head, within the time limit; its body goes on until the stack is closed."""
        limits = aiohttp.ClientTimeout(total=None, connect=self._settings.connect_timeout, ceil_threshold=float("inf"))
        try:
            async with asyncio.timeout_at(deadline):
                return await stack.enter_async_context(self._open(request, access, limits, target))
        except TimeoutError as error:
            raise OutcomeUnknown(target, _describe(error)) from error

    def _served(self) -> None:
        self._gate.passed()
        self._troubles.end(self.server)

    def _target(self, request: Request) -> str:
        return f"{request.method} {self.server}{request.path}"

    def _read_answer(self, target: str, answer: _Answer, access: Access) -> Any:
        status = answer.status
        if 200 <= status < 300:
            self._served()
            try:
                return orjson.loads(answer.body)
            except orjson.JSONDecodeError as error:
                raise OutcomeUnknown(target, f"the answer {status} is no JSON: {error}") from error
        pause = retry_after(answer.headers.get("Retry-After"))
        details = _status_of(answer.body)
        reason, problem = _texts(details, answer)
        if status == 429 or (status == 503 and pause is not None):
            pause = self._gate.shut(pause)
        if status >= 500:
            raise OutcomeUnknown(target, f"{status} {reason}: {problem}")
        self._troubles.end(self.server)
        if status == 404:
            named = isinstance(details.get("details"), dict) and bool(details["details"].get("name"))
            raise NotFound(target, reason, problem, object_absent=named and reason == "NotFound")
        if status == 401 and not access.headers:
            problem += " (no credentials were given)"
        raise Refused(target, status, reason, problem, retry_after=pause if status == 429 else None)


def _describe(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection within the time limit"
    if isinstance(error, TimeoutError) and not str(error):
        return "no full answer within the time limit"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientConnectorCertificateError):
        # aiohttp's own text has the address in memory of the TLS context
        return f"cannot connect to {error.host}:{error.port}: {error.strerror or error.os_error}"
    return str(error) or type(error).__name__


def _status_of(body: bytes) -> dict[str, Any]:
    """The `Status` object of a refusal, or an empty one where something else answered."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}


def _texts(status: Mapping[str, Any], answer: _Answer) -> tuple[str, str]:
    reason = status.get("reason")
    message = status.get("message") or answer.body[:_SHOWN].decode(errors="replace").strip() or "no explanation"
    return (reason if isinstance(reason, str) else ""), str(message)[: 4 * _SHOWN]
