"""The real service as a child process, beside the embedded API in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tiphys.emulator.kubeconfig import kubeconfig

READY_SECONDS = 40.0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Cluster:
    """The embedded Kubernetes API in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = "soak"
        self.kubeconfig = folder / "kubeconfig"
        self.url = ""

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[Cluster]:
        """Serve until the context ends; entered again it serves the same data on the same port."""
        self.folder.mkdir(parents=True, exist_ok=True)
        token_file = self.folder / "token"
        token_file.write_text(self.token)
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tiphys.emulator", "--data", str(self.folder / "data"), "--port", port, "--token-file", str(token_file),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_SECONDS):
                self.url = json.loads(await process.stdout.readline())["url"]
            self.kubeconfig.write_text(kubeconfig(self.url, self.token))
            yield self
        finally:
            process.terminate()
            await process.wait()

    async def call(self, method: str, path: str, obj: dict | None = None, content_type: str = "application/json") -> dict:
        """One request to the API."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        async with aiohttp.ClientSession(headers=headers) as session:
            data = None if obj is None else json.dumps(obj)
            async with session.request(method, self.url + path, data=data) as answer:
                answer.raise_for_status()
                return await answer.json()

    async def create(self, path: str, obj: dict) -> None:
        """POST to a collection."""
        await self.call("POST", path, obj)

    async def objects(self, path: str) -> list[dict]:
        """Every object of a collection (`/api/v1/configmaps`)."""
        return (await self.call("GET", path))["items"]


class Tiphys:
    """`tiphys serve` over one data folder, started and killed many times."""

    def __init__(self, folder: Path, kubeconfig: Path, manifests: Path, *options: str) -> None:
        self.data = folder
        self.kubeconfig, self.manifests, self.options = kubeconfig, manifests, options
        self.ingress_port, self.api_port = free_port(), free_port()
        self.process: asyncio.subprocess.Process | None = None
        self.log = folder.with_suffix(".log")

    async def start(self, crash_at: str = "") -> None:
        environment = {**os.environ, "TIPHYS_CRASH_AT": crash_at} if crash_at else dict(os.environ)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tiphys.app.cli", "serve", "--data", str(self.data), "--kubeconfig", str(self.kubeconfig),
                "--manifests", str(self.manifests), "--host", "127.0.0.1", "--ingress-port", str(self.ingress_port),
                "--api-port", str(self.api_port), *self.options,
                env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def ready(self) -> bool:
        """Wait until `/readyz` says so; false if the process ended first."""
        async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
            while self.running:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.get(f"http://127.0.0.1:{self.api_port}/readyz") as answer:
                        if answer.status == 200:
                            return True
                await asyncio.sleep(0.02)
        return False

    async def kill(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(READY_SECONDS):
            return await self.process.wait()

    async def ask(self, path: str) -> dict:
        """GET below `/api/v1/`."""
        token = (self.data / "api-token").read_text()
        url = f"http://127.0.0.1:{self.api_port}/api/v1/{path}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session, session.get(url) as answer:
            answer.raise_for_status()
            return await answer.json()
