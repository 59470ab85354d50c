"""The webhook's port: TLS, bounds, and an API server that asks it."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import socket
import ssl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from tests.app.test_service import SENSOR
from tests.app.webhook.test_review import manifest, review
from tests.running import Cluster, Tiphys
from tiphys.app.webhook import CertificateFiles, Reviewer, SelfMade, open_webhook
from tiphys.clients.kube import connect
from tiphys.errors import Refused, SettingsError


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    (tmp_path / "tls.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "tls.key").write_bytes(leaf.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with (
        open_webhook(Reviewer(), CertificateFiles(tmp_path), "127.0.0.1", 0) as port,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
    ):
        yield session, f"https://localhost:{port}"


async def test_a_review_is_answered_as_json(client: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = client
    async with session.post(f"{url}/validate?timeout=5s", json=review(manifest(SENSOR, triggers=[]))) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        assert (await answer.json())["response"]["allowed"] is False


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"request": {}}'])
async def test_what_is_no_review_is_a_400(client: tuple[aiohttp.ClientSession, str], body: bytes) -> None:
    session, url = client
    async with session.post(f"{url}/validate", data=body) as answer:
        assert answer.status == 400


async def test_a_body_beyond_the_bound_is_refused(client: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = client
    async with session.post(f"{url}/validate", data=io.BytesIO(b" " * (9 << 20))) as answer:
        assert answer.status == 413


async def test_many_at_once_are_all_answered(client: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = client

    async def ask() -> int:
        async with session.post(f"{url}/validate", json=review(manifest(SENSOR))) as answer:
            return answer.status

    assert set(await asyncio.gather(*(ask() for _ in range(60)))) == {200}


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="--webhook-port"):
            async with open_webhook(Reviewer(), SelfMade(tmp_path, ["localhost"]), "127.0.0.1", taken.getsockname()[1]):
                pass


async def test_the_service_answers_reviews_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    async with Cluster(tmp_path / "cluster").run() as cluster:
        (tmp_path / "manifests").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ("--webhook", "--webhook-port", str(port), "--webhook-names", "localhost")
        tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, tmp_path / "manifests", *options)
        await tiphys.start()
        try:
            assert await tiphys.ready(), tiphys.log.read_text()
            trusted = (tmp_path / "data/webhook/authority.pem").read_text()
            context = ssl.create_default_context(cadata=trusted[trusted.index("-----BEGIN CERTIFICATE") :])
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
                session.post(f"https://localhost:{port}/validate", json=review(manifest(SENSOR, triggers=[]))) as answer,
            ):
                assert (await answer.json())["response"]["status"]["code"] == 422
        finally:
            await tiphys.kill()


@pytest.mark.timeout(120)
async def test_a_real_api_server_refuses_and_warns_as_the_webhook_says(tmp_path: Path) -> None:
    """The API server of `KUBECONFIG_TEST` must be able to reach 127.0.0.1 of this machine."""
    named = os.environ.get("KUBECONFIG_TEST")
    if not named:
        pytest.skip("KUBECONFIG_TEST names no kubeconfig of a real API server")
    name = f"tiphys-{uuid.uuid4().hex[:8]}"
    async with connect(Path(named)) as kube:
        made = SelfMade(tmp_path, ["127.0.0.1"], kube, name)
        async with open_webhook(Reviewer(), made, "127.0.0.1", 0) as port:
            await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            await kube.create(configuration(name, f"https://127.0.0.1:{port}/validate", made.bundle))
            try:
                good = {**manifest(SENSOR), "metadata": {"name": "good", "namespace": name}}
                broken = {**good, "metadata": {"name": "broken", "namespace": name}}
                broken["spec"] = {**good["spec"], "dependencies": [{"name": "x y", "eventSourceName": "e", "eventName": "v"}]}

                async def refused() -> bool:  # the API server takes a moment to hear of the configuration
                    try:
                        await kube.create(broken)
                    except Refused as error:
                        return "denied the request" in str(error) and "invalid Sensor: " in str(error)
                    await kube.delete("argoproj.io/v1alpha1", "Sensor", "broken", name)
                    return False

                async with asyncio.timeout(30):
                    while not await refused():
                        await asyncio.sleep(0.2)
                await kube.create(good)
            finally:
                await kube.delete("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", name)
                await kube.delete("v1", "Namespace", name)


def configuration(name: str, url: str, bundle: bytes) -> dict[str, Any]:
    rule = {
        "apiGroups": ["argoproj.io"],
        "apiVersions": ["v1alpha1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["eventbus", "eventsources", "sensors"],
    }
    webhook = {
        "name": "validate.tiphys.dev",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(bundle).decode()},
        "rules": [rule],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }
