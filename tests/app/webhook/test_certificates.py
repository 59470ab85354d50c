"""Certificates of the webhook: of files that are replaced, and self-made ones that are renewed without a moment of distrust."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import trustme

from tests.app.origins.conftest import QUICK, write_kubeconfig
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.app.webhook import CertificateFiles, Reviewer, SelfMade, open_webhook
from tiphys.app.webhook.certificates import Certificates
from tiphys.clients.kube import Kube, connect
from tiphys.errors import SettingsError

NAME = "tiphys.tiphys.svc"
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL: the tests' clock runs ahead of the machine's
CONFIGURATION = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


@asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[int]:
    async with open_webhook(Reviewer(), certificates, "127.0.0.1", 0) as port:
        yield port


async def serial(port: int, authorities: bytes) -> str:
    """The certificate that is served to who trusts these authorities only. Raises `aiohttp.ClientError` where they do not vouch for it."""
    context = ssl.create_default_context(cadata=authorities.decode())
    context.verify_flags |= NO_CHECK_TIME
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(f"https://127.0.0.1:{port}/healthz", server_hostname=NAME) as answer,
    ):
        assert await answer.text() == "ok"
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return str(found)


def write(folder: Path, authority: trustme.CA, key_of: trustme.LeafCert | None = None) -> trustme.LeafCert:
    made = authority.issue_cert(NAME)
    (folder / "tls.crt").write_bytes(made.cert_chain_pems[0].bytes())
    (folder / "tls.key").write_bytes((key_of or made).private_key_pem.bytes())
    return made


async def test_new_files_are_served_without_a_restart_and_a_pair_that_does_not_fit_is_left_alone(tmp_path: Path) -> None:
    # given
    authority = trustme.CA()
    trusted = authority.cert_pem.bytes()
    first = write(tmp_path, authority)
    files = CertificateFiles(tmp_path)
    async with serving(files) as port:
        before = await serial(port, trusted)
        # when they are half replaced
        write(tmp_path, authority, key_of=first)
        await files.refresh()
        # then
        assert await serial(port, trusted) == before
        # when they are whole again
        write(tmp_path, authority)
        await files.refresh()
        # then
        assert await serial(port, trusted) != before


async def test_absent_and_unreadable_files_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tls\.crt and tls\.key"):
        await CertificateFiles(tmp_path).load()
    (tmp_path / "tls.crt").write_text("x")
    (tmp_path / "tls.key").write_text("y")
    with pytest.raises(SettingsError, match="cannot be used"):
        await CertificateFiles(tmp_path).load()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_a_self_made_certificate_is_kept_over_a_restart_and_renewed_in_time(tmp_path: Path) -> None:
    clock = Clock()
    first = await SelfMade(tmp_path, [NAME], now=clock).pair()
    again = SelfMade(tmp_path, [NAME], now=clock)
    assert await again.pair() == first
    # when a third of its time is left
    clock.now += timedelta(days=61)
    renewed = await again.pair()
    assert renewed != first
    assert again.bundle.count(b"BEGIN CERTIFICATE") == 1
    # and for another name there is another
    assert await SelfMade(tmp_path, ["other.tiphys.svc", "127.0.0.1"], now=clock).pair() != renewed
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


async def test_damaged_certificates_are_one_clear_line(tmp_path: Path) -> None:
    made = SelfMade(tmp_path, [NAME])
    await made.load()
    (tmp_path / "tls.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    with pytest.raises(SettingsError, match="delete the folder"):
        await made.load()


async def webhook_configuration(kube: Kube) -> None:
    client = {"service": {"name": "tiphys", "namespace": "tiphys", "path": "/validate", "port": 9443}}
    webhooks = [{"name": f"{name}.tiphys.dev", "clientConfig": client} for name in ("one", "two")]
    await kube.create(
        {"apiVersion": CONFIGURATION[0], "kind": CONFIGURATION[1], "metadata": {"name": "tiphys"}, "webhooks": webhooks}
    )


async def bundles(kube: Kube) -> list[bytes]:
    found = await kube.get(*CONFIGURATION, "tiphys")
    assert found is not None
    return [base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in found["webhooks"]]


async def test_the_api_server_knows_whom_to_trust_at_every_moment(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    async with connect(emulator.kubeconfig, settings=QUICK) as kube:
        # given
        await webhook_configuration(kube)
        clock = Clock()
        made = SelfMade(tmp_path / "webhook", [NAME], kube, "tiphys", now=clock)
        async with serving(made) as port:
            first = await bundles(kube)
            assert first[0] == first[1] == made.bundle
            await serial(port, first[0])
            # when the authority is renewed
            clock.now += timedelta(days=500)
            await made.refresh()
            # then both are trusted, and the old one is still served
            second = await bundles(kube)
            assert second[0].count(b"BEGIN CERTIFICATE") == 2
            await serial(port, first[0])
            # when that has been known for a while
            await made.refresh()
            # then the new one is served to who knows both
            await serial(port, second[0])
            with pytest.raises(aiohttp.ClientError):
                await serial(port, first[0])
            # and the old one goes when it ends
            clock.now += timedelta(days=240)
            await made.refresh()
            assert (await bundles(kube))[0].count(b"BEGIN CERTIFICATE") == 1
            # and what an upgrade overwrites is put back
            patch = [{"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}]
            await kube.patch(*CONFIGURATION, "tiphys", None, patch, patch_type="application/json-patch+json")
            await made.refresh()
            assert (await bundles(kube))[1] == made.bundle


async def test_while_the_api_server_is_away_the_old_certificate_stays(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(write_kubeconfig(tmp_path, proxy.url, emulator.token), settings=QUICK) as kube,
    ):
        await webhook_configuration(kube)
        clock = Clock()
        made = SelfMade(tmp_path / "webhook", [NAME], kube, "tiphys", now=clock)
        async with serving(made) as port:
            trusted = (await bundles(kube))[0]
            clock.now += timedelta(days=500)
            proxy.answer(403, times=1000)
            await made.refresh()
            await serial(port, trusted)
