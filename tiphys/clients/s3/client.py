"""An object store that speaks S3: listings, single objects, and MinIO's listen stream.

One `S3` is one endpoint. Keys are asked for anew for each request, so that a rotated secret takes effect. A store in a region of its
own says so in its refusal; it is asked again with that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_plus

import aiohttp
import orjson
from yarl import URL

from tiphys.clients.s3.signer import Keys, canonical_query, sign
from tiphys.clients.s3.xml import Element, XmlError, parse
from tiphys.errors import ClientError, OutcomeUnknown, Refused, Unreachable, shorten

__all__ = ["S3", "Listed", "Listing", "Silent", "Tick"]

_CONNECT: Final = 10.0
_ANSWER: Final = 60.0
_LARGEST_ANSWER: Final = 16 << 20
_LARGEST_LINE: Final = 4 << 20
_DEFAULT_REGION: Final = "us-east-1"


class Silent(Unreachable):
    """A stream was opened and says nothing, not even the answer to `ping`."""


class Tick(NamedTuple):
    """What came off a listen stream at once: messages (each a list of records), none for a sign of life only."""

    messages: list[list[dict[str, Any]]]


class Listed(NamedTuple):
    """One object of a listing. `modified` is in ms since 1970; `version` is empty where there is none."""

    key: str
    size: int
    etag: str
    modified: int
    version: str
    owner: str


_Read = tuple[list[Listed], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a listing; `skew` is how much the store's clock is ahead of ours, in ms, to half a second."""

    objects: list[Listed]
    skew: int


