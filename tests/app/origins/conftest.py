"""The embedded API for the tests of origins."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.clients.kube import Kube, KubeSettings, connect
from tiphys.emulator.kubeconfig import kubeconfig

QUICK = KubeSettings(retry_first=0.02, retry_most=0.2, rediscover=0.1, timeout=5, silence=2.0)


@pytest.fixture
async def kube(shared_emulator: EmulatorProcess) -> AsyncIterator[Kube]:  # noqa: F811  the fixture above
    async with connect(shared_emulator.kubeconfig, settings=QUICK) as connection:
        yield connection


@pytest.fixture
async def namespace(kube: Kube) -> str:
    """A namespace of this test's own."""
    name = f"origins-{uuid.uuid4().hex[:8]}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def write_kubeconfig(folder: Path, url: str, token: str) -> Path:
    path = folder / "through"
    path.write_text(kubeconfig(url, token))
    return path
