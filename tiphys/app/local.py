"""The embedded Kubernetes API as a child process of a local service, and its kubeconfig in the data folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog

from tiphys.emulator.kubeconfig import kubeconfig
from tiphys.errors import SettingsError, StoreError

__all__ = ["embedded_kubernetes", "read_kubeconfig", "write_secretly"]

_log = structlog.get_logger(__name__)
_START: Final = 15.0
_STOP: Final = 5.0


def write_secretly(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def read_kubeconfig(data: Path) -> str:
    """The kubeconfig of the embedded API whose data are in `data`. Raises `SettingsError` if there is none."""
    try:
        return (data / "kubeconfig").read_text()
    except OSError as error:
        raise SettingsError(
            "--data", f"no embedded Kubernetes API has its data in {data}", "start `tiphys demo` or `tiphys serve --local` first"
        ) from error


@contextlib.asynccontextmanager
async def embedded_kubernetes(data: Path, port: int) -> AsyncIterator[Path]:
    """Run the embedded API over `data/kubernetes` until the context ends, starting it again if it dies; yields its kubeconfig.

    Raises `SettingsError` if it does not start (a port in use, for one), with its own words.
    """
    token_file = data / "kubernetes-token"
    if not token_file.exists():
        write_secretly(token_file, secrets.token_urlsafe(24))
    process, url = await _start(data, port, token_file)
    path = data / "kubeconfig"
    write_secretly(path, kubeconfig(url, token_file.read_text().strip()))
    keeper = asyncio.create_task(_keep(process, data, url, token_file), name="embedded-kubernetes")
    try:
        yield path
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


async def _start(data: Path, port: int, token_file: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tiphys.emulator",
        "--data",
        str(data / "kubernetes"),
        "--port",
        str(port),
        "--token-file",
        str(token_file),
        "--parent-watch",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101  given above
    assert process.stderr is not None  # noqa: S101
    try:
        async with asyncio.timeout(_START):
            line = await process.stdout.readline()
    except TimeoutError as error:
        await _stop(process)
        raise StoreError(f"the embedded Kubernetes API did not start within {_START:g} s") from error
    if not line:
        said = (await process.stderr.read(4096)).decode(errors="replace").strip().splitlines()
        await process.wait()
        raise SettingsError(
            "--kubernetes-port", f"the embedded Kubernetes API did not start: {said[-1] if said else 'it said nothing'}"
        )
    return process, json.loads(line)["url"]


async def _keep(process: asyncio.subprocess.Process, data: Path, url: str, token_file: Path) -> None:
    """Wait for the child; start it again on the same port when it dies. Ends it when cancelled."""
    port = int(url.rsplit(":", 1)[1].strip("/"))
    try:
        while True:
            drains = [asyncio.create_task(_drain(stream)) for stream in (process.stdout, process.stderr) if stream]
            code = await process.wait()
            for drain in drains:
                drain.cancel()
            _log.error("the embedded Kubernetes API ended; it is started again", action="embedded-kubernetes-died", code=code)
            await asyncio.sleep(1)
            process, _ = await _start(data, port, token_file)
    finally:
        await _stop(process)


async def _drain(stream: asyncio.StreamReader) -> None:
    """Keep the child's pipe from filling."""
    while await stream.read(1 << 16):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
