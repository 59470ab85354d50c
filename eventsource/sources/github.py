"""`github`: GitHub's webhooks (reference 3.5).

A signature is asked for whenever `webhookSecret` is set. With a public URL and credentials the hooks at GitHub are made from here, one for
each repository or organization; what is there with the same URL is corrected, never doubled. The cursor holds what was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from pydantic import Field

from eventsource.filter import EventFilter
from eventsource.ingress.forms import FormFault, parse_form
from eventsource.ingress.headers import masked
from eventsource.ingress.webhook_context import PUBLISHED, WebhookContext, decoded, metadata_member, payload_key, refused
from eventsource.source import Answer, Context, Emit, Endpoint, Notice, Request, Route, register
from tiphys.bus.ledger import Cursor
from tiphys.clients.github import API, installation_token
from tiphys.clients.github import GithubApp as App
from tiphys.clients.github_hooks import GithubHooks, Hook, organization, repository
from tiphys.clients.http import HttpClient, open_http
from tiphys.errors import ClientError, FaultKind, FieldError, Refused, SourceError, shorten
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
    """One entry below `github`.

    With `webhook.url` and `apiToken` or `githubApp`, a hook with `events`, `active`, `insecure`, `contentType` and `webhookSecret` is kept
    at each of `repositories` or `organizations`. With `deleteHookOnFinish` it is deleted when the entry goes, or no longer names the place.
    """

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
        """Whether hooks are made at GitHub."""
        return bool(self.webhook.url) and (self.api_token is not None or self.github_app is not None)

    def places(self) -> list[str]:
        """Where hooks are kept, each once."""
        if self.organizations:
            return list(dict.fromkeys(map(organization, self.organizations)))
        named = [(one.owner, name) for one in self.repositories for name in one.names]
        named = named or [(self.owner, self.repository)]
        return list(dict.fromkeys(repository(owner, name) for owner, name in named))


@register
class Github(Endpoint[GithubSpec]):
    """Takes GitHub's deliveries, as JSON or as a form; puts the event's name and the delivery's id into the body."""

    key = "github"
    event_type = "github"
    spec = GithubSpec
    look_every: ClassVar[float] = 600.0
    """Seconds between two looks at the hooks: 6 requests an hour for each, of 5,000 that GitHub allows."""
    secret_every: ClassVar[float] = 30.0
    """Seconds between two looks at the secret."""
    retry_first: ClassVar[float] = 5.0
    """Seconds before a place that refused is asked again; doubled each time, up to `look_every`."""
    members = frozenset(("headers", "body", "metadata"))

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
        """Open endpoints, and hooks that GitHub does not call."""
        authenticated = spec.webhook_secret is not None or spec.webhook.auth_secret is not None
        found = spec.webhook.remarks("webhook.", authenticated=authenticated)
        if spec.wants_hooks and not spec.active:
            text = "is false, the default: the hook is made switched off and GitHub sends nothing; set active: true"
            found.append(Notice("active", text, kind=FaultKind.HOOK_INACTIVE))
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

    # -- the hooks at GitHub

    @property
    def registers(self) -> bool:
        """With a public URL and credentials."""
        return self.settings.wants_hooks

    async def register(self, cursor: Cursor) -> None:
        """Keep a hook at each place; looked at every ten minutes, written anew when the secret changes."""
        async with open_http() as http:
            hooks, kept, written = self._hooks(http), _noted(cursor), b""
            while True:
                secret = await self._signing_secret()
                kept = await self._keep(hooks, self._hook(secret), kept, cursor, rewrite=bool(secret) and secret != written)
                written = secret
                self.context.health.well()
                await self._until_next_look(secret)

    async def withdraw(self, cursor: Cursor) -> None:
        """With `deleteHookOnFinish`: delete what was made."""
        if self.settings.delete_hook_on_finish:
            async with open_http() as http:
                await self._delete(self._hooks(http), _noted(cursor))
        await cursor.advance(b"{}")

    async def _keep(
        self, hooks: GithubHooks, hook: Hook, kept: Mapping[str, int], cursor: Cursor, *, rewrite: bool
    ) -> dict[str, int]:
        """Go over all places until each has its hook; one that is refused does not hold back the others."""
        made, failures = dict(kept), 0
        waiting = self.settings.places()
        while waiting:
            refused: dict[str, ClientError] = {}
            for place in waiting:
                try:
                    number = await hooks.ensure(place, hook, rewrite=rewrite)
                except ClientError as error:
                    refused[place] = error
                    continue
                if made.get(place) != number:
                    made[place] = number
                    await cursor.advance(orjson.dumps(made))
            waiting = list(refused)
            if refused:
                failures += 1
                self.context.health.ill("; ".join(dict.fromkeys(map(str, refused.values()))))
                asked = max((error.retry_after or 0.0 for error in refused.values() if isinstance(error, Refused)), default=0.0)
                await asyncio.sleep(min(self.look_every, max(asked, self.retry_first * 2 ** min(failures - 1, 10))))
        places = self.settings.places()
        gone = {place: number for place, number in made.items() if place not in places}
        if gone:
            if self.settings.delete_hook_on_finish:
                await self._delete(hooks, gone)
            made = {place: made[place] for place in places}
            await cursor.advance(orjson.dumps(made))
        return made

    async def _delete(self, hooks: GithubHooks, gone: Mapping[str, int]) -> None:
        for place, number in gone.items():
            await hooks.delete(place, number)

    async def _until_next_look(self, secret: bytes) -> None:
        """Ten minutes, or until the secret is another."""
        for _ in range(round(self.look_every / self.secret_every)):
            await asyncio.sleep(self.secret_every)
            if await self._signing_secret() != secret:
                return

    def _hook(self, secret: bytes) -> Hook:
        spec = self.settings
        url = f"{spec.webhook.url.rstrip('/')}/{spec.webhook.endpoint.lstrip('/')}"
        return Hook(url, tuple(spec.events), spec.content_type or "form", spec.active, spec.insecure, secret.decode())

    def _hooks(self, http: HttpClient) -> GithubHooks:
        spec = self.settings
        api = spec.github_base_url or API

        async def token() -> str:
            if spec.api_token is not None:
                return (await self.context.secret(spec.api_token)).decode()
            app = spec.github_app
            if app is None or app.private_key is None:
                raise SourceError("githubApp has no privateKey")
            key = await self.context.secret(app.private_key)
            return await installation_token(App(app.app_id, app.installation_id, key, api.rstrip("/")), http)

        return GithubHooks(http, token, api)

    async def _signing_secret(self) -> bytes:
        ref = self.settings.webhook_secret
        if ref is None:
            return b""
        if not (secret := await self.context.secret(ref)):
            raise SourceError(f"secret {ref.name}, key {ref.key}, is empty: no hook is made without a signature that was asked for")
        return secret


def _noted(cursor: Cursor) -> dict[str, int]:
    """Place → number of the hook that was made there. What another kind of source noted is nothing."""
    try:
        found = orjson.loads(cursor.value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    known = found.items() if isinstance(found, dict) else ()
    return {place: number for place, number in known if place.startswith(("repos/", "orgs/")) and isinstance(number, int)}


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
