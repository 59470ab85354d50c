"""`api` runs each test of Kubernetes' behaviour against the emulator, and against a real API server where one is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.emulator.api import Api, open_emulator, open_real
from tests.emulator.fixtures import EmulatorProcess, emulator, kubectl, shared_emulator

__all__ = ["emulator", "kubectl", "shared_emulator"]


@pytest.fixture(params=["emulator", "real"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    async with AsyncExitStack() as stack:
        if request.param == "real":
            yield await stack.enter_async_context(open_real())
        else:
            process: EmulatorProcess = request.getfixturevalue("shared_emulator")
            yield await stack.enter_async_context(open_emulator(process.url, process.token))


@pytest.fixture
async def own_api(emulator: EmulatorProcess) -> AsyncIterator[Api]:
    """An emulator of the test's own."""
    async with open_emulator(emulator.url, emulator.token) as found:
        yield found
