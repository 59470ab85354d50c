"""A ledger in a folder of its own, the embedded API behind a proxy that misbehaves on request, and a dispatcher over both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dispatcher.queue import Dispatcher, DispatcherSettings
from tests.dispatcher.support import Recorder, World
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess, shared_emulator
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.kube import Kube, KubeSettings, connect
from tiphys.emulator.kubeconfig import kubeconfig

__all__ = ["shared_emulator"]

QUICK = KubeSettings(connect_timeout=2.0, timeout=3.0, attempts=1, retry_first=0.01)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[SqliteBus]:
    async with SqliteBus.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
async def api(shared_emulator: EmulatorProcess) -> AsyncIterator[FaultyProxy]:
    """The proxy in front of the embedded API."""
    async with FaultyProxy(shared_emulator.url) as proxy:
        yield proxy


@pytest.fixture
async def kube(api: FaultyProxy, shared_emulator: EmulatorProcess, tmp_path: Path) -> AsyncIterator[Kube]:
    """The real client, through the proxy."""
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(api.url, shared_emulator.token))
    async with connect(config, settings=QUICK) as connection:
        yield connection


@pytest.fixture
async def namespace(kube: Kube) -> str:
    """A namespace that no other test uses."""
    made = await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "t-"}})
    return str(made["metadata"]["name"])


@dataclass
class Engine:
    """A dispatcher that runs, and all around it."""

    bus: SqliteBus
    epoch: int
    dispatcher: Dispatcher
    world: World
    seen: Recorder = field(default_factory=Recorder)
    task: asyncio.Task[None] | None = None


@pytest.fixture
async def engine(bus: SqliteBus, kube: Kube) -> AsyncIterator[Engine]:
    epoch, seen = await bus.ledger.open_epoch(), Recorder()
    made = Engine(bus, epoch, Dispatcher(bus.ledger, epoch, DispatcherSettings(), seen), World(kube), seen)
    made.task = asyncio.create_task(made.dispatcher.run(), name="dispatcher")
    yield made
    made.task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await made.task
