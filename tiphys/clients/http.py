"""Requests to whatever a manifest names: one session with a pool for each destination, bounded answers, redirects as Go's client does them.

What a caller may conclude is the same as for an API server: `Unreachable`, nothing was done; `OutcomeUnknown`, the request left and no
answer came; an answer of any status is an answer, and what it means is for the caller. A request is sent once: aiohttp's own second try of
one that found its connection closed is prevented.

Redirects (net/http, `Client.Do`, Go 1.26): up to ten; 301, 302 and 303 become a GET without a body, 307 and 308 repeat the request; one
that names no `Location` is the answer. Credentials do not follow to another host.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from multidict import CIMultiDict
from yarl import URL

from tiphys.clients.kube.backoff import retry_after
from tiphys.clients.kube.proxies import proxy_for
from tiphys.clients.targets import ANYWHERE, Targets
from tiphys.errors import NotAllowed, OutcomeUnknown, SettingsError, Unreachable

__all__ = [
    "Answer",
    "HttpClient",
    "HttpRequest",
    "HttpSettings",
    "TlsMaterial",
    "destination",
    "flaw_in_header",
    "flaw_in_url",
    "open_http",
]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[^\s/?#@\\%<>\"^`{|}]+")
_KEPT: Final = "%/:?#[]@!$&'()*+,;=-._~"
_SENSITIVE: Final = frozenset(("authorization", "cookie", "cookie2", "proxy-authorization", "www-authenticate"))
_OF_THE_TRANSPORT: Final = frozenset(("host", "content-length", "transfer-encoding", "trailer"))


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`connect_timeout` in seconds, `answer` the bytes of an answer that are read, `redirects` how many are followed.

    `targets` says where requests may go (SSRF); behind a proxy names are the proxy's to judge.
    """

    connect_timeout: float = 10.0
    answer: int = 64 * 1024
    redirects: int = 10
    targets: Targets = ANYWHERE


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """PEM texts: authorities to trust beside the system's, and our own certificate with its key. `verify` false trusts everybody."""

    authorities: bytes = field(default=b"", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    verify: bool = True


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request. `headers` are sent as they are written; `host` is the Host header where it is not the URL's; `timeout` is for the whole
    exchange, redirects included, in seconds; `answer` the bytes of the answer that are read (0: as the settings say)."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    host: str = ""
    timeout: float = 60.0
    tls: TlsMaterial | None = None
    answer: int = 0


class Answer(NamedTuple):
    """An answer: its status, how long it asks to be left alone (`Retry-After`, in seconds), the beginning of its body, and whether that is
    all of it."""

    status: int
    retry_after: float | None
    body: bytes
    complete: bool = True


def destination(method: str, url: str) -> str:
    """Where a request goes, for people: without the path and the query, which may hold what is nobody's business."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{method} {parts.scheme}://{parts.hostname}{port}"


def flaw_in_url(url: str) -> str:
    """Why that is no URL for a request; empty if it is one. As strict as Go's parser about escapes."""
    if _CONTROL.search(url):
        return "has a control character"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if not host or not _HOST.fullmatch(host):
        return "names no host"
    if bad := _BAD_ESCAPE.search(parts.path):
        return f"has an invalid escape, {url[url.find(parts.path) + bad.start() :][:3]!r}"
    return ""


def flaw_in_header(name: str, value: str = "") -> str:
    """Why that cannot be sent as a header; empty if it can (RFC 9110, 5.1 and 5.5). A value is never part of the text."""
    if not _TOKEN.fullmatch(name):
        return "is no header name"
    return "has a line break or another control character in its value" if _CONTROL.search(value) else ""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """What aiohttp sees here it does not send a second time."""
    try:
        return await handler(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientPayloadError(f"the connection was cut: {error}") from error


class _Resolver(AbstractResolver):
    """Names, without the addresses that may not be gone to."""

    def __init__(self, targets: Targets) -> None:
        self._system = ThreadedResolver()
        self._targets = targets

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses that may be gone to. Raises `NotAllowed` if there are none."""
        found = await self._system.resolve(host, port, family)
        if self._targets.host(host):
            return found
        allowed = [one for one in found if self._targets.address(one["host"])]
        if not allowed:
            raise self._targets.refuse(host, host)
        return allowed

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def open_http(settings: HttpSettings | None = None) -> AsyncIterator[HttpClient]:
    """A client, closed at the end of the block."""
    chosen = settings or HttpSettings()
    resolver = _Resolver(chosen.targets) if chosen.targets.public_only else None
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30, resolver=resolver)
    agent = f"tiphys/{await asyncio.to_thread(version_of, 'tiphys')}"
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_once,),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    ) as session:
        yield HttpClient(session, chosen, agent)


class HttpClient:
    """Sends requests to anybody."""

    def __init__(self, session: aiohttp.ClientSession, settings: HttpSettings, agent: str) -> None:
        self._session = session
        self._settings = settings
        self._agent = agent
        self._contexts: dict[TlsMaterial, ssl.SSLContext] = {}

    async def send(self, request: HttpRequest) -> Answer:
        """Send it, follow redirects, and return the last answer.

        Raises `Unreachable` if nothing was sent, `OutcomeUnknown` if no full answer came; the texts name the host alone, since a URL's
        path and query may hold what is nobody's business.
        """
        secure = await self._context(request.tls)
        deadline = asyncio.get_running_loop().time() + request.timeout
        for hop in range(self._settings.redirects + 1):
            try:
                status, location, answer = await self._exchange(request, secure, deadline)
            except Unreachable as error:
                if hop:  # what redirected us may have done something
                    raise OutcomeUnknown(error.target, f"{error}; it was redirected to from elsewhere") from error
                raise
            if status not in (301, 302, 303, 307, 308) or not location:
                return answer
            request = _redirected(request, status, location)
            if flaw := flaw_in_url(request.url):
                raise OutcomeUnknown(destination(request.method, request.url), f"answered {status} with a Location that {flaw}")
        raise OutcomeUnknown(destination(request.method, request.url), f"redirected more than {self._settings.redirects} times")

    async def _exchange(self, request: HttpRequest, secure: ssl.SSLContext | bool, deadline: float) -> tuple[int, str, Answer]:
        target = destination(request.method, request.url)
        host, targets = urlsplit(request.url).hostname or "", self._settings.targets
        if not (targets.host(host) or targets.address(host)):
            raise targets.refuse(target, host)
        left = max(0.001, deadline - asyncio.get_running_loop().time())
        limits = aiohttp.ClientTimeout(total=left, connect=min(self._settings.connect_timeout, left), ceil_threshold=float("inf"))
        try:
            async with self._session.request(
                request.method,
                _url(request),
                data=request.body or None,
                headers=self._headers(request),
                ssl=secure,
                proxy=proxy_for(request.url, "", os.environ),
                timeout=limits,
                allow_redirects=False,
            ) as response:
                body, complete = await _beginning(response, request.answer or self._settings.answer)
                answer = Answer(response.status, retry_after(response.headers.get("Retry-After")), body, complete)
                return response.status, response.headers.get("Location", ""), answer
        except NotAllowed as error:
            raise NotAllowed(target, error.problem) from error
        except SettingsError as error:
            raise Unreachable(target, str(error)) from error
        except (
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.InvalidURL,
        ) as error:
            raise Unreachable(target, _describe(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OutcomeUnknown(target, _describe(error)) from error

    def _headers(self, request: HttpRequest) -> CIMultiDict[str]:
        """What goes out: as written, but for those that say how the message is framed, which Go leaves out as well."""
        headers: CIMultiDict[str] = CIMultiDict()
        for name, value in request.headers:
            if name.lower() not in _OF_THE_TRANSPORT:
                headers.add(name, value.strip(" \t"))
        headers.setdefault("User-Agent", self._agent)
        if request.host:
            headers["Host"] = request.host
        return headers

    async def _context(self, tls: TlsMaterial | None) -> ssl.SSLContext | bool:
        """The context of that material, made once. Raises `Unreachable` for material that is not to be used."""
        if tls is None:
            return True
        if (found := self._contexts.get(tls)) is None:
            try:
                found = await asyncio.to_thread(_make_context, tls)
            except (ssl.SSLError, ValueError) as error:
                raise Unreachable("TLS", f"the certificates or the key cannot be used: {error}") from error
            if len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.clear()
            self._contexts[tls] = found
        return found


_MOST_CONTEXTS: Final = 256


def _make_context(tls: TlsMaterial) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Python 3.13 asks for extensions that many private authorities lack; Go does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if tls.authorities:
        context.load_verify_locations(cadata=tls.authorities.decode())
    if tls.certificate:
        with tempfile.TemporaryDirectory(prefix="tiphys-") as folder:  # OpenSSL reads files only; the folder is for us alone
            chain = Path(folder, "chain.pem")
            chain.touch(0o600)
            chain.write_bytes(tls.certificate + b"\n" + tls.key)
            context.load_cert_chain(chain)
    return context


async def _beginning(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """At most so much of the body; where there is more the connection is given up."""
    body = b""
    while len(body) <= most and (chunk := await response.content.read(most + 1 - len(body))):
        body += chunk
    if len(body) > most:
        response.close()
    return body[:most], len(body) <= most


def _redirected(request: HttpRequest, status: int, location: str) -> HttpRequest:
    """The next request, as Go makes it: without credentials for another host, without a body where the method became GET."""
    url = urljoin(request.url, _escaped(location))
    headers: Iterable[tuple[str, str]] = request.headers
    if not _same_site(urlsplit(request.url).hostname or "", urlsplit(url).hostname or ""):
        headers = [(name, value) for name, value in headers if name.lower() not in _SENSITIVE]
    host = request.host if not urlsplit(location).netloc else ""
    if status in (301, 302, 303) and request.method not in ("GET", "HEAD"):
        kept = [(name, value) for name, value in headers if not name.lower().startswith("content-")]
        return replace(request, method="GET", url=url, headers=kept, body=b"", host=host)
    return replace(request, url=url, headers=list(headers), host=host)


def _same_site(old: str, new: str) -> bool:
    """Whether `new` is `old` or a name below it."""
    return new == old or (new.endswith(f".{old}") and _address(old) is None)


def _address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _url(request: HttpRequest) -> URL:
    """The URL as it is sent; its credentials count where no header gives any."""
    url = URL(_escaped(request.url), encoded=True)
    given = any(name.lower() == "authorization" for name, _ in request.headers)
    return url.with_user(None) if given and url.user is not None else url


def _escaped(url: str) -> str:
    """What may not stand in a request line, escaped; everything else is left as it was written."""
    host = urlsplit(url).netloc
    head, found, tail = url.partition(host) if host else ("", "", url)
    return head + found + quote(tail, safe=_KEPT)


def _describe(error: BaseException) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection within the time limit"
    if isinstance(error, TimeoutError) and not str(error):
        return "no full answer within the time limit"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect to {error.host}:{error.port}: {error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    return str(error) if isinstance(error, aiohttp.ClientPayloadError | OSError) else type(error).__name__
