"""`github`: GitHub's webhooks (reference 3.5).

A signature is asked for whenever `webhookSecret` is set. Hooks are not created at GitHub from here yet: the fields for it are read, and the
status says what to do by hand.
"""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import Field

from eventsource.filter import EventFilter
from eventsource.ingress.forms import FormFault, parse_form
from eventsource.ingress.headers import masked
from eventsource.ingress.webhook_context import PUBLISHED, WebhookContext, decoded, metadata_member, payload_key, refused
from eventsource.source import Answer, Context, Emit, Endpoint, Notice, Request, Route, register
from tiphys.errors import FaultKind, FieldError, shorten
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

_EVENT, _DELIVERY = "X-GitHub-Event", "X-GitHub-Delivery"


class OwnedRepositories(Model):
    """Repositories of one owner."""

    owner: str = ""
    names: list[str] = Field(default_factory=list)


class GithubApp(Model):
    """A GitHub App's credentials."""

    private_key: SecretRef | None = None
    app_id: int = Field(default=0, alias="appID")
    installation_id: int = Field(default=0, alias="installationID")


class GithubSpec(Model):
    """One entry below `github`. What concerns the hook at GitHub (`events`, `active`, `insecure`, `apiToken`, …) has no effect yet."""

    webhook: WebhookContext
    repositories: list[OwnedRepositories] = Field(default_factory=list)
    organizations: list[str] = Field(default_factory=list)
    owner: str = ""
    repository: str = ""
    id: int = 0
    events: list[str] = Field(default_factory=list)
    api_token: SecretRef | None = None
    github_app: GithubApp | None = None
    webhook_secret: SecretRef | None = None
    insecure: bool = False
    active: bool = False
    content_type: str = ""
    github_base_url: str = Field(default="", alias="githubBaseURL")
    github_upload_url: str = Field(default="", alias="githubUploadURL")
    delete_hook_on_finish: bool = False
    metadata: dict[str, str] = Field(default_factory=dict)
    filter: EventFilter | None = None

    @property
    def wants_hooks(self) -> bool:
        """Whether argo-events would create hooks at GitHub."""
        return bool(self.webhook.url) and (self.api_token is not None or self.github_app is not None)


@register
class Github(Endpoint[GithubSpec]):
    """Takes GitHub's deliveries, as JSON or as a form; puts the event's name and the delivery's id into the body."""

    key = "github"
    event_type = "github"
    spec = GithubSpec

    def __init__(self, spec: GithubSpec, context: Context) -> None:
        super().__init__(spec, context)
        self._metadata = metadata_member(spec.metadata)
        signed = spec.webhook_secret is not None
        self._route = spec.webhook.route(signature="github" if signed else None, secret=spec.webhook_secret)

    @classmethod
    def check(cls, spec: GithubSpec) -> list[FieldError]:
        """The rules of reference 8.3."""
        faults = spec.webhook.faults("webhook.")
        repositories = bool(spec.repositories or (spec.owner and spec.repository))
        if repositories and spec.organizations:
            faults.append(FieldError("organizations", "stands beside repositories", "keep one of the two"))
        if not repositories and not spec.organizations:
            faults.append(FieldError("repositories", "is missing", "name repositories or organizations", kind=FaultKind.MISSING))
        if spec.wants_hooks and not spec.events:
            faults.append(FieldError("events", "is missing", 'name the events of the hook, or "*"', kind=FaultKind.MISSING))
        if spec.content_type not in ("", "json", "form"):
            faults.append(
                FieldError(
                    "contentType", "must be json or form", "choose one", shorten(spec.content_type), kind=FaultKind.WRONG_TYPE
                )
            )
        if bool(spec.github_base_url) != bool(spec.github_upload_url):
            missing = "githubUploadURL" if spec.github_base_url else "githubBaseURL"
            faults.append(FieldError(missing, "is missing", "a GitHub Enterprise Server needs both URLs", kind=FaultKind.MISSING))
        return faults

    @classmethod
    def notices(cls, spec: GithubSpec) -> list[Notice]:
        """Open endpoints, and hooks that are not created."""
        authenticated = spec.webhook_secret is not None or spec.webhook.auth_secret is not None
        found = spec.webhook.remarks("webhook.", authenticated=authenticated)
        if spec.wants_hooks:
            text = (
                "hooks are not created at GitHub yet: create the hook yourself, with this URL, these events and the webhookSecret"
            )
            found.append(Notice("webhook.url", text, kind=FaultKind.HOOK_NOT_CREATED))
        return found

    @property
    def route(self) -> Route:
        """As `webhook` says; any method, as in argo-events."""
        return self._route

    async def handle(self, request: Request, emit: Emit) -> Answer:
        """Publish the delivery: `headers`, `body` and, if there is any, `metadata`."""
        raw, body = await decoded(_content(request))
        if not isinstance(body, dict):
            raise refused("not-an-object", "the payload is no JSON object")
        delivery = request.header("X-Github-Delivery")
        raw = _named(raw, body, {_EVENT: request.header("X-Github-Event"), _DELIVERY: delivery})
        # let go before the wait: what is decoded for the next requests finds its memory still in the processor's cache
        del body
        data = b'{"headers":%b,"body":%b%b}' % (masked(request.headers), raw, self._metadata)
        key = payload_key(delivery, request, authenticated=self._route.authenticated)
        await emit(self.context.event(data, key=key, worldid=delivery or None))
        return PUBLISHED


def _content(request: Request) -> bytes:
    """The JSON text: the body, or the field `payload` of a form. The receiver goes by what was sent, not by `contentType`."""
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    if kind == "application/json":
        return request.body
    if kind != "application/x-www-form-urlencoded":
        raise refused("content-type", "the Content-Type must be application/json or application/x-www-form-urlencoded")
    try:
        form = parse_form(request.body)
    except FormFault as fault:
        raise refused("form", str(fault)) from fault
    if not form.get("payload", [""])[0]:
        raise refused("form", "the form has no field payload")
    return form["payload"][0].encode()


def _named(raw: bytes, body: dict[str, Any], names: dict[str, str]) -> bytes:
    """The body's text with these members added. They win over members of the same name."""
    if not names.keys().isdisjoint(body):
        return orjson.dumps(body | names)
    return orjson.dumps(names)[:-1] + (b"," if body else b"") + raw.lstrip()[1:]
