"""Webhooks at GitHub: made, found again and corrected by the REST API (docs.github.com, "Repository webhooks", "Organization webhooks").

A hook is known by its URL. One that is there with other events, another content type or switched off is corrected; a second one for
the same URL would deliver everything twice. GitHub never shows a hook's secret, so whoever has one writes it anew each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from tiphys.clients.github import API
from tiphys.clients.http import Answer, HttpClient, HttpRequest, destination, flaw_in_url
from tiphys.errors import ClientError, OutcomeUnknown, Refused

__all__ = ["GithubHooks", "Hook", "organization", "repository"]

_SECONDS: Final = 20.0
_PAGE: Final = 100
_PAGES: Final = (
    50  # GitHub allows 20 hooks of a repository and 20 of an organization for each event; this bounds what anybody answers
)
_ANSWER: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Hook:
    """What a hook shall be: where it delivers, which events (`*`: all), as `json` or `form` (GitHub's default), whether it is on, whether
    the receiver's certificate is left unchecked, and the secret that signs (empty: none)."""

    url: str
    events: tuple[str, ...]
    content_type: str = "form"
    active: bool = True
    insecure: bool = False
    secret: str = field(default="", repr=False)

    def holds(self, found: Mapping[str, Any]) -> bool:
        """Whether a hook as GitHub shows it is this one, the secret aside."""
        config = found.get("config") or {}
        events = set(found.get("events") or ())
        return (
            (events == set(self.events) or ("*" in events and "*" in self.events))
            and bool(found.get("active")) is self.active
            and (config.get("content_type") or "form") == self.content_type
            and str(config.get("insecure_ssl") or "0") == str(int(self.insecure))
        )

    def body(self) -> bytes:
        """As the API takes it."""
        config = {"url": self.url, "content_type": self.content_type, "insecure_ssl": str(int(self.insecure))}
        if self.secret:
            config["secret"] = self.secret
        return orjson.dumps({"name": "web", "active": self.active, "events": list(self.events), "config": config})


def repository(owner: str, name: str) -> str:
    """The place of a repository's hooks."""
    return f"repos/{quote(owner, safe='')}/{quote(name, safe='')}"


def organization(name: str) -> str:
    """The place of an organization's hooks."""
    return f"orgs/{quote(name, safe='')}"


class GithubHooks:
    """Hooks at one GitHub. `token` is asked before each request (a token that may administer hooks), `api` is where its API is: for
    GitHub Enterprise Server `https://HOST/api/v3`."""

    def __init__(self, http: HttpClient, token: Callable[[], Awaitable[str]], api: str = "") -> None:
        self._http = http
        self._token = token
        self._api = (api or API).rstrip("/")

    async def ensure(self, place: str, hook: Hook, *, rewrite: bool) -> int:
        """Have the hook at a place, corrected if it is another; `rewrite` writes it in any case, for its secret. Returns its number.

        Raises `Refused` with GitHub's words, `Unreachable`, `OutcomeUnknown`.
        """
        found = await self._find(place, hook.url)
        if found is None:
            return _number(await self._call("POST", f"{place}/hooks", hook.body()))
        number = _number(found)
        if rewrite or not hook.holds(found):
            await self._call("PATCH", f"{place}/hooks/{number}", hook.body())
        return number

    async def delete(self, place: str, number: int) -> None:
        """Delete a hook; one that is gone already is as good. Raises as `ensure`."""
        await self._call("DELETE", f"{place}/hooks/{number}", absent=True)

    async def _find(self, place: str, url: str) -> Mapping[str, Any] | None:
        for page in range(1, _PAGES + 1):
            hooks = await self._call("GET", f"{place}/hooks?per_page={_PAGE}&page={page}")
            if not isinstance(hooks, list):
                raise OutcomeUnknown(destination("GET", self._api), "answered with what is no list of hooks")
            for hook in hooks:
                if isinstance(hook, dict) and _same(str((hook.get("config") or {}).get("url", "")), url):
                    return hook
            if len(hooks) < _PAGE:
                break
        return None

    async def _call(self, method: str, path: str, body: bytes = b"", *, absent: bool = False) -> Any:
        url = f"{self._api}/{path}"
        if flaw := flaw_in_url(url):
            raise ClientError("GitHub", f"the address of the API {flaw}")
        headers = [
            ("Authorization", f"Bearer {await self._token()}"),
            ("Accept", "application/vnd.github+json"),
            ("X-GitHub-Api-Version", "2022-11-28"),
        ]
        if body:
            headers.append(("Content-Type", "application/json"))
        answer = await self._http.send(HttpRequest(method, url, headers, body, timeout=_SECONDS, answer=_ANSWER))
        where = f"{destination(method, url)}/{path.partition('?')[0]}"
        if absent and answer.status == 404:
            return None
        if not 200 <= answer.status < 300:
            raise _refusal(where, answer)
        try:
            return orjson.loads(answer.body) if answer.body else None
        except orjson.JSONDecodeError as error:
            raise OutcomeUnknown(where, f"answered {answer.status} with what is no JSON") from error


def _refusal(where: str, answer: Answer) -> ClientError:
    """GitHub's words, and what to do about the two usual ones."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    words: Sequence[str] = [
        str(said.get("message") or "no explanation"),
        *(str(one.get("message") or one.get("code") or "") for one in said.get("errors") or () if isinstance(one, dict)),
    ]
    text = "; ".join(word for word in words if word)
    if answer.status >= 500:
        return OutcomeUnknown(where, f"{answer.status}: {text}")
    if answer.status == 404:
        text += "; that is also its answer to a token that may not administer hooks: it needs admin:repo_hook, or Webhooks: write"
    return Refused(where, answer.status, "GithubHook", text, answer.retry_after)


def _number(hook: Any) -> int:
    number = hook.get("id") if isinstance(hook, dict) else None
    if not isinstance(number, int):
        raise OutcomeUnknown("GitHub", "answered with a hook that has no id")
    return number


def _same(one: str, other: str) -> bool:
    """Whether two URLs are one receiver: argo-events joins a base that ends in a slash with two of them."""
    return _joined(one) == _joined(other)


def _joined(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.replace("//", "/")
