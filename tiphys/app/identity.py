"""Who acts: each Sensor as the service account that it names, `default` where it names none, as argo-events' pods do.

A Sensor gets the services of its account: a view of the API in which every request impersonates (`tiphys.clients.kube.ActingAs`).
Whether we may act as an account is asked of the API server (SelfSubjectAccessReview) when a Sensor first names it, every few minutes
from then on, soon again while the answer is no, and at once when a request was refused for it; the answer stands in the Sensor's status.
What waits for the right is tried at once when it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from dispatcher.trigger import Services, Templates
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Account, AccountSecrets, ActingAs, Kube
from tiphys.errors import ClientError
from tiphys.schema.secret import Secrets

__all__ = ["Accounts"]

_log: Final = structlog.get_logger(__name__)
_WHILE_ALLOWED: Final = 300.0
_WHILE_FORBIDDEN: Final = 15.0
_API: Final = "authorization.k8s.io/v1"


@dataclass
class _View:
    """The services of one account."""

    kube: Kube | None
    secrets: Secrets
    templates: Templates | None
    http: HttpClient | None


@dataclass(slots=True)
class _Known:
    services: Services
    forbidden: bool = False
    due: float = 0.0  # in the loop's time


class Accounts:
    """The accounts that Sensors act as. `impersonate` false: everything is done as ourselves, and nothing is asked. `while_forbidden`:
    seconds until an account that we may not act as is asked about again."""

    def __init__(self, services: Services, *, impersonate: bool = True, while_forbidden: float = _WHILE_FORBIDDEN) -> None:
        self._services = services
        self._impersonate = impersonate and services.kube is not None
        self._while_forbidden = while_forbidden
        self._allowed: Callable[[Account], Awaitable[None]] | None = None
        self._known: dict[Account, _Known] = {}
        self._wake = asyncio.Event()

    def services(self, namespace: str, name: str) -> Services:
        """What a Sensor in `namespace` acts by, as the account `name`. The same object each time."""
        if not self._impersonate or self._services.kube is None:
            return self._services
        account = Account(namespace, name)
        if (known := self._known.get(account)) is None:
            view = ActingAs(self._services.kube, account, self._ask_soon)
            secrets = AccountSecrets(self._services.secrets, view)
            known = self._known[account] = _Known(_View(view, secrets, self._services.templates, self._services.http))
            self._wake.set()
        return known.services

    def on_allowed(self, allowed: Callable[[Account], Awaitable[None]]) -> None:
        """From now on `allowed` hears of an account that we may act as after all."""
        self._allowed = allowed

    def problem(self, namespace: str, name: str) -> str:
        """Why a Sensor cannot act as its account, and what to do; empty if it can, or if nobody has said."""
        known = self._known.get(account := Account(namespace, name))
        return account.forbidden if known is not None and known.forbidden else ""

    def _ask_soon(self, account: Account) -> None:
        known = self._known.get(account)
        if known is not None and not known.forbidden:
            known.due = 0.0
            self._wake.set()

    async def run(self) -> None:
        """Ask, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            for account, known in list(self._known.items()):
                if known.due <= loop.time():
                    await self._ask(account, known)
            nearest = min((known.due for known in self._known.values()), default=loop.time() + _WHILE_ALLOWED)
            try:
                async with asyncio.timeout_at(nearest):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _ask(self, account: Account, known: _Known) -> None:
        loop = asyncio.get_running_loop()
        assert self._services.kube is not None  # noqa: S101  no account is known without
        asked = {"verb": "impersonate", "resource": "serviceaccounts", "namespace": account.namespace, "name": account.name}
        review = {"apiVersion": _API, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
        try:
            answer = await self._services.kube.create(review)
        except ClientError:  # the connection tells of a server that is away, and the attempts of what they are refused
            known.due = loop.time() + self._while_forbidden
            return
        forbidden = not (answer.get("status") or {}).get("allowed")
        known.due = loop.time() + (self._while_forbidden if forbidden else _WHILE_ALLOWED)
        if forbidden is known.forbidden:
            return
        known.forbidden = forbidden
        name = f"{account.namespace}/{account.name}"
        if forbidden:
            _log.error("an account cannot be acted as", action="impersonation-forbidden", account=name, problem=account.forbidden)
            return
        _log.info("an account can be acted as again", action="impersonation-allowed", account=name)
        if self._allowed is not None:
            await self._allowed(account)
