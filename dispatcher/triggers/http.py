"""`http`: a request to any server, its body and headers from events (reference 6.10).

Secrets stay references until the request is made. Each request carries the firing's id as `Idempotency-Key`, so that a server that knows it
does the work once even if an answer was lost and the request is repeated. As in argo-events any answer is a success, unless `policy.status`
says which ones are; then any other is a failure, and `dispatcher.retry` says what becomes of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import orjson
from pydantic import Field, ValidationError, field_validator, model_validator

from dispatcher.credentials import basic, credential, tls_material
from dispatcher.parameters import PayloadParameter, TriggerParameter, apply, construct_payload, resolve_parameter
from dispatcher.trigger import Notice, Request, Trigger, Work, register
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target
from tiphys.clients.http import HttpRequest, destination, flaw_in_header, flaw_in_url
from tiphys.errors import FaultKind, FieldError, NotAllowed, Refused, TriggerError
from tiphys.schema.model import Model, field_errors, problem
from tiphys.schema.secret import ConfigMapRef, SecretRef
from tiphys.schema.tls import TLSConfig

__all__ = ["Http", "HttpSpec"]

_TIMEOUT: Final = 60
_IDEMPOTENCY: Final = "Idempotency-Key"
_FRAMING: Final = {
    "host": "set host",
    "content-length": "leave it out",
    "transfer-encoding": "leave it out",
    "trailer": "leave it out",
}


class ValueFrom(Model):
    """Where a secure header's value stands; a Secret goes before a ConfigMap."""

    secret_key_ref: SecretRef | None = None
    config_map_key_ref: ConfigMapRef | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> ValueFrom:
        if self.secret_key_ref is None and self.config_map_key_ref is None:
            raise problem("names neither a Secret nor a ConfigMap", "set secretKeyRef: {name: …, key: …}", kind=FaultKind.MISSING)
        return self


class SecureHeader(Model):
    """A header whose value is a Secret's or a ConfigMap's; one line break at its end is left off."""

    name: str = Field(min_length=1)
    value_from: ValueFrom


class BasicAuth(Model):
    """`username` and `password` of the `Authorization` header; one that is absent is empty."""

    username: SecretRef | None = None
    password: SecretRef | None = None


class HttpSpec(Model):
    """`http` of a trigger's template.

    `method` is POST unless it says otherwise. `payload` makes the body; without it there is none. Of headers with the same name in
    `headers`, `dynamicHeaders` (values from events), `secureHeaders` and `basicAuth` the last one counts, whatever the case of its letters;
    names are sent as written. `host` is the Host header. `parameters` are set in all of this. `timeout`, for the whole exchange, is in
    seconds (default 60).
    """

    url: str = Field(min_length=1)
    method: Literal["GET", "DELETE", "PATCH", "POST", "PUT"] = "POST"
    payload: list[PayloadParameter] = Field(default_factory=list)
    parameters: list[TriggerParameter] = Field(default_factory=list)
    headers: dict[str, str] = Field(default_factory=dict)
    dynamic_headers: list[TriggerParameter] = Field(default_factory=list)
    secure_headers: list[SecureHeader] = Field(default_factory=list)
    basic_auth: BasicAuth | None = None
    tls: TLSConfig | None = None
    timeout: int = Field(default=0, ge=0, le=24 * 3600)
    host: str = ""

    @field_validator("method", mode="before")
    @classmethod
    def _post_by_default(cls, value: Any) -> Any:
        return value or "POST"


@dataclass(frozen=True, slots=True)
class _Call:
    """A request whose secrets are still references. `plain` are the headers that hold none."""

    spec: HttpSpec
    plain: Mapping[str, str]
    body: bytes