class S3:
    """A client for one endpoint (`host:port`).

    `keys` gives the credentials of each request; `region` is what to sign for (default: us-east-1, or what the store asks for);
    `ca` is a certificate authority in PEM to trust besides none other. Use it as an async context manager.

    Methods raise `Unreachable` (also for a listing that was cut off, since reading does nothing there) and `Refused` with the
    store's own code and words.
    """

    def __init__(
        self,
        endpoint: str,
        keys: Callable[[], Awaitable[Keys]],
        *,
        secure: bool = True,
        region: str = "",
        ca: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._scheme = "https" if secure else "http"
        self._keys, self._ca = keys, ca
        self._region = region or _DEFAULT_REGION
        self._session: aiohttp.ClientSession | None = None
        self._trusted: tuple[bytes, ssl.SSLContext] | None = None

    async def __aenter__(self) -> S3:
        # a real MinIO compresses its listings for whoever says that it may; what comes is bounded as it comes
        self._session = aiohttp.ClientSession(headers={"User-Agent": "tiphys", "Accept-Encoding": "identity"})
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    # -- listings

    async def objects(self, bucket: str, prefix: str = "") -> AsyncGenerator[Listing, None]:
        """Every object below a prefix, a page at a time, in the order of their keys; older versions too, where the store keeps them
        and lets us see them."""
        try:
            async for page in self._pages(bucket, [("versions", ""), ("prefix", prefix)], _versions):
                yield page
        except Refused as error:
            if error.status not in (403, 501):
                raise
            async for page in self._pages(bucket, [("list-type", "2"), ("prefix", prefix)], _contents):
                yield page

    async def _pages(
        self, bucket: str, query: list[tuple[str, str]], read: Callable[[Element], _Read]
    ) -> AsyncGenerator[Listing, None]:
        more: list[tuple[str, str]] = []
        while True:
            timeout = aiohttp.ClientTimeout(total=_ANSWER, sock_connect=_CONNECT)
            async with self._request(bucket, [*query, ("encoding-type", "url"), *more], timeout) as response:
                body = await self._body(response)
                skew = _skew(response.headers.get("Date", ""))
            try:
                found, more, truncated = await asyncio.to_thread(_page, body, read)  # a page of 1,000 takes some 10 ms
            except ValueError as error:
                raise ClientError(self._name(bucket), f"a listing cannot be read: {error}") from error
            yield Listing(found, skew)
            if not truncated:
                return
            if not more:
                raise ClientError(self._name(bucket), "a listing goes on, but does not say where")

    # -- objects

    async def read(self, bucket: str, key: str, most: int) -> bytes:
        """An object of at most so many bytes. Raises `Refused` 413 `TooLarge` for a larger one."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER, sock_connect=_CONNECT)
        body = b""
        async with self._request(bucket, [], timeout, key) as response:
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > most:
                    text = f"{key} is larger than {most:,} bytes, which is the most that is read"
                    raise Refused(self._name(bucket), 413, "TooLarge", text)
        return body

    # -- the listen stream

    async def listen(
        self, bucket: str, events: Iterable[str], prefix: str = "", suffix: str = "", *, ping: int = 2, silence: float = 7.0
    ) -> AsyncGenerator[Tick, None]:
        """What MinIO tells of a bucket, from now on, until the stream ends or breaks. Begins with an empty `Tick` at the first sign of
        life. Raises `Silent` when nothing has come for `silence` seconds, though `ping` asks for a word every so many."""
        query = [*(("events", name) for name in events), ("ping", str(ping)), ("prefix", prefix), ("suffix", suffix)]
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=silence)
        buffer = b""
        try:
            async with self._request(bucket, query, timeout) as response:
                async for chunk in response.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    buffer = buffer.lstrip()  # without `ping` there are blanks and no line ends: they must not pile up
                    if len(buffer) > _LARGEST_LINE:
                        raise ClientError(self._name(bucket), f"the listen stream has a line over {_LARGEST_LINE} bytes")
                    yield Tick([message for line in lines if (message := self._message(bucket, line))])
        except aiohttp.SocketTimeoutError as error:
            raise Silent(self._name(bucket), f"the listen stream says nothing (no answer to ping within {silence:g} s)") from error

    def _message(self, bucket: str, line: bytes) -> list[dict[str, Any]]:
        if not line.strip():
            return []
        try:
            records = orjson.loads(line)["Records"] or []
            whole = all(isinstance(record["s3"]["object"]["key"], str) for record in records)
        except (ValueError, KeyError, TypeError):
            whole, records = False, []
        if not whole:
            raise ClientError(self._name(bucket), f"the listen stream has a line that is no notification: {shorten(line[:100])}")
        return list(records)

    # -- requests

    def _name(self, bucket: str) -> str:
        return f"{self._scheme}://{self.endpoint}/{bucket}"

    @contextlib.asynccontextmanager
    async def _request(
        self, bucket: str, query: list[tuple[str, str]], timeout: aiohttp.ClientTimeout, key: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A signed GET of a bucket, or of an object in it, that was answered 200. Errors on the way and within the block are ours."""
        if self._session is None:
            raise RuntimeError("S3 is used outside of its context")
        path, text, target = f"/{quote(bucket, safe='-_.~')}", canonical_query(query), self._name(bucket)
        if key:
            path += f"/{quote(key, safe='-_.~/')}"
        keys, trusted = await self._keys(), await self._context()
        try:
            for _ in range(2):
                region = self._region
                headers = sign("GET", self.endpoint, path, text, keys, region, datetime.now(UTC))
                url = URL(f"{self._scheme}://{self.endpoint}{path}{'?' if text else ''}{text}", encoded=True)
                async with self._session.get(
                    url, headers=headers, timeout=timeout, ssl=trusted, allow_redirects=False, auto_decompress=False
                ) as response:
                    if response.status == 200:
                        yield response
                        return
                    self._region = await self._refusal(response, target, region)
            raise Refused(target, 400, "AuthorizationHeaderMalformed", "the store asks for one region after another")
        except aiohttp.SocketTimeoutError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(target, _words(error)) from error

    async def _refusal(self, response: aiohttp.ClientResponse, target: str, signed: str) -> str:
        """Raise what the store answered; returns the region to sign for, if that is all that was wrong with `signed`."""
        body = await self._body(response)
        code, words, region = "", body[:200].decode(errors="replace").strip() or (response.reason or ""), ""
        with contextlib.suppress(XmlError):
            root = parse(body)
            code, words, region = root.get("Code"), root.get("Message") or words, root.get("Region")
        if code == "AuthorizationHeaderMalformed" and region and region != signed:
            return region
        if response.status >= 500 and response.status != 501:
            raise OutcomeUnknown(target, f"{response.status} {code}: {words}")
        raise Refused(target, response.status, code, words)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = b""
        async for chunk in response.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > _LARGEST_ANSWER:
                raise ClientError(str(response.url.origin()), f"the answer is over {_LARGEST_ANSWER} bytes")
        return body

    async def _context(self) -> ssl.SSLContext | bool:
        if self._ca is None:
            return True
        pem = await self._ca()
        if self._trusted is None or self._trusted[0] != pem:
            try:
                context = await asyncio.to_thread(ssl.create_default_context, cadata=pem.decode())
            except (ssl.SSLError, ValueError) as error:
                raise ClientError(self.endpoint, f"caCertificate holds no certificate in PEM: {error}") from error
            self._trusted = (pem, context)
        return self._trusted[1]


def _words(error: Exception) -> str:
    """What happened, as people say it: `Connection refused`."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        number = error.os_error.errno
        return os.strerror(number) if number and number > 0 else error.os_error.strerror or str(error)
    return str(error) or "no answer in time"


def _skew(date: str) -> int:
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000) + 500 - int(time.time() * 1000)
    except (TypeError, ValueError):
        return 0


def _listed(element: Element) -> Listed:
    modified = datetime.fromisoformat(element.get("LastModified"))
    version = element.get("VersionId")
    owner = next((child.get("ID") for child in element.all("Owner")), "")
    return Listed(
        unquote_plus(element.get("Key")),
        int(element.get("Size") or "0"),
        element.get("ETag").strip('"'),
        round(modified.timestamp() * 1000),
        "" if version == "null" else version,
        owner,
    )


def _page(body: bytes, read: Callable[[Element], _Read]) -> tuple[list[Listed], list[tuple[str, str]], bool]:
    root = parse(body)
    found, more = read(root)
    return found, more, root.get("IsTruncated") == "true"


def _versions(root: Element) -> tuple[list[Listed], list[tuple[str, str]]]:
    where = [("key-marker", unquote_plus(root.get("NextKeyMarker"))), ("version-id-marker", root.get("NextVersionIdMarker"))]
    return [_listed(element) for element in root.all("Version")], [(name, value) for name, value in where if value]


def _contents(root: Element) -> tuple[list[Listed], list[tuple[str, str]]]:
    token = root.get("NextContinuationToken")
    return [_listed(element) for element in root.all("Contents")], [("continuation-token", token)] if token else []
