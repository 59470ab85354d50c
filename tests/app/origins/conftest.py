"""The APIs for the tests of origins: the embedded one always, a real one where `KUBECONFIG_TEST` names its kubeconfig."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.emulator.fixtures import emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.clients.kube import Kube, KubeSettings, connect
from tiphys.emulator.kubeconfig import kubeconfig as kubeconfig_of

QUICK = KubeSettings(retry_first=0.02, retry_most=0.2, rediscover=0.1, timeout=5, silence=2.0)
DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "sensors.argoproj.io")


@pytest.fixture(params=["embedded", "real"])
async def kube(request: pytest.FixtureRequest) -> AsyncIterator[Kube]:
    if request.param == "embedded":
        kubeconfig = request.getfixturevalue("shared_emulator").kubeconfig
    elif named := os.environ.get("KUBECONFIG_TEST"):
        kubeconfig = Path(named)
    else:
        pytest.skip("KUBECONFIG_TEST names no kubeconfig of a real cluster")
    async with connect(kubeconfig, settings=QUICK) as connection:
        if request.param == "real" and not await connection.get(*DEFINITION):
            pytest.skip("the cluster of KUBECONFIG_TEST lacks the definitions of argoproj.io")
        yield connection


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A namespace of this test's own."""
    name = f"origins-{uuid.uuid4().hex[:8]}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    async with asyncio.timeout(30):
        await kube.delete("v1", "Namespace", name)


def write_kubeconfig(folder: Path, url: str, token: str) -> Path:
    path = folder / "through"
    path.write_text(kubeconfig_of(url, token))
    return path
