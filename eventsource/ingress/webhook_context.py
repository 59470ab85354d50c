"""What the HTTP sources share: argo-events' `WebhookContext`, and the shape of their events (reference 1.4).

An event's data is spliced from the bytes that came in: they were decoded once, to see that they are JSON, and go into the event as they
are, number literals and all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import Field

from eventsource.ingress.limits import Refusal
from eventsource.ingress.routes import compile_path, normal_path
from eventsource.source import Answer, Notice, Request, Route
from tiphys.errors import FaultKind, FieldError, JsonError, PatternError, shorten
from tiphys.languages import gojson
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = ["PUBLISHED", "WebhookContext", "decoded", "metadata_member", "payload_key", "refused"]

PUBLISHED: Final = Answer(200, "success", "published")

DEFAULT_MAX_BODY: Final = 1_048_576
_IN_THREAD: Final = 65_536


class WebhookContext(Model):
    """Where an HTTP source listens, as in argo-events: `port` is decimal text, `endpoint` a path with `{name}` variables, `maxPayloadSize`
    in bytes (default 1 MiB), `authSecret` a bearer token that senders must show."""

    endpoint: str
    port: str
    method: str = ""
    url: str = ""
    server_cert_secret: SecretRef | None = None
    server_key_secret: SecretRef | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    auth_secret: SecretRef | None = None
    max_payload_size: int | None = None

    def route(self, *, method: str | None = None, signature: str | None = None, secret: SecretRef | None = None) -> Route:
        """Its row of the ingress table."""
        tls = None
        if self.server_cert_secret is not None and self.server_key_secret is not None:
            tls = self.server_cert_secret, self.server_key_secret
        return Route(
            int(self.port),
            normal_path(self.endpoint),
            max_body=self.max_payload_size or DEFAULT_MAX_BODY,
            auth_secret=self.auth_secret,
            signature=signature,
            secret=secret,
            tls=tls,
            method=method,
        )

    def faults(self, prefix: str = "") -> list[FieldError]:
        """What types alone do not show; `prefix` is the path of this object within its entry, with its dot."""
        found = []
        if not self.endpoint:
            found.append(FieldError(f"{prefix}endpoint", "is empty", "write a path, such as /push", kind=FaultKind.MISSING))
        else:
            try:
                compile_path(normal_path(self.endpoint))
            except PatternError as error:
                found.append(FieldError(f"{prefix}endpoint", error.problem, error.remedy, shorten(self.endpoint)))
        if not (self.port.isascii() and self.port.isdigit() and 0 < int(self.port[:6]) < 65536 and len(self.port) < 6):
            found.append(
                FieldError(
                    f"{prefix}port", "is no port", 'write a number from 1 to 65535 in quotes, such as "12000"', shorten(self.port)
                )
            )
        if (self.server_cert_secret is None) != (self.server_key_secret is None):
            missing = "serverKeySecret" if self.server_key_secret is None else "serverCertSecret"
            found.append(
                FieldError(f"{prefix}{missing}", "is missing", "TLS needs the certificate and its key", kind=FaultKind.MISSING)
            )
        return found

    def remarks(self, prefix: str = "", *, authenticated: bool) -> list[Notice]:
        """What its owner should know."""
        found = []
        if not authenticated:
            found.append(
                Notice(
                    prefix.rstrip("."),
                    "takes requests from anybody who can reach it; set authSecret, or a signature's secret",
                    kind=FaultKind.OPEN_ROUTE,
                )
            )
        if self.endpoint and not self.endpoint.startswith("/"):
            found.append(Notice(f"{prefix}endpoint", f"is served as /{self.endpoint}"))
        return found


def metadata_member(metadata: Mapping[str, str]) -> bytes:
    """`,"metadata":{…}` for the end of an event's data, empty for no metadata."""
    return b',"metadata":' + orjson.dumps(metadata) if metadata else b""


def refused(reason: str, text: str, status: int = 400) -> Refusal:
    """An answer to raise."""
    return Refusal(Answer(status, text, reason))


async def decoded(body: bytes) -> tuple[bytes, Any]:
    """A body as UTF-8 and what it decodes to. Raises `Refusal` (400) if it is not JSON, as argo-events understands it."""
    try:
        return body, orjson.loads(body)
    except orjson.JSONDecodeError as error:
        first = error
    try:
        slow = gojson.loads if len(body) <= _IN_THREAD else _threaded
        value = slow(body)
        if slow is _threaded:
            value = await value
    except JsonError as error:
        raise refused("not-json", f"the request body is not JSON: {first.msg}") from error
    return body.decode("utf-8", "replace").encode(), value


async def _threaded(body: bytes) -> Any:
    return await asyncio.to_thread(gojson.loads, body)


def payload_key(sent: str, request: Request, *, authenticated: bool) -> str | None:
    """The world's key of a request: the id that its sender gave it. Where anybody may send, the content's SHA-256 as well, so that nobody
    can suppress another's event by guessing its id; `None` (a random one) without an id."""
    if not sent:
        return None
    if authenticated:
        return sent
    return f"{sent}/{hashlib.sha256(request.body or request.query.encode()).hexdigest()}"
