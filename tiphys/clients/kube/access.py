"""Credentials in use: TLS contexts, expiry, and renewal after a 401.

Whoever sends a request asks for the present `Access`. It is renewed before it expires, when its files have been replaced, and once
after a 401 or a certificate that no longer verifies; never more often than every `renew_pause`, so that a server that refuses
everything does not make us run a plugin for every call.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from tiphys.clients.kube import plugin
from tiphys.clients.kube.profile import Profile
from tiphys.clients.kube.proxies import proxy_for
from tiphys.clients.kube.settings import KubeSettings
from tiphys.errors import ClientError, SettingsError, Unreachable

__all__ = ["Access", "Identity"]

_log: Final = structlog.get_logger(__name__)
_EXPIRY_MARGIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """A profile made ready for aiohttp. `context` is `None` for plain HTTP; `renew_at` is in the loop's time."""

    profile: Profile
    context: ssl.SSLContext | None
    headers: Mapping[str, str]
    proxy: str | None
    renew_at: float | None = field(default=None, compare=False)


class Identity:
    """Holds the present `Access`. `load` reads the profile anew; it may block and is run in a thread."""

    def __init__(self, load: Callable[[], Profile], first: Profile, settings: KubeSettings) -> None:
        self._load = load
        self._profile = first
        self._settings = settings
        self._access: Access | None = None
        self._lock = asyncio.Lock()
        self._renewed = float("-inf")
        self._failing = False
        self._failure: Unreachable | None = None

    @property
    def server(self) -> str:
        """The API server's URL, for messages."""
        return self._profile.server

    @property
    def namespace(self) -> str:
        """The namespace of the context or of the pod."""
        return self._profile.namespace

    async def access(self) -> Access:
        """The present access. Raises `Unreachable` where there was never one and a plugin fails."""
        access = self._access
        if access is not None and (access.renew_at is None or access.renew_at > asyncio.get_running_loop().time()):
            return access
        asked = asyncio.get_running_loop().time()
        async with self._lock:
            if self._failure is not None and self._renewed >= asked:
                raise self._failure  # whoever waited for a plugin that failed shares its failure, and does not run it again
            if self._access is access:
                await self._renew()
            assert self._access is not None  # noqa: S101  _renew sets it or raises
            return self._access

    async def renew(self, refused: Access) -> bool:
        """Credentials were refused; true if there are other ones now."""
        async with self._lock:
            if self._access is refused and asyncio.get_running_loop().time() >= self._renewed + self._settings.renew_pause:
                await self._renew()
            return self._access != refused

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        self._renewed = loop.time()
        try:
            first = self._access is None
            profile = self._profile if first else await asyncio.to_thread(self._load)
            profile = await plugin.ask(profile, self._settings.plugin_timeout)
            self._access = await asyncio.to_thread(_prepare, profile, self._access, self._renew_at(profile))
        except (SettingsError, ClientError, OSError, ssl.SSLError) as error:
            if self._access is None:
                if isinstance(error, Unreachable):
                    self._failure = error
                    raise
                self._failure = Unreachable(self.server, f"credentials: {error}")
                raise self._failure from error
            if not self._failing:
                _log.warning("Kubernetes API: credentials were not renewed, going on with the old ones", action="kube_credentials_trouble",
                             server=self.server, error=str(error))  # fmt: skip
            self._failing = True
            old = self._access
            self._access = Access(old.profile, old.context, old.headers, old.proxy, loop.time() + self._settings.renew_pause)
            return
        if self._failing:
            _log.info("Kubernetes API: credentials renewed", action="kube_credentials_recovered", server=self.server)
        self._failing, self._failure = False, None
        self._profile = self._access.profile

    def _renew_at(self, profile: Profile) -> float | None:
        now = asyncio.get_running_loop().time()
        if profile.expires is not None:
            left = profile.expires - time.time()
            return now + max(left - _EXPIRY_MARGIN, left / 2, self._settings.renew_pause)
        return now + self._settings.reread if profile.rotates else None


def _prepare(profile: Profile, old: Access | None, renew_at: float | None) -> Access:
    """Make a profile ready; the old TLS context is kept while its parts are the same, and with it the pooled connections."""
    headers = {"Authorization": profile.authorization} if profile.authorization else {}
    same = old is not None and _tls(old.profile) == _tls(profile)
    context = old.context if same and old is not None else _context(profile)
    return Access(profile, context, headers, proxy_for(profile.server, profile.proxy, os.environ), renew_at)


def _tls(profile: Profile) -> tuple[object, ...]:
    return profile.server, profile.authority, profile.insecure, profile.certificate, profile.key


def _context(profile: Profile) -> ssl.SSLContext | None:
    if profile.server.startswith("http://"):
        return None
    context = ssl.create_default_context(cadata=profile.authority or None)
    # Python 3.13 asks for extensions that many clusters' own authorities lack; kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if profile.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if profile.certificate:
        _load_certificate(context, profile)
    return context


def _load_certificate(context: ssl.SSLContext, profile: Profile) -> None:
    """The ssl module takes a key only from a file: one in a folder of our own, gone at once."""
    with tempfile.TemporaryDirectory(prefix="tiphys-") as folder:
        chain = Path(folder, "client.pem")
        chain.touch(mode=0o600)
        chain.write_text(f"{profile.certificate}\n{profile.key}\n", encoding="utf-8")
        context.load_cert_chain(chain)
