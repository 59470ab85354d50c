"""The real service and the embedded API as processes, for measurements from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from tiphys.emulator.kubeconfig import kubeconfig

__all__ = ["Process", "embedded", "free_port", "service"]

_LIMIT: Final = 120.0
_TOKEN: Final = "benchmark"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Process:
    """A running service: its process id, its ports, its data folder, and the seconds from its start until it was ready."""

    def __init__(self, pid: int, ingress: int, api: int, data: Path, seconds: float) -> None:
        self.pid, self.ingress, self.api, self.data, self.seconds = pid, ingress, api, data, seconds

    def pss(self) -> float:
        """Proportional set size in MiB (Linux)."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[tuple[str, str, Path]]:
    """The embedded API: its URL, its token, its kubeconfig."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.write_text(_TOKEN)
    command = ["-m", "tiphys.emulator", "--data", str(folder / "data"), "--port", "0", "--token-file", str(token)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        if process.stdout is None:
            raise RuntimeError("the embedded API has no output")
        url = json.loads(await asyncio.wait_for(process.stdout.readline(), _LIMIT))["url"]
        path = folder / "kubeconfig"
        path.write_text(kubeconfig(url, _TOKEN))
        yield url, _TOKEN, path
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def service(folder: Path, kube: Path, manifests: Path) -> AsyncIterator[Process]:
    """`tiphys serve`, until it is ready."""
    ingress, api = free_port(), free_port()
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tiphys.app.cli", "serve", "--data", str(folder), "--kubeconfig", str(kube), "--manifests", str(manifests),
        "--host", "127.0.0.1", "--ingress-port", str(ingress), "--api-port", str(api), "--log-level", "error",
    )  # fmt: skip
    try:
        await asyncio.wait_for(_ready(process, api), _LIMIT)
        yield Process(process.pid, ingress, api, folder, time.monotonic() - started)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, api: int) -> None:
    async with aiohttp.ClientSession() as session:
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{api}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.01)
    raise RuntimeError(f"the service ended with {process.returncode}")