@register
class Http(Trigger[HttpSpec]):
    """Sends one request for each firing."""

    key: ClassVar[str] = "http"
    spec: ClassVar[type[Model]] = HttpSpec

    @classmethod
    def check(cls, spec: HttpSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """A URL or a header that could not be sent, where no parameter sets it."""
        dests = [parameter.dest for parameter in spec.parameters]
        faults = []
        flaw = flaw_in_url(spec.url)
        if flaw and "url" not in dests:
            faults.append(FieldError("url", flaw, "write it like https://host/path", repr(spec.url)))
        names = [(f"headers.{name}", name, value) for name, value in spec.headers.items()]
        names += [(f"dynamicHeaders[{index}].dest", one.dest, "") for index, one in enumerate(spec.dynamic_headers)]
        names += [(f"secureHeaders[{index}].name", one.name, "") for index, one in enumerate(spec.secure_headers)]
        for path, name, value in names:
            if flaw := flaw_in_header(name, value):
                faults.append(FieldError(path, flaw, "correct it"))
        return faults

    @classmethod
    def notices(cls, spec: HttpSpec) -> list[Notice]:
        """What is left out, as in argo-events: headers of the transport, and what stands after a payload that is the whole body."""
        found = [
            Notice(
                f"headers.{name}",
                f"is not sent: it belongs to how a message is framed; {_FRAMING[name.lower()]}",
                kind=FaultKind.IGNORED,
            )
            for name in spec.headers
            if name.lower() in _FRAMING
        ]
        whole = next((index for index, one in enumerate(spec.payload) if not one.dest), None)
        if whole is not None and whole + 1 < len(spec.payload):
            found.append(
                Notice(
                    f"payload[{whole + 1}]",
                    f"is ignored: payload[{whole}] has no dest, so it is the whole body",
                    kind=FaultKind.IGNORED,
                )
            )
        return found

    @classmethod
    def parameters(cls, spec: HttpSpec) -> Sequence[tuple[str, TriggerParameter]]:
        """Those of the request and those of its headers."""
        found = [(f"parameters[{index}]", one) for index, one in enumerate(spec.parameters)]
        return found + [(f"dynamicHeaders[{index}]", one) for index, one in enumerate(spec.dynamic_headers)]

    def patience(self, request: Request) -> float:
        """The time limit of the exchange."""
        call: _Call = request.body
        return float(call.spec.timeout or _TIMEOUT)

    async def render(self, work: Work) -> Request:
        """The request with its parameters, body and headers; secure ones are shown as references."""
        warnings: list[str] = []
        spec = self._with_parameters(work.events, warnings)
        headers: dict[str, str] = {}
        for name, value in spec.headers.items():
            _put(headers, name, value)
        for index, dynamic in enumerate(spec.dynamic_headers):
            found = _dynamic(dynamic, work.events, f"dynamicHeaders[{index}] for {dynamic.dest}: ", warnings)
            if found is not None:
                _put(headers, dynamic.dest, found)
        if not any(name.lower() == _IDEMPOTENCY.lower() for name in (*headers, *(one.name for one in spec.secure_headers))):
            headers[_IDEMPOTENCY] = work.firing.id
        for name, value in headers.items():
            if flaw := flaw_in_header(name, value):
                raise TriggerError("InvalidHeader", f"header {name!r} {flaw}")
        if flaw := flaw_in_url(spec.url):
            raise TriggerError("InvalidUrl", f"the URL {flaw}")
        call = _Call(spec, headers, construct_payload(spec.payload, work.events, warnings))
        preview = _preview(call)
        digest = hashlib.sha256(orjson.dumps(preview, option=orjson.OPT_SORT_KEYS)).hexdigest()
        target = Target("", self.key, self.namespace, work.firing.id, digest)
        return Request(target, preview, call, tuple(warnings))

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Send it. Raises `SecretError`, `TriggerError`, `Unreachable`, `OutcomeUnknown`, and `Refused` for a status that the policy
        does not allow."""
        client = self.services.http
        if client is None:
            raise TriggerError("NoHttp", "requests cannot be sent here", transient=True)
        call: _Call = request.body
        spec = call.spec
        headers = dict(call.plain)
        for secure in spec.secure_headers:
            value = await self._secure(secure)
            if flaw := flaw_in_header(secure.name, value):
                raise TriggerError("InvalidHeader", f"header {secure.name!r} {flaw}", transient=True)
            _put(headers, secure.name, value)
        if spec.basic_auth is not None:
            user, password = [await self._secret(ref) for ref in (spec.basic_auth.username, spec.basic_auth.password)]
            _put(headers, "Authorization", basic(user, password))
        tls = await tls_material(self.services.secrets, self.namespace, spec.tls)
        try:
            answer = await client.send(
                HttpRequest(spec.method, spec.url, [*headers.items()], call.body, spec.host, self.patience(request), tls)
            )
        except NotAllowed as error:
            raise TriggerError("TargetNotAllowed", str(error)) from error
        status = self.policy.status if self.policy is not None else None
        if status is not None and answer.status not in status.allow:
            text = f"answered {answer.status}, and policy.status allows {', '.join(map(str, status.allow))}"
            raise Refused(destination(spec.method, spec.url), answer.status, f"Status{answer.status}", text, answer.retry_after)
        return request.target

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """A server cannot be asked; it has the firing's id to recognise a request that comes again."""
        return None

    def _with_parameters(self, events: Mapping[str, Event], warnings: list[str]) -> HttpSpec:
        spec = self.settings
        if not spec.parameters:
            return spec
        written = {"method": spec.method} | spec.model_dump(by_alias=True, exclude_unset=True)
        text = apply(spec.parameters, orjson.dumps(written), events, warnings)
        try:
            return HttpSpec.model_validate(orjson.loads(text))
        except orjson.JSONDecodeError as error:
            raise TriggerError("InvalidTemplate", f"http is no JSON after its parameters were set ({error})") from error
        except ValidationError as error:
            faults = "; ".join(map(str, field_errors(error, "http")))
            raise TriggerError("InvalidTemplate", f"after its parameters were set: {faults}") from error

    async def _secure(self, header: SecureHeader) -> str:
        source = header.value_from
        if source.secret_key_ref is not None:
            return (await self._secret(source.secret_key_ref)).decode("utf-8", "surrogateescape")
        reference = source.config_map_key_ref or ConfigMapRef(key="")
        found = await self.services.secrets.configmap(self.namespace, reference)
        return found.removesuffix(b"\n").decode("utf-8", "surrogateescape")

    async def _secret(self, ref: SecretRef | None) -> bytes:
        return await credential(self.services.secrets, self.namespace, ref)


def _put(headers: dict[str, str], name: str, value: str) -> None:
    """Set a header in place of one of that name, however that is written: to a server they are the same."""
    for other in [other for other in headers if other.lower() == name.lower()]:
        del headers[other]
    headers[name] = value


def _dynamic(header: TriggerParameter, events: Mapping[str, Event], where: str, warnings: list[str]) -> str | None:
    """The value of a dynamic header; `None` to leave it out (`onMissing: skip`). Raises `TriggerError` where there is none."""
    resolved = resolve_parameter(header, events, where, warnings)
    if resolved is None and header.on_missing == "skip":
        return None
    if resolved is None:
        name = header.src.dependency_name
        text = f"header {header.dest!r}: dependency {name} has no event in this firing; add a default (value)"
        raise TriggerError("ParameterNotFound", text)
    return resolved.text


def _preview(call: _Call) -> dict[str, Any]:
    """What is shown of a request, and what its digest is made of."""
    spec = call.spec
    shown: dict[str, Any] = dict(call.plain)
    shown |= {one.name: one.value_from.model_dump(by_alias=True, exclude_unset=True) for one in spec.secure_headers}
    if spec.basic_auth is not None:
        shown["Authorization"] = {"basicAuth": spec.basic_auth.model_dump(by_alias=True, exclude_unset=True)}
    preview: dict[str, Any] = {"method": spec.method, "url": spec.url, "headers": shown, "body": call.body.decode(errors="replace")}
    return preview | ({"host": spec.host} if spec.host else {})
