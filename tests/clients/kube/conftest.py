"""The servers that the client is tested against: the embedded API always, a real one where `KUBECONFIG_TEST` names its kubeconfig."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tiphys.clients.kube import Kube, connect


class Cluster(NamedTuple):
    """A server, and a namespace of this test's own in it."""

    kubeconfig: Path
    kube: Kube
    namespace: str


@pytest.fixture(params=["embedded", "real"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    if request.param == "embedded":
        kubeconfig = request.getfixturevalue("shared_emulator").kubeconfig
    elif named := os.environ.get("KUBECONFIG_TEST"):
        kubeconfig = Path(named)
    else:
        pytest.skip("KUBECONFIG_TEST names no kubeconfig of a real cluster")
    namespace = f"tiphys-test-{uuid.uuid4().hex[:8]}"
    async with connect(kubeconfig) as kube:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            yield Cluster(kubeconfig, kube, namespace)
        finally:
            async with asyncio.timeout(30):
                await kube.delete("v1", "Namespace", namespace)
