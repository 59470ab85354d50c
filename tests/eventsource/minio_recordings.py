"""A stand-in for MinIO at the far end of a socket: plays recordings of a real one, and tells and lists uploads as it does.

What it does as the real one (the recordings in `recordings/` show it): `{"Records":null}` for `ping`, single blanks without; errors in
XML; 403 for a wrong signature and for `events` out of order; keys raw in the stream, escaped in listings. The signature is checked
with botocore.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus
from xml.sax.saxutils import escape

from aiohttp import web
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

FOLDER = Path(__file__).parent / "recordings"
STREAMS: dict[str, dict[str, Any]] = {
    found["name"]: found for found in map(json.loads, (FOLDER / "minio-listen.jsonl").read_text("utf-8").splitlines())
}
LISTING: list[dict[str, Any]] = json.loads((FOLDER / "minio-listing.json").read_text("utf-8"))


def recorded(name: str) -> list[Any]:
    """The messages of a recorded stream, without pings: each a list of records."""
    lines = "".join(STREAMS[name]["chunks"]).split("\n")
    found = [json.loads(line)["Records"] for line in lines if line.strip()]
    return [records for records in found if records]


@dataclass(frozen=True)
class Item:
    key: str
    body: bytes
    modified: int  # ns
    version: str = ""
    name: str = "s3:ObjectCreated:Put"

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body).hexdigest()


class Store:
    """One bucket, `uploads`. Switches may be turned while it serves."""

    def __init__(self) -> None:
        self.access, self.secret, self.region = "tiphys", "tiphys-secret", "us-east-1"
        self.items: list[Item] = []
        self.flushes = True  # False: a build that says nothing, not even headers
        self.frozen = False  # nothing is answered at all
        self.lists_versions = True
        self.lists = True
        self.exists = True
        self.pulse = 0.05
        self.page = 1000
        self.script: list[str] = []  # chunks that each new stream begins with
        self.queries: list[list[tuple[str, str]]] = []
        self.listings = 0
        self.pings = 0
        self.port = 0
        self._streams: list[asyncio.Queue[str | None]] = []

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Store]:
        """Serves on a free port; entered again, on the same."""
        app = web.Application()
        app.router.add_get("/{bucket}", self._handle)
        app.router.add_get("/{bucket}/{key:.+}", self._read)
        runner = web.AppRunner(app, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls, reuse_address=True).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self.cut()
            await runner.cleanup()

    # -- what users do

    def put(
        self, key: str, body: bytes = b"x", *, version: str = "", told: bool = True, name: str = "s3:ObjectCreated:Put"
    ) -> Item:
        """An upload, now. `told` is false for one that the stream does not carry."""
        item = Item(key, body, time.time_ns(), version, name)
        if not version:
            self.items = [old for old in self.items if old.key != key]
        self.items.append(item)
        if told:
            self.tell([self.record(item)])
        return item

    def tell(self, records: list[Any]) -> None:
        for stream in self._streams:
            stream.put_nowait(json.dumps({"Records": records}, ensure_ascii=False, separators=(",", ":")) + "\n")

    def cut(self) -> None:
        """Close every listen stream from this side."""
        for stream in self._streams:
            stream.put_nowait(None)

    @property
    def listening(self) -> int:
        return len(self._streams)

    def record(self, item: Item) -> Any:
        """As recorded, but of this object."""
        record = copy.deepcopy(recorded("ping")[0][0])
        told = {"key": item.key, "size": len(item.body), "eTag": item.etag, "sequencer": f"{item.modified:X}"}
        at = datetime.fromtimestamp(item.modified / 1e9 + 0.003, UTC)  # MinIO tells some ms after it wrote
        record["eventTime"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record["eventName"] = item.name
        record["s3"]["object"] = told | ({"versionId": item.version} if item.version else {})
        return record

    # -- what MinIO does

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        query = parse_qsl(request.query_string, keep_blank_values=True)
        self.queries.append(query)
        while self.frozen:
            await asyncio.sleep(0.02)
        refusal = self._refusal(request, query)
        if refusal is not None:
            return refusal
        if any(name == "events" for name, _ in query):
            return await self._listen(request, dict(query))
        self.listings += 1
        if not self.lists or (not self.lists_versions and "versions" in dict(query)):
            return self._error(403, "AccessDenied", "Access Denied.")
        listing = self._list(dict(query))
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            listing.enable_compression(web.ContentCoding.gzip)  # as a real MinIO does for whoever says that it may
        return listing

    async def _read(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request, [])
        found = [item.body for item in self.items if item.key == request.match_info["key"]]
        if refusal is not None or found:
            return refusal or web.Response(body=found[-1])
        return self._error(404, "NoSuchKey", "The specified key does not exist.")

    def _refusal(self, request: web.Request, query: list[tuple[str, str]]) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        access, _, rest = given.partition("Credential=")[2].partition("/")
        if access != self.access:
            return self._error(403, "InvalidAccessKeyId", "The Access Key Id you provided does not exist in our records.")
        if rest.split("/")[1] != self.region:
            words = f"The authorization header is malformed; the region is wrong; expecting '{self.region}'."
            return self._error(400, "AuthorizationHeaderMalformed", words, f"<Region>{self.region}</Region>")
        events = [value for name, value in query if name == "events"]
        if self._signature(request) != given.rpartition("Signature=")[2] or events != sorted(events):
            return self._recorded_error("unsorted-events")
        if not self.exists or request.match_info["bucket"] != "uploads":
            return self._recorded_error("missing-bucket")
        if any("Nonsense" in value for value in events):
            return self._recorded_error("bad-event")
        return None

    def _signature(self, request: web.Request) -> str:
        signer = S3SigV4Auth(Credentials(self.access, self.secret), "s3", self.region)
        names = ("Host", "x-amz-content-sha256", "x-amz-date")
        asked = AWSRequest("GET", str(request.url.origin()) + request.raw_path, headers={n: request.headers[n] for n in names})
        asked.context["timestamp"] = request.headers["x-amz-date"]
        asked.context["payload_signing_enabled"] = True
        return str(signer.signature(signer.string_to_sign(asked, signer.canonical_request(asked)), asked))

    async def _listen(self, request: web.Request, query: dict[str, str]) -> web.StreamResponse:
        stream: asyncio.Queue[str | None] = asyncio.Queue()
        for chunk in self.script:
            stream.put_nowait(chunk)
        self._streams.append(stream)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            while not self.flushes:
                await asyncio.sleep(0.02)
            await response.prepare(request)
            while True:
                try:
                    chunk = await asyncio.wait_for(stream.get(), self.pulse)
                except TimeoutError:
                    chunk = '{"Records":null}\n' if "ping" in query else " "
                    self.pings += 1
                while self.frozen:
                    await asyncio.sleep(0.02)
                if chunk is None:
                    return response
                await response.write(chunk.encode())
        finally:
            self._streams.remove(stream)

    def _list(self, query: dict[str, str]) -> web.Response:
        versions = "versions" in query
        latest = {item.key: item for item in self.items}
        found = [item for item in self.items if versions or latest[item.key] is item]
        found = sorted(
            (item for item in found if item.key.startswith(query["prefix"])), key=lambda item: (item.key, -item.modified)
        )
        start = int(query.get("version-id-marker" if versions else "continuation-token", "0"))
        page, rest = found[start : start + self.page], found[start + self.page :]
        body = "".join(self._entry(item, "Version" if versions else "Contents") for item in page)
        if rest:
            where = start + self.page
            body += "<IsTruncated>true</IsTruncated>" + (
                f"<NextKeyMarker>{quote_plus(page[-1].key)}</NextKeyMarker><NextVersionIdMarker>{where}</NextVersionIdMarker>"
                if versions
                else f"<NextContinuationToken>{where}</NextContinuationToken>"
            )
        root = "ListVersionsResult" if versions else "ListBucketResult"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}</{root}>'
        return web.Response(text=text, content_type="application/xml")

    def _entry(self, item: Item, name: str) -> str:
        at = (
            datetime.fromtimestamp(item.modified // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        version = f"<VersionId>{item.version or 'null'}</VersionId>" if name == "Version" else ""
        return (
            f"<{name}><Key>{escape(quote_plus(item.key, safe='/'))}</Key><LastModified>{at}</LastModified>"
            f"<ETag>&#34;{item.etag}&#34;</ETag><Size>{len(item.body)}</Size>{version}"
            f"<Owner><ID>02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4</ID></Owner></{name}>"
        )

    def _error(self, status: int, code: str, words: str, more: str = "") -> web.Response:
        text = f"<Error><Code>{code}</Code><Message>{escape(words)}</Message>{more}</Error>"
        return web.Response(status=status, text=text, content_type="application/xml")

    def _recorded_error(self, name: str) -> web.Response:
        return web.Response(status=STREAMS[name]["status"], text=STREAMS[name]["body"], content_type="application/xml")
