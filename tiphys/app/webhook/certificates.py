"""Certificates of the webhook: somebody else's files, or our own.

*Files* (cert-manager's `tls.crt` and `tls.key`): read again every minute; new ones are used from the next connection on, a pair that
does not fit (in the middle of being replaced) is left alone and said once.

*Self-made*: an authority of our own in the data folder signs a certificate for the Service's names; the API server learns the authority
from `caBundle` of the ValidatingWebhookConfiguration, which we patch. The old authority stays in the bundle until it ends, and a
certificate of a new one is used only once the API server has known that for a minute, so there is no moment in which it trusts none. A
bundle that somebody else overwrites (an upgrade of a chart) is put back.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from tiphys.app.webhook.pair import Pair
from tiphys.clients.kube import Kube
from tiphys.errors import ClientError, SettingsError

__all__ = ["CertificateFiles", "Certificates", "SelfMade"]

_log: Final = structlog.get_logger(__name__)
_EVERY: Final = 60.0
_CONFIGURATION: Final = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


class Certificates(ABC):
    """Keeps one TLS context fresh. `context` is what the server listens with; `run` renews for ever."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded: Pair | None = None
        self._problem = ""

    @abstractmethod
    async def pair(self) -> Pair:
        """The certificate to use now. Raises `SettingsError`."""

    async def load(self) -> None:
        """Use the present certificate. Raises `SettingsError` where there is none that can be used."""
        pair = await self.pair()
        if pair == self._loaded:
            return
        try:
            await asyncio.to_thread(_load, self.context, pair)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise SettingsError("--webhook", f"its certificate cannot be used: {error}", "look at the files") from error
        self._loaded = pair

    async def run(self) -> None:
        """Look for a newer one, for ever. What goes wrong leaves the present one in use."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.refresh()

    async def refresh(self) -> None:
        """Look once."""
        before = self._loaded
        try:
            await self.load()
        except SettingsError as error:
            if self._problem != str(error):
                self._problem = str(error)
                _log.error("the webhook's certificate is not renewed", action="webhook-certificate", error=self._problem)
            return
        if self._problem or self._loaded != before:
            self._problem = ""
            _log.info("the webhook has a new certificate", action="webhook-certificate-renewed")


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    """The ssl module takes a key only from a file. A pair that does not fit together is tried on another context first, since a failed
    load leaves half of it behind."""
    with tempfile.TemporaryDirectory(prefix="tiphys-") as folder:
        path = Path(folder, "webhook.pem")
        path.touch(mode=0o600)
        path.write_bytes(pair.chain + b"\n" + pair.key)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
        context.load_cert_chain(path)


class CertificateFiles(Certificates):
    """`tls.crt` and `tls.key` of a folder, as cert-manager and Kubernetes' TLS Secrets have them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def pair(self) -> Pair:
        """What stands there now."""
        try:
            return await asyncio.to_thread(
                lambda: Pair((self._folder / "tls.crt").read_bytes(), (self._folder / "tls.key").read_bytes())
            )
        except OSError as error:
            raise SettingsError(
                "--webhook-certificates", f"{self._folder} cannot be read: {error}", "mount a folder with tls.crt and tls.key"
            ) from error


class SelfMade(Certificates):
    """An authority of our own in `folder`, and certificates for `names` (of the Service, such as `tiphys.tiphys.svc`; addresses too).

    `configuration` names the ValidatingWebhookConfiguration whose `caBundle`s are kept; empty: somebody else sees to that. Needs the
    package `cryptography`. Raises `SettingsError` without it.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        kube: Kube | None = None,
        configuration: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self._now = now
        try:
            from tiphys.app.webhook.authority import make  # noqa: PLC0415  needs an extra: only who asks for this pays for it
        except ImportError as error:
            remedy = "pip install tiphys[crypto], or give files by --webhook-certificates"
            raise SettingsError("--webhook", "certificates of our own need the package cryptography", remedy) from error
        self._make, self._folder, self._names = make, folder, tuple(names)
        self._kube, self._configuration = kube, configuration
        self._troubled = False
        self.bundle = b""

    async def pair(self) -> Pair:
        """The certificate, made or renewed if need be. One of a new authority is used once the API server has known that for a while."""
        try:
            pair, self.bundle = await asyncio.to_thread(self._make, self._folder, self._names, self._now())
        except (OSError, ValueError, TypeError) as error:
            remedy = "delete the folder, and new ones are made"
            raise SettingsError("--webhook", f"its certificates in {self._folder} are damaged: {error}", remedy) from error
        known = True
        if self._kube is not None and self._configuration:
            known = await self._tell(self._kube)
        return pair if known or self._loaded is None else self._loaded

    async def _tell(self, kube: Kube) -> bool:
        """Whether the API server has known the authorities since the last time at least."""
        try:
            told = await _put_bundle(kube, self._configuration, self.bundle)
        except ClientError as error:
            if not self._troubled:
                _log.error("the API server cannot be told whom to trust", action="webhook-bundle-trouble", error=str(error))
            self._troubled = True
            return False
        if told or self._troubled:
            _log.info("the API server knows whom to trust", action="webhook-bundle", configuration=self._configuration)
        self._troubled = False
        return not told


async def _put_bundle(kube: Kube, name: str, bundle: bytes) -> bool:
    """Make it the `caBundle` of each webhook of the configuration; false if it was. Raises `ClientError`."""
    found = await kube.get(*_CONFIGURATION, name)
    if found is None:
        return False
    wanted = base64.b64encode(bundle).decode()
    places = [
        {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": wanted}
        for number, webhook in enumerate(found.get("webhooks") or ())
        if (webhook.get("clientConfig") or {}).get("caBundle") != wanted
    ]
    if not places:
        return False
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]}
    await kube.patch(*_CONFIGURATION, name, None, [unchanged, *places], patch_type="application/json-patch+json")
    return True
