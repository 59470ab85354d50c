"""`webhook`: anything that can send an HTTP request (reference 3.2).

Ours: `signature` verifies the senders that sign, by any scheme of the ingress; `dedupe` names the header by which a sender marks a repeated
delivery.
"""

from __future__ import annotations

from typing import Final, Literal

import orjson

from eventsource.filter import EventFilter
from eventsource.ingress.forms import FormFault, parse_form
from eventsource.ingress.headers import canonical, masked
from eventsource.ingress.webhook_context import PUBLISHED, WebhookContext, decoded, metadata_member, payload_key, refused
from eventsource.source import Answer, Context, Emit, Endpoint, Notice, Request, Route, register
from tiphys.errors import FaultKind, FieldError
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

_FORM = "application/x-www-form-urlencoded"


_CONSTANT_HEADERS: Final = frozenset(
    ("accept", "accept-encoding", "authorization", "connection", "content-type", "host", "user-agent", "x-forwarded-proto")
)


class Signature(Model):
    """How senders sign (ours). `secret` is what they sign with."""

    scheme: Literal["github", "gitea", "gitlab", "bitbucketserver", "slack"]
    secret: SecretRef


class Dedupe(Model):
    """How a repeated delivery is told (ours): the header that is equal in both."""

    header: str


class WebhookSpec(WebhookContext):
    """One entry below `webhook`."""

    filter: EventFilter | None = None
    signature: Signature | None = None
    dedupe: Dedupe | None = None


@register
class Webhook(Endpoint[WebhookSpec]):
    """Takes any JSON body, a form, or the query of a GET."""

    key = "webhook"
    event_type = "webhook"
    spec = WebhookSpec
    members = frozenset(("header", "body", "metadata"))

    def __init__(self, spec: WebhookSpec, context: Context) -> None:
        super().__init__(spec, context)
        self._metadata = metadata_member(spec.metadata)
        self._dedupe = canonical(spec.dedupe.header.encode()) if spec.dedupe else ""
        signature = spec.signature
        self._route = spec.route(
            method=spec.method,
            signature=signature.scheme if signature else None,
            secret=signature.secret if signature else None,
        )

    @classmethod
    def check(cls, spec: WebhookSpec) -> list[FieldError]:
        """The rules of `WebhookContext`, and ours."""
        faults = spec.faults()
        if spec.dedupe is not None and not spec.dedupe.header:
            faults.append(
                FieldError("dedupe.header", "is empty", "name the header that repeated deliveries share", kind=FaultKind.MISSING)
            )
        return faults

    @classmethod
    def notices(cls, spec: WebhookSpec) -> list[Notice]:
        """Open endpoints, and methods that nothing can pass."""
        found = spec.remarks(authenticated=spec.auth_secret is not None or spec.signature is not None)
        if spec.method not in ("GET", "POST"):
            found.append(
                Notice(
                    "method", "is neither GET nor POST, so every request is refused, as by argo-events", kind=FaultKind.NEVER_TRUE
                )
            )
        if spec.dedupe is not None and spec.dedupe.header.lower() in _CONSTANT_HEADERS:
            text = f"is the header {spec.dedupe.header}, which all deliveries share: only the first of them becomes an event"
            found.append(Notice("dedupe.header", f"{text}; name one that a delivery has to itself", FaultKind.NEVER_TRUE))
        return found

    @property
    def route(self) -> Route:
        """As the spec says."""
        return self._route

    async def handle(self, request: Request, emit: Emit) -> Answer:
        """Publish the request: `header`, `body` and, if there is any, `metadata`."""
        raw = await self._body(request)
        data = b'{"header":%b,"body":%b%b}' % (masked(request.headers), raw, self._metadata)
        sent = request.header(self._dedupe) if self._dedupe else ""
        key = payload_key(sent, request, authenticated=self._route.authenticated)
        await emit(self.context.event(data, key=key, worldid=sent or None))
        return PUBLISHED

    @staticmethod
    async def _body(request: Request) -> bytes:
        if request.method == "POST":
            if request.header("Content-Type") != _FORM:  # as in argo-events not for `…; charset=utf-8`
                return (await decoded(request.body))[0]
            try:
                form = parse_form(request.body)
            except FormFault as fault:
                raise refused("form", str(fault), status=500) from fault
        elif request.method == "GET":
            form = parse_form(request.query.encode(), strict=False)
        else:
            raise refused("method", f"unsupported method: {request.method}")
        return orjson.dumps(form)
